from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given

from hourtally.ingest.slices import cutting
from hourtally.ingest.slices.cutting import chunks_to_slice, slices_of
from hourtally.model.hours import HOUR_MS, parse_instant_ms
from hourtally.model.schemas import EVENTS
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import HOUR_START_MS, Json, event_sets
from tests.support.events.validated import validated_frame

# 2026-11-22T13.
HOUR = 1_795_352_400


def frame(*events: Json) -> pl.DataFrame:
    """The events by the strict validator."""
    return validated_frame(events)


def between(start: str, end: str) -> pl.DataFrame:
    """One event of this interval, of a resource that does not matter."""
    return frame(make_event(0)).with_columns(
        start_ms=pl.lit(parse_instant_ms(start), dtype=pl.Int64),
        end_ms=pl.lit(parse_instant_ms(end), dtype=pl.Int64),
    )


@pytest.mark.parametrize(
    ("start", "end", "slices"),
    [
        # Hours from the one that starts at 13:00, milliseconds from its start.
        ("13:00:00", "14:00:00", [(0, 0, 3_600_000)]),
        ("13:10:00", "13:10:00.001", [(0, 600_000, 600_001)]),
        ("13:59:59.999", "14:00:00", [(0, 3_599_999, 3_600_000)]),
        ("13:59:59.999", "14:00:00.001", [(0, 3_599_999, 3_600_000), (1, 3_600_000, 3_600_001)]),
        (
            "12:30:00",
            "15:00:00",
            [(-1, -1_800_000, 0), (0, 0, 3_600_000), (1, 3_600_000, 7_200_000)],
        ),
    ],
)
def test_an_event_is_cut_at_the_borders_of_hours(
    start: str, end: str, slices: list[tuple[int, int, int]]
) -> None:
    event = between(f"2026-11-22T{start}Z", f"2026-11-22T{end}Z")
    cut = slices_of(event).sort("hour")
    found = cut.select("hour", "slice_start_ms", "slice_end_ms").rows()
    assert [
        ((hour - HOUR) // 3_600, start_ms - HOUR_START_MS, end_ms - HOUR_START_MS)
        for hour, start_ms, end_ms in found
    ] == slices
    # Each slice is of the event: identity, names, quantities, and the event's own instants.
    assert all(cut.select(EVENTS.keys()).slice(n, 1).equals(event) for n in range(len(cut)))


def test_an_event_of_before_1970_is_in_its_own_hour() -> None:
    cut = slices_of(between("1969-12-31T23:30:00Z", "1970-01-01T00:00:01Z")).sort("hour")
    assert cut.select("hour", "slice_start_ms", "slice_end_ms").rows() == [
        (-3_600, -1_800_000, 0),
        (0, 0, 1_000),
    ]


def test_an_event_of_31_days_has_a_slice_an_hour() -> None:
    # From half past: 31 x 24 whole hours, and a 745th that is touched for half of it.
    cut = slices_of(between("2026-10-20T00:30:00Z", "2026-11-20T00:30:00Z"))
    assert len(cut) == 745
    assert cut["hour"].n_unique() == 745


@given(event_sets())
def test_slices_together_are_the_event(events: list[Json]) -> None:
    whole = frame(*events).with_row_index("event")
    cut = slices_of(whole.select(EVENTS.keys())).sort("slice_start_ms")
    assert (cut["slice_start_ms"] < cut["slice_end_ms"]).all()
    assert (cut["slice_start_ms"] // HOUR_MS * 3_600 == cut["hour"]).all()
    assert ((cut["slice_end_ms"] - 1) // HOUR_MS * 3_600 == cut["hour"]).all()
    lengths = (cut["slice_end_ms"] - cut["slice_start_ms"]).sum()
    assert lengths == (whole["end_ms"] - whole["start_ms"]).sum()


def test_events_of_many_hours_are_sliced_in_chunks_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cutting, "_CHUNK_SLICES", 10)
    # 3, 3, 3, 3, 25 and 1 slices.
    hours = (3, 3, 3, 3, 25, 1)
    events = frame(*(make_event(n, start=0, end=60 * count) for n, count in enumerate(hours)))
    chunks = list(chunks_to_slice(events))
    assert pl.concat(chunks).equals(events)
    # A chunk ends where the sum of slices passes a multiple of 10: 9, 12 and 37, 38.
    assert [chunk["end_ms"].len() for chunk in chunks] == [3, 1, 2]


def test_few_events_are_one_chunk_and_no_events_are_none() -> None:
    events = frame(make_event(0), make_event(1))
    [chunk] = chunks_to_slice(events)
    assert chunk.equals(events)
    assert list(chunks_to_slice(events.clear())) == []
