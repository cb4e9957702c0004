"""An hour is stale under another card exactly if building it under that card publishes more.

And the rates that a run suggests close every gap that it tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.build.rates.held_hours import find_held
from hourtally.model.hours import HourRange
from hourtally.ratecard import parse_rate_card
from tests.support.events.event_files import arrangements
from tests.support.events.random_events import HOUR, Json, event_sets
from tests.support.examples import examples
from tests.support.homes.small_home import (
    MIDDLE,
    NEXT,
    Built,
    build,
    built,
    fresh_home,
    ingest,
    many_small_builds,
    stale,
)
from tests.support.oracle.hour import oracle
from tests.support.ratecard.random_cards import card_pairs, rate_cards


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("staleness")


def published(hour: Built) -> tuple[Json, dict[str, object]]:
    """All that readers see of a revision: its files by digest, its selection, who is held."""
    files = {name: entry["sha256"] for name, entry in hour.manifest["files"].items()}
    # What the revision holds is part of held.parquet too.
    return files, {name: hour.manifest[name] for name in ("currency", "totals", "held")}


@examples(120, fast=15)
@given(st.data(), event_sets(), card_pairs())
def test_an_hour_is_stale_exactly_if_another_card_selects_otherwise(
    folder: Path, data: st.DataObject, events: list[Json], cards: tuple[str, str]
) -> None:
    before_card, after_card = cards
    home = fresh_home(folder)
    files = ingest(home, events, data.draw(arrangements(len(events))))
    if not build(home, before_card):
        return
    before = built(home)
    selected = [oracle(files, card, HOUR).selection for card in cards]

    is_stale = HOUR in stale(home, after_card)
    assert is_stale == (selected[0] != selected[1])
    assert (HOUR in build(home, after_card)) == is_stale
    if not is_stale:
        # Building it all the same publishes the same.
        build(home, after_card, force=True)
        assert published(built(home)) == published(before)
    # Under its own card it is current, whatever was built before.
    assert HOUR not in stale(home, after_card)


@examples(60, fast=12)
@given(st.data(), event_sets(), rate_cards(gaps=True))
def test_the_card_with_the_suggested_rates_filled_in_closes_every_gap(
    folder: Path, data: st.DataObject, events: list[Json], rates: str
) -> None:
    home = fresh_home(folder)
    ingest(home, events, data.draw(arrangements(len(events))))
    build(home, rates)
    held = find_held(home, parse_rate_card(rates, "card"), HourRange(MIDDLE, NEXT))
    blocks = [one.block for one in held.suggested]
    assert len(set(blocks)) == len(blocks)
    for block in blocks:
        assert 'price_cents = ""' in block
        assert re.search(r"^active_from = \S+Z$", block, re.MULTILINE)
    filled = "\n\n".join([rates, *blocks]).replace('price_cents = ""', 'price_cents = "0.01"')

    parse_rate_card(filled, "filled")
    assert (HOUR in build(home, filled)) == bool(held.hours)
    assert find_held(home, parse_rate_card(filled, "card"), HourRange(MIDDLE, NEXT)).hours == []
