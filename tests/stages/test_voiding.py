"""Which slices of the middle hour voids cancel, and what is said of the voids."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from hourtally.events.event_types import identity_hash
from hourtally.model.hours import HOUR_MS
from hourtally.model.schemas import STORED_SLICES, STORED_VOIDS
from hourtally.stages.voiding import VoidCounts, Voided, describe_voids, find_voided
from tests.support.events.random_events import HOUR_START_MS

HALF = HOUR_MS // 2


def slices(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """Slices of (source, id) with the event's start and end, in halves of an hour."""
    return pl.DataFrame(
        [
            {
                "event_source": source,
                "event_id": id_,
                "start_ms": HOUR_START_MS + start * HALF,
                "end_ms": HOUR_START_MS + end * HALF,
                "identity": identity_hash(source, id_),
            }
            for source, id_, start, end in rows
        ],
        schema={**STORED_SLICES, "slice_row": pl.UInt32},
    ).with_columns(slice_row=pl.int_range(pl.len(), dtype=pl.UInt32))


def voids(*rows: tuple[str, str, str, int, int]) -> pl.DataFrame:
    """Voids of (own id, voided source and id) with start and end, in halves of an hour."""
    return pl.DataFrame(
        [
            {
                "source": "/fix",
                "id": own_id,
                "voided_source": source,
                "voided_id": id_,
                "start_ms": HOUR_START_MS + start * HALF,
                "end_ms": HOUR_START_MS + end * HALF,
                "reason": own_id,
                "identity": identity_hash(source, id_),
            }
            for own_id, source, id_, start, end in rows
        ],
        schema=STORED_VOIDS,
    )


def found(of: pl.DataFrame, by: pl.DataFrame) -> Voided:
    return find_voided(of.lazy(), of["identity"], by)


def test_without_voids_nothing_is_read() -> None:
    def fails(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError

    unread = slices(("a", "1", 0, 2)).lazy().map_batches(fails)
    voided = find_voided(unread, pl.Series([1], dtype=pl.UInt64), voids())
    assert voided.rows.to_list() == []
    assert voided.counts == VoidCounts()


def test_every_slice_of_a_voided_identity_is_voided_whatever_it_says() -> None:
    of = slices(("a", "1", 0, 2), ("a", "2", 0, 2), ("a", "1", 0, 1), ("b", "1", 0, 2))
    voided = found(of, voids(("v", "a", "1", 0, 2)))
    assert sorted(voided.rows) == [0, 2]
    assert (voided.counts.count, voided.counts.slices_voided, voided.counts.unmatched) == (1, 2, 0)


def test_identities_that_share_a_digest_are_told_apart() -> None:
    of = slices(("a", "1", 0, 2), ("a", "2", 0, 2)).with_columns(
        identity=pl.lit(identity_hash("a", "1"), dtype=pl.UInt64)
    )
    assert found(of, voids(("v", "a", "1", 0, 2))).rows.to_list() == [0]


def test_a_void_in_two_files_is_one_and_two_voids_of_an_event_are_two() -> None:
    of = slices(("a", "1", 0, 2))
    one = voids(("v", "a", "1", 0, 2))
    twice = pl.concat([one, one.with_columns(reason=pl.lit("another reason"))])
    assert found(of, twice).counts == found(of, one).counts
    two = found(of, voids(("v", "a", "1", 0, 2), ("w", "a", "1", 0, 2)))
    assert (two.counts.count, two.counts.slices_voided) == (2, 1)


@pytest.mark.parametrize(
    ("event", "intervals", "others"),
    [
        ((0, 2), [(0, 2)], 0),
        ((0, 4), [(0, 2)], 1),
        ((0, 2), [(-2, 4)], 1),
        ((0, 2), [(-2, 2)], 1),
        ((0, 2), [(0, 4)], 1),
        ((0, 4), [(0, 2), (0, 4)], 0),
    ],
    ids=["the same", "shorter", "longer", "earlier", "later", "shorter, and another void the same"],
)
def test_an_event_of_another_interval_than_its_voids_is_told(
    event: tuple[int, int], intervals: list[tuple[int, int]], others: int
) -> None:
    by = voids(*((f"v{n}", "a", "1", *interval) for n, interval in enumerate(intervals)))
    voided = found(slices(("a", "1", *event)), by)
    assert voided.rows.to_list() == [0]
    assert voided.counts.other_intervals == others


def test_a_manifest_has_an_example_of_each_void_that_may_be_wrong() -> None:
    of = slices(("a", "1", -1, 3), ("a", "2", 0, 2))
    by = voids(("v", "a", "1", 0, 2), ("w", "a", "z", 0, 1), ("x", "a", "y", 0, 1))
    expected: dict[str, Any] = {
        "count": 3,
        "slices_voided": 1,
        "unmatched": 2,
        "unmatched_example": {
            "source": "/fix",
            "id": "w",
            "voided_source": "a",
            "voided_id": "z",
            "start": "2026-11-22T13:00:00Z",
            "end": "2026-11-22T13:30:00Z",
        },
        "other_intervals": 1,
        "other_interval_example": {
            "event_start": "2026-11-22T12:30:00Z",
            "event_end": "2026-11-22T14:30:00Z",
            "source": "/fix",
            "id": "v",
            "voided_source": "a",
            "voided_id": "1",
            "start": "2026-11-22T13:00:00Z",
            "end": "2026-11-22T14:00:00Z",
        },
    }
    assert describe_voids(found(of, by).counts) == expected
