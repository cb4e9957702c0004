"""Which published hours a change of the card restates: those whose usage selects other prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build.rates.card_restatements import Restatements, find_restatements
from hourtally.model.hours import ALL_HOURS, HourRange
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home
from tests.support.events.random_events import NOW_MS
from tests.support.homes.priced_home import (
    CARD,
    FIRST,
    SECOND,
    add,
    hourly_rate,
    job,
    priced_home,
    publish,
)
from tests.support.ratecard.card_texts import card_text

CPU = hourly_rate("cpu", "120")


def restated(home: Home, new: str, old: str = CARD, within: HourRange = ALL_HOURS) -> Restatements:
    cards = parse_rate_card(old, "old"), parse_rate_card(new, "new")
    return find_restatements(home, cards, NOW_MS, DEFAULT_SETTLE_MS, within)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """acme has usage in both hours, globex in the second."""
    return priced_home(tmp_path, job(1, "acme"), job(2, "acme", 60, 90), job(3, "globex", 60, 90))


@pytest.mark.parametrize(
    ("new", "hours"),
    [
        (card_text(hourly_rate("cpu", "121")), [FIRST, SECOND]),
        # From the middle of the second hour on: acme and globex have usage until then.
        (card_text(CPU, hourly_rate("b", "121", active_from="2026-11-22T14:30:00Z")), []),
        (card_text(CPU, hourly_rate("b", "121", active_from="2026-11-22T14:29:59Z")), [SECOND]),
        (card_text(CPU, hourly_rate("own", "121", customer="globex")), [SECOND]),
        # The same price, by another name.
        (card_text(CPU, hourly_rate("own", "120", customer="globex")), []),
        (card_text(hourly_rate("renamed", "120.0")), []),
        (card_text(CPU, hourly_rate("gpu", "1", "paas.gpu")), []),
        (card_text(), [FIRST, SECOND]),
        (CARD.replace("USD", "EUR"), [FIRST, SECOND]),
    ],
)
def test_an_hour_is_restated_only_where_its_usage_selects_another_price(
    home: Home, new: str, hours: list[object]
) -> None:
    found = restated(home, new)
    assert found.restated == hours
    assert (found.stale_already, found.damaged) == ([], 0)
    # As a run under the new card does.
    assert publish(home, new) == [str(hour) for hour in hours]


def test_only_hours_of_the_range_count(home: Home) -> None:
    assert restated(home, card_text(), within=HourRange(SECOND, None)).restated == [SECOND]


def test_an_hour_that_is_stale_anyway_is_told_apart(home: Home) -> None:
    add(home, job(4, "acme", 30, 60))
    found = restated(home, card_text(hourly_rate("cpu", "121")))
    assert (found.restated, found.stale_already) == ([SECOND], [(FIRST, "new batch")])


def test_an_hour_that_has_the_new_prices_already_is_not_restated(home: Home) -> None:
    new = card_text(hourly_rate("cpu", "121"))
    publish(home, new)
    assert restated(home, new).restated == []


def test_an_hour_that_was_never_built_is_not_restated(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), card=None)
    assert restated(home, card_text()).restated == []
