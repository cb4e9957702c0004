from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourtally.ingest.external_sort import runs, spill
from hourtally.ingest.external_sort.dimensions import merge
from hourtally.ingest.external_sort.partitions import PARTITION_ROWS
from hourtally.ingest.external_sort.runs import SortedRuns
from hourtally.ingest.slices.cutting import slices_of
from hourtally.runtime.concurrency import ordered_map
from tests.support.command_line import hourtally
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import Json, event_sets
from tests.support.events.validated import validated_frame
from tests.support.ingest.encoded_slices import decoded, sorted_slices


@settings(max_examples=100)
@given(
    event_sets(),
    st.integers(1, 30),
    st.integers(1, 20),
    st.integers(1, 4),
    st.sampled_from([0, 2**20]),
    st.sampled_from([0, 6, 1_000]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_slices_come_back_by_hour_sorted_and_once(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Json],
    run_rows: int,
    partition_rows: int,
    pieces: int,
    memory_bytes: int,
    max_dimensions: int,
    min_share_known: float,
) -> None:
    slices = slices_of(validated_frame(events))
    with small_runs(run_rows, partition_rows, memory_bytes, max_dimensions, min_share_known):
        sorted_runs = SortedRuns(tmp_path_factory.mktemp("runs"))
        for piece in range(pieces):
            sorted_runs.add(slices.gather_every(pieces, piece))
        hours = {
            hour.timestamp: [partition.read() for partition in partitions]
            for _, hour, partitions in sorted_runs.by_hour()
        }
    assert list(hours) == sorted(set(slices["hour"]))
    left_out = sorted_runs.duplicates.total()
    for hour, partitions in hours.items():
        whole = [merge(partition) for partition in partitions]
        left_out += sum(more for _, more in whole)
        # One after the other they are what all of it at once would be: sorted, each slice once.
        expected, repeated = sorted_slices(slices.filter(pl.col("hour") == hour))
        left_out -= repeated
        assert pl.concat(decoded(partition) for partition, _ in whole).equals(expected)
    assert left_out == 0


@contextmanager
def small_runs(
    run_rows: int,
    partition_rows: int,
    memory_bytes: int = 0,
    max_dimensions: int = 1_000,
    min_share_known: float = 0.5,
) -> Iterator[None]:
    """SortedRuns of few slices, on disk where `memory_bytes` is 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUN_ROWS", run_rows)
        patch.setattr(runs, "_MAX_DIMENSIONS", max_dimensions)
        patch.setattr(runs, "_MIN_SHARE_KNOWN", min_share_known)
        patch.setattr("hourtally.ingest.external_sort.partitions.PARTITION_ROWS", partition_rows)
        patch.setattr(runs, "_ROWS_PER_SAMPLE", 2)
        patch.setattr(spill, "_MAX_MEMORY_BYTES", memory_bytes)
        patch.setattr(spill, "_BATCH_ROWS", 3)
        yield


@pytest.mark.parametrize("event", ["one and the same", "one each"])
def test_a_resource_larger_than_a_partition_is_divided(tmp_path: Path, event: str) -> None:
    is_same = event == "one and the same"
    # Four instants, so that they are told apart by start, end and identity.
    replicas = slices_of(
        validated_frame(
            [
                make_event(0) if is_same else {**make_event(0, start=n % 4), "id": f"replica {n}"}
                for n in range(100)
            ]
        )
    )
    with small_runs(40, 10):
        sorted_runs = SortedRuns(tmp_path)
        for piece in replicas.iter_slices(20):
            sorted_runs.add(piece)
        [(_, _, partitions)] = sorted_runs.by_hour()
        merged_partitions = [merge(partition.read()) for partition in partitions]
    sizes = [len(partition.slices) for partition, _ in merged_partitions]
    left_out = sorted_runs.duplicates.total() + sum(more for _, more in merged_partitions)
    if is_same:
        # Three runs, of each of which one is left: never are all held at once.
        assert (sizes, sorted_runs.duplicates, left_out) == ([1], {0: 97}, 99)
    else:
        assert (sum(sizes), left_out) == (100, 0)
        assert len(sizes) > 5
        assert max(sizes) <= 40
    expected, _ = sorted_slices(replicas)
    assert pl.concat(decoded(partition) for partition, _ in merged_partitions).equals(expected)


def test_hours_merged_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    # Thirty hours of twelve resources each.
    events = [
        {**make_event(n, start=60 * hour, end=60 * hour + 60), "id": f"{hour} {n}"}
        for hour in range(30)
        for n in range(12)
    ]
    slices = slices_of(validated_frame(events))
    with small_runs(40, 2):
        sorted_runs = SortedRuns(tmp_path)
        sorted_runs.add(slices)
        together = list(
            ordered_map(
                4,
                lambda _, hour, partitions: (hour, [one.read() for one in partitions]),
                sorted_runs.by_hour(),
            )
        )
    assert [hour.timestamp for hour, _ in together] == sorted(set(slices["hour"]))
    for hour, partitions in together:
        whole = pl.concat(decoded(merge(partition)[0]) for partition in partitions)
        assert sorted(whole["event_id"]) == sorted(slices.filter(hour=hour.timestamp)["event_id"])


@pytest.mark.parametrize("contents", [["one"], ["one", "another"]])
def test_the_first_resource_of_an_hour_may_fill_partitions(
    tmp_path: Path, contents: list[str]
) -> None:
    # Every border is in front of all slices: of the one resource, or of its one identity.
    events = [
        {**make_event(0, resourceName=contents[n % len(contents)]), "id": f"{n // len(contents)}"}
        for n in range(40)
    ]
    slices = slices_of(validated_frame(events))
    with small_runs(40, 30):
        sorted_runs = SortedRuns(tmp_path)
        sorted_runs.add(slices)
        [(_, _, partitions)] = sorted_runs.by_hour()
        merged_partitions = [merge(partition.read()) for partition in partitions]
    expected, _ = sorted_slices(slices)
    assert pl.concat(decoded(partition) for partition, _ in merged_partitions).equals(expected)


def test_a_file_of_one_resource_larger_than_a_partition_is_ingested(tmp_path: Path) -> None:
    events = (as_cloud_event({**make_event(0), "id": f"{n}"}) for n in range(PARTITION_ROWS + 1))
    file = tmp_path / "many.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    done = hourtally("ingest", "--home", tmp_path, "--now", "2026-11-23T00:00:00Z", file)
    assert (done.returncode, done.stderr) == (0, "")
    [slices] = tmp_path.glob("events/*/*.parquet")
    assert pq.read_metadata(slices).num_rows == PARTITION_ROWS + 1


def test_few_slices_stay_in_memory(tmp_path: Path) -> None:
    sorted_runs = SortedRuns(tmp_path)
    sorted_runs.add(slices_of(validated_frame([make_event(0, start=0, end=90)])))
    sizes = [
        [len(merge(p.read())[0].slices) for p in partitions]
        for _, _, partitions in sorted_runs.by_hour()
    ]
    assert sizes == [[1], [1]]
    assert list(tmp_path.iterdir()) == []


def test_nothing_added_gives_no_hours(tmp_path: Path) -> None:
    assert list(SortedRuns(tmp_path).by_hour()) == []
