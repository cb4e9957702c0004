"""The voids of a file, by the hours that they touch."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from hourtally.events.event_types import Void, identity_hash
from hourtally.ingest.parsed import voids_frame
from hourtally.ingest.void_writer import stage_voids, voids_by_hour
from hourtally.model.hours import DAY_MS, HOUR_MS, Hour
from hourtally.store.void_files import read_voids
from tests.support.events.random_events import HOUR_START_MS
from tests.support.examples import examples


def void(id_: str, start_ms: int, end_ms: int) -> Void:
    return Void("/fix", id_, "/meter", "e1", start_ms, end_ms, None)


def ids_by_hour(voids: list[Void]) -> dict[int, list[str]]:
    return {
        hour.timestamp: touching["id"].to_list()
        for hour, touching in voids_by_hour(voids_frame(voids))
    }


def test_a_void_is_in_every_hour_that_it_touches_and_in_no_other() -> None:
    start, hour = HOUR_START_MS, HOUR_START_MS // 1_000
    voids = [
        void("b", start, start + HOUR_MS),
        void("a", start + 1, start + HOUR_MS + 1),
        void("later", start + 30 * DAY_MS, start + 30 * DAY_MS + 1),
    ]
    assert ids_by_hour(voids) == {
        hour: ["a", "b"],
        hour + 3_600: ["a"],
        hour + 30 * 86_400: ["later"],
    }
    assert ids_by_hour([]) == {}


@examples(200, fast=50)
@given(st.lists(st.tuples(st.integers(0, 40 * HOUR_MS), st.integers(1, 12 * HOUR_MS)), max_size=8))
def test_hours_come_in_order_with_their_voids_in_order(intervals: list[tuple[int, int]]) -> None:
    voids = [void(f"{n:03d}", start, start + length) for n, (start, length) in enumerate(intervals)]
    expected: dict[int, list[str]] = {}
    for hour in range(60):
        touching = [
            one.id
            for one in voids
            if one.start_ms < (hour + 1) * HOUR_MS and one.end_ms > hour * HOUR_MS
        ]
        if touching:
            expected[hour * 3_600] = touching
    found = ids_by_hour(voids)
    assert list(found) == list(expected)
    assert found == expected


def test_staged_files_are_described_and_read_back(tmp_path: Path) -> None:
    one = Void("/fix", "v", "a\0b", "\U0001f600", HOUR_START_MS, HOUR_START_MS + 1, "é")
    entries = stage_voids(tmp_path, voids_frame([one]), 1)
    name = Hour.containing(HOUR_START_MS).name
    path = tmp_path / f"{name}.voids.parquet"
    assert entries[name]["rows"] == 1
    assert entries[name]["size"] == path.stat().st_size
    expected = voids_frame([one]).with_columns(
        identity=pl.lit(identity_hash("a\0b", "\U0001f600"), dtype=pl.UInt64)
    )
    assert read_voids([path]).equals(expected)
    assert stage_voids(tmp_path, voids_frame([]), 1) == {}
