from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from hourtally.ingest.slices.cutting import slices_of
from hourtally.model.hours import Hour
from hourtally.model.schemas import SLICES, USAGE
from hourtally.stages.deduplication import describe_conflicts
from hourtally.stages.metering import Metered, SliceCounts
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import HOUR, HOUR_START_MS, Json
from tests.support.events.validated import validated_frame
from tests.support.ingest.encoded_slices import write_slices
from tests.support.ingest.metered_files import meter_files
from tests.support.oracle.events import CLUSTER

WHOLE = [(HOUR_START_MS, HOUR_START_MS + 3_600_000)]
MINUTE_MS = 60_000


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


def batch(path: Path, *events: Json) -> Path:
    """The slices file of a batch of these events, in the middle hour."""
    slices = slices_of(validated_frame(events))
    return write_slices(path, slices.filter(hour=HOUR))


def meter_hour(
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    periods: Sequence[tuple[int, int]] = WHOLE,
) -> tuple[Metered, SliceCounts]:
    """The middle hour by itself."""
    metered = meter_files(connection, (Hour.containing(HOUR_START_MS), paths, periods))
    [counts] = metered.counts
    return metered, counts


def usage_of(metered: Metered, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of these columns, numbers as Python's."""
    rows = metered.usage.sort("customer_id", "period").select(columns).rows()
    return [tuple(v if isinstance(v, str) or v is None else int(v) for v in row) for row in rows]


def test_no_slices_are_no_usage(connection: duckdb.DuckDBPyConnection) -> None:
    metered, counts = meter_hour(connection, [])
    assert metered.usage.schema == pl.Schema(USAGE)
    assert (len(metered.usage), counts.counted, counts.duplicates) == (0, 0, 0)


def test_usage_is_quantity_times_milliseconds_summed_over_slices(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = batch(
        tmp_path / "a.parquet",
        make_event(0, start=0, end=10, cpuMillicores=500, memoryMiB=7),
        # A replica of the same resource, and of this hour only its second half.
        {**make_event(0, start=30, end=90, cpuMillicores=2_000), "id": "replica"},
    )
    metered, counts = meter_hour(connection, [path])
    # 500 x 600,000 + 2,000 x 1,800,000; 7 x 600,000 + 10 x 1,800,000.
    assert usage_of(metered, "cpu_millicores_ms", "memory_mib_ms", "storage_mib_ms") == [
        (3_900_000_000, 22_200_000, 0)
    ]
    assert usage_of(metered, "last_end_ms") == [(HOUR_START_MS + 3_600_000,)]
    assert counts.counted == 2


def test_a_cluster_counts_its_own_quantities(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = batch(tmp_path / "a.parquet", make_event(0, CLUSTER, end=1, gpuMemoryMiB=3))
    columns = ("memory_mib_ms", "gpu_memory_mib_ms", "cluster_count_ms", "team_id")
    # 60,000 ms: 10 MiB, 3 MiB of GPUs and, as nothing is said, one cluster.
    assert usage_of(meter_hour(connection, [path])[0], *columns) == [
        (600_000, 180_000, 60_000, None)
    ]


def test_usage_past_64_bits_is_exact(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    events = [
        {**make_event(0, start=0, end=60, memoryMiB=10**10), "id": str(n)} for n in range(300)
    ]
    metered, _ = meter_hour(connection, [batch(tmp_path / "a.parquet", *events)])
    # 300 x 10^10 x 3,600,000 = 1.08 x 10^19, which is over 2^63 = 9.2 x 10^18.
    assert usage_of(metered, "memory_mib_ms") == [(10_800_000_000_000_000_000,)]


def test_rows_differ_where_names_or_what_chooses_a_rate_differ(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    fields: Sequence[Json] = (
        {},
        {"region": "eu"},
        {"gpuMilli": 1, "gpuModel": "a100"},
        {"resourceName": "R"},
        {"teamName": "T"},
        {"cpuMillicores": 5},
    )
    events = [{**make_event(0, **more), "id": str(n)} for n, more in enumerate(fields)]
    metered, _ = meter_hour(connection, [batch(tmp_path / "a.parquet", *events)])
    # The last one differs from the first in a quantity only.
    assert len(metered.usage) == 5


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize(
    ("start", "end", "pieces"),
    [
        # Minutes of the hour, and of them in the periods before and from 13:20 on.
        (0, 60, {0: 20, 1: 40}),
        (0, 20, {0: 20}),
        (20, 60, {1: 40}),
        (19, 21, {0: 1, 1: 1}),
        (-10, 70, {0: 20, 1: 40}),
    ],
)
def test_a_slice_is_cut_where_a_rate_changes(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    start: int,
    end: int,
    pieces: dict[int, int],
    copies: int,
) -> None:
    change = HOUR_START_MS + 20 * MINUTE_MS
    periods = [(HOUR_START_MS, change), (change, HOUR_START_MS + 60 * MINUTE_MS)]
    paths = [
        batch(tmp_path / f"{number}.parquet", make_event(0, start=start, end=end))
        for number in range(copies)
    ]
    metered, counts = meter_hour(connection, paths, periods)
    found = usage_of(metered, "period", "memory_mib_ms")
    assert dict(found) == {period: 10 * MINUTE_MS * n for period, n in pieces.items()}
    assert (counts.counted, counts.duplicates) == (1, copies - 1)


def test_equal_slices_of_several_batches_count_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    paths = [
        batch(tmp_path / "a.parquet", make_event(0, time=2), make_event(1)),
        batch(tmp_path / "b.parquet", make_event(0), make_event(2)),
        batch(tmp_path / "c.parquet", make_event(0, time=1), make_event(1, time=9)),
    ]
    metered, counts = meter_hour(connection, paths)
    # Of 0 there are two too many, of 1 there is one.
    assert (counts.counted, counts.duplicates, len(counts.conflicts)) == (3, 3, 0)
    minutes = 30 * MINUTE_MS
    assert usage_of(metered, "customer_id", "memory_mib_ms") == [
        ("customer 00", 10 * minutes),
        ("customer 01", 10 * minutes),
        ("customer 02", 10 * minutes),
    ]


def test_one_slice_of_a_conflict_counts_and_the_conflict_is_listed(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    paths = [
        batch(tmp_path / "a.parquet", make_event(0, time=5, memoryMiB=30), make_event(1)),
        batch(tmp_path / "b.parquet", make_event(0, time=4, memoryMiB=20)),
        batch(tmp_path / "c.parquet", make_event(0, time=5, memoryMiB=30), make_event(0)),
    ]
    for order in (paths, paths[::-1]):
        metered, counts = meter_hour(connection, order)
        # One of the four of 0 counts; of the others one repeats another.
        assert (counts.counted, counts.duplicates) == (2, 1)
        assert usage_of(metered, "memory_mib_ms")[0] == (20 * 30 * MINUTE_MS,)
        [conflict] = counts.conflicts.to_dicts()
        assert conflict == {
            "event_source": "meter",
            "event_id": "identity 0",
            "contents": 3,
            "event_type": "metering.resource.v1",
            "customer_id": "customer 00",
            "project_id": "p1",
            "resource_id": "r1",
            "event_time_us": HOUR_START_MS * 1_000 + 4,
        }


def test_an_hour_in_partitions_is_metered_as_in_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [make_event(number, start=number % 50, end=55) for number in range(40)]
    paths = [
        batch(tmp_path / "a.parquet", *events),
        batch(tmp_path / "b.parquet", *events[::3], make_event(5, memoryMiB=7)),
        batch(tmp_path / "c.parquet", *events[::2], make_event(5, memoryMiB=8), make_event(99)),
    ]
    whole, counts = meter_hour(connection, paths)
    # 40 of the events, with a conflict in one, and another one; 14 and 20 come again.
    assert (counts.counted, counts.duplicates, counts.losers) == (41, 34, 2)
    for most in (1, 10, 76):
        monkeypatch.setattr("hourtally.stages.identities._MOST_HELD", most)
        metered, of_parts = meter_hour(connection, paths)
        assert metered.usage.equals(whole.usage)
        assert metered.keys.equals(whole.keys)
        assert sorted(metered.not_counted) == sorted(whole.not_counted)
        assert of_parts.conflicts.equals(counts.conflicts)
        assert (of_parts.counted, of_parts.duplicates, of_parts.losers) == (41, 34, 2)


def test_a_conflict_is_of_the_hour_in_which_both_slices_lie(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # The first one says nothing about the middle hour.
    path = batch(
        tmp_path / "a.parquet", make_event(0, start=-60, end=0, memoryMiB=1), make_event(0)
    )
    _, counts = meter_hour(connection, [path])
    assert (counts.counted, len(counts.conflicts)) == (1, 0)


def test_identities_that_only_share_a_digest_both_count(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = batch(tmp_path / "a.parquet", make_event(0), make_event(1))
    slices = pl.read_parquet(path).select(SLICES.keys())
    twins = slices.with_columns(
        hour=pl.lit(HOUR, dtype=pl.Int64), identity=pl.lit(7, dtype=pl.UInt64)
    )
    metered, counts = meter_hour(connection, [write_slices(tmp_path / "b.parquet", twins)])
    assert (counts.counted, counts.duplicates, len(counts.conflicts)) == (2, 0, 0)
    assert len(metered.usage) == 2


@pytest.mark.parametrize("name", ["it's", "a[1]*?b", "{x}", "hour=5", 'quo"te', "%41", "a b"])
def test_a_home_of_any_name_is_read_by_that_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    # What a pattern would find as well.
    batch(tmp_path / "a1xb.parquet", make_event(1))
    path = batch(tmp_path / name / "a[1]*.parquet", make_event(0))
    again = batch(tmp_path / name / "b.parquet", make_event(0, memoryMiB=5))
    assert usage_of(meter_hour(connection, [path])[0], "customer_id") == [("customer 00",)]
    assert len(meter_hour(connection, [path, again])[1].conflicts) == 1


def test_conflicts_are_listed_up_to_a_number(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = [make_event(n, time=1_500_000) for n in range(3)]
    path = batch(tmp_path / "a.parquet", *first)
    other = batch(tmp_path / "b.parquet", *(make_event(n, memoryMiB=9) for n in range(3)))
    conflicts = meter_hour(connection, [path, other])[1].conflicts
    listed = describe_conflicts(conflicts, 2)
    assert [one["event_id"] for one in listed] == ["identity 0", "identity 1"]
    # An instant of milliseconds, as every other in a manifest.
    assert listed[0]["time"] == "2026-11-22T13:00:01.500Z"
    assert len(describe_conflicts(conflicts, 10)) == 3


def test_usage_before_1970_is_cut_at_a_rate_change_too(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # 1969-12-31T23, the hour before 1970: its slices start at negative milliseconds.
    slices = pl.read_parquet(batch(tmp_path / "a.parquet", make_event(0, start=0, end=60)))
    shift = HOUR_START_MS + 3_600_000
    instants = ("start_ms", "end_ms", "slice_start_ms", "slice_end_ms")
    path = tmp_path / "b.parquet"
    slices.with_columns(pl.col(instants) - shift).write_parquet(path)
    periods = [(-3_600_000, -1_800_000), (-1_800_000, 0)]
    metered = meter_files(connection, (Hour(-3_600), [path], periods))
    half = 10 * 30 * MINUTE_MS
    assert usage_of(metered, "period", "memory_mib_ms") == [(0, half), (1, half)]
