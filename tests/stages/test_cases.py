"""The cases that are stored with an hour, against the oracle's selection of the same events.

Few resources are tried first (`cases._TRIED`), then more; where they are half of all, all at once.
With 1 even these small hours go all the way to the query over all slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ratecard import read_cases
from hourtally.stages import cases
from hourtally.store.layout import Home
from tests.support.events.event_files import Arrangement, arrangements
from tests.support.events.one_resource import MINUTE_MS, make_event
from tests.support.events.random_events import HOUR, HOUR_START_MS, Json, event_sets
from tests.support.examples import examples
from tests.support.homes.small_home import build, built, fresh_home, ingest, many_small_builds
from tests.support.oracle.events import HOUR_MS
from tests.support.oracle.hour import oracle, read_rates
from tests.support.ratecard.card_texts import card_text, rate_text
from tests.support.ratecard.random_cards import rate_cards

Spans = list[tuple[int, int]]
Selected = tuple[str | None, ...]
"""Meter, customer, type, region, model, capacity."""


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


def merged(spans: Spans) -> Spans:
    found: Spans = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def stored(home: Home) -> dict[Selected, Spans]:
    """The stored cases. Only of paas.gpu may a rate select the capacity."""
    found: dict[Selected, Spans] = {}
    for meter, customer, *others, capacity, used in read_cases(
        home, built(home).manifest["inputs"]["cases"]
    ):
        of_gpus = (capacity or "on-demand") if meter == "paas.gpu" else None
        found.setdefault((meter, customer, *others, of_gpus), []).extend(used)
    return {selected: merged(spans) for selected, spans in found.items()}


def expected(files: list[list[Json]], rates: str) -> dict[Selected, Spans]:
    """The same, from the oracle, which keeps every customer by itself."""
    named = {
        rate.selectors.get("customer")
        for rate in read_rates(rates)
        if rate.start < HOUR_START_MS + HOUR_MS
        if rate.end is None or rate.end > HOUR_START_MS
    }
    found: dict[Selected, Spans] = {}
    for (customer, meter, *others), parts in oracle(files, rates, HOUR).selection.items():
        spans = [(start - HOUR_START_MS, end - HOUR_START_MS) for start, end, _ in parts]
        selected = (meter, customer if customer in named else None, *others)
        found.setdefault(selected, []).extend(spans)
    return {selected: merged(spans) for selected, spans in found.items()}


@pytest.mark.parametrize("tried", [1, 400])
@examples(60, fast=10)
@given(data=st.data(), events=event_sets(), rates=rate_cards(gaps=True))
def test_stored_cases_are_the_usage_that_the_oracle_finds(
    folder: Path, tried: int, data: st.DataObject, events: list[Json], rates: str
) -> None:
    home = fresh_home(folder)
    files = ingest(home, events, data.draw(arrangements(len(events))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "_TRIED", tried)
        if not build(home, rates):
            return
    assert stored(home) == expected(files, rates)


def used_by(home: Home, events: list[Json]) -> Spans:
    """When the only case of these services has usage, in minutes of the hour."""
    everything = Arrangement((tuple(range(len(events))),), ("ndjson",), seed=0)
    ingest(home, events, everything)
    build(home, card_text(rate_text(meter='"paas.memory"', per='"gib-month"')))
    [spans] = stored(home).values()
    return [(start // MINUTE_MS, end // MINUTE_MS) for start, end in spans]


def services(first: int, *spans: tuple[int, int], resources: int = 1) -> list[Json]:
    """Resources that each have usage in these minutes."""
    return [
        make_event(
            (first + number) * len(spans) + place,
            customerId="acme",
            resourceId=f"r{first + number}",
            start=start,
            end=end,
        )
        for number in range(resources)
        for place, (start, end) in enumerate(spans)
    ]


def test_one_resource_in_a_pause_of_801_others_is_part_of_their_case(folder: Path) -> None:
    # 400 that last longest are tried, and those that begin first or end last: none fills the pause.
    many = services(0, (0, 10), (50, 60), resources=801)
    events = [*many, *services(2_000, (30, 31))]
    assert used_by(fresh_home(folder), events) == [(0, 10), (30, 31), (50, 60)]


def test_a_resource_that_begins_first_or_ends_last_is_part_of_the_case_of_801_others(
    folder: Path,
) -> None:
    events = [
        *services(0, (1, 59), resources=801),
        *services(2_000, (0, 1)),
        *services(3_000, (59, 60)),
    ]
    assert used_by(fresh_home(folder), events) == [(0, 60)]


@pytest.mark.parametrize("resources", [401, 801], ids=["all at once", "few first"])
def test_a_pause_in_which_nobody_has_usage_is_no_part_of_a_case(
    folder: Path, resources: int
) -> None:
    events = services(0, (0, 10), (50, 60), resources=resources)
    assert used_by(fresh_home(folder), events) == [(0, 10), (50, 60)]
