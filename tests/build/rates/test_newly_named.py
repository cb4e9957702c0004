"""A card that newly names a customer makes stale the hours whose usage of it has another price."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build.rates import newly_named
from hourtally.build.staleness import stale_hours
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home
from tests.support.events.random_events import NOW_MS
from tests.support.homes.priced_home import (
    CARD,
    FIRST,
    SECOND,
    add,
    cluster,
    hourly_rate,
    job,
    priced_home,
    publish,
)
from tests.support.oracle.events import VOID
from tests.support.ratecard.card_texts import card_text

CPU = hourly_rate("cpu", "120")


def stale(home: Home, *rates: str) -> list[str]:
    card = parse_rate_card(card_text(*rates), "card")
    found = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)
    assert all(one.reasons == ("rates changed",) for one in found)
    return [one.hour.name for one in found]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """acme has a job in region eu in the first 30 minutes, one in no region in the next hour."""
    events = [job(1, "acme", region="eu"), job(2, "globex", region="us"), job(3, "acme", 60, 90)]
    return priced_home(tmp_path, *events)


@pytest.mark.parametrize(
    ("own", "hours"),
    [
        ({}, [FIRST, SECOND]),
        ({"cents": "120"}, []),
        ({"customer": "globex"}, [FIRST]),
        ({"customer": "nobody"}, []),
        ({"region": "eu"}, [FIRST]),
        ({"region": "us"}, []),
        ({"resource_type": "service"}, []),
        ({"meter": "paas.gpu"}, []),
        ({"active_from": "2026-11-22T13:30:00Z"}, [SECOND]),
        ({"active_from": "2026-11-22T13:29:59.999Z"}, [FIRST, SECOND]),
        ({"region": "eu", "active_from": "2026-11-22T13:30:00Z"}, []),
    ],
)
def test_only_hours_in_which_it_has_usage_at_another_price_are_stale(
    home: Home, own: dict[str, str], hours: list[object]
) -> None:
    given = {"cents": "100", "customer": "acme", **own}
    rate = hourly_rate("own", given.pop("cents"), given.pop("meter", "paas.cpu"), **given)
    assert stale(home, CPU, rate) == [str(hour) for hour in hours]
    assert publish(home, card_text(CPU, rate)) == [str(hour) for hour in hours]


def test_of_more_customers_than_are_asked_one_by_one_those_with_usage_count(home: Home) -> None:
    named = [hourly_rate(f"own-{n}", "100", customer=f"customer {n}") for n in range(60)]
    assert stale(home, CPU, *named) == []
    assert stale(home, CPU, *named, hourly_rate("own", "1", customer="globex")) == [FIRST.name]


def test_a_cluster_of_a_newly_named_customer_counts(tmp_path: Path) -> None:
    every = hourly_rate("cluster", "20", "byoc.cluster")
    home = priced_home(tmp_path, cluster(1, "acme"), card=card_text(every))
    assert stale(home, every, hourly_rate("own", "20", "byoc.cluster", customer="acme")) == []
    own = hourly_rate("own", "10", "byoc.cluster", customer="acme")
    assert stale(home, every, own) == [FIRST.name]


def test_slices_that_do_not_count_decide_nothing(tmp_path: Path) -> None:
    # Of acme's two jobs the one in eu is voided, so that no usage of it has the new price.
    voided = job(1, "acme", region="eu")
    void = {
        **voided,
        "id": "void",
        "type": VOID,
        "data": {
            "voidedSource": voided["source"],
            "voidedId": voided["id"],
            "start": voided["data"]["start"],
            "end": voided["data"]["end"],
        },
    }
    home = priced_home(
        tmp_path, voided, void, job(2, "acme", region="us"), job(3, "globex", region="eu")
    )
    assert stale(home, CPU, hourly_rate("own", "1", customer="acme", region="eu")) == []
    assert stale(home, CPU, hourly_rate("own", "1", customer="acme", region="us")) == [FIRST.name]


def test_too_many_slices_to_hold_are_metered(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newly_named, "_MOST_BYTES", 0)
    assert stale(home, CPU, hourly_rate("own", "1", customer="acme", region="eu")) == [FIRST.name]
    assert stale(home, CPU, hourly_rate("own", "1", customer="acme", region="us")) == []


def test_a_held_customer_that_is_newly_named_has_usage_all_the_same(tmp_path: Path) -> None:
    of_others = hourly_rate("cpu", "120", region="eu")
    home = priced_home(tmp_path, job(1, "acme"), card=card_text(of_others))
    assert stale(home, of_others, hourly_rate("own", "1", customer="acme")) == [FIRST.name]
    assert stale(home, of_others, hourly_rate("own", "1", customer="globex")) == []


def test_an_hour_with_late_events_is_not_asked_for_slices_of_another_time(home: Home) -> None:
    add(home, job(4, "acme", 30, 60))
    card = parse_rate_card(card_text(CPU, hourly_rate("own", "1", customer="globex")), "card")
    found = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)
    assert [(one.hour, one.reasons) for one in found] == [(FIRST, ("new batch",))]


def test_rates_of_a_revision_that_are_gone_are_judged_by_what_they_said(home: Home) -> None:
    for kept in home.rates_snapshots.iterdir():
        kept.unlink()
    assert stale(home, hourly_rate("renamed", "120")) == []
    assert stale(home, hourly_rate("cpu", "121")) == [FIRST.name, SECOND.name]
    assert card_text(CPU) == CARD
