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

from hourtally.events.validation import check_line
from hourtally.ingest.external_sort import runs, spill
from hourtally.ingest.external_sort.dimensions import merged
from hourtally.ingest.external_sort.partitions import PORTION_ROWS
from hourtally.ingest.external_sort.runs import Runs
from hourtally.ingest.parsed import events_frame
from hourtally.ingest.slicing import slices_of
from hourtally.runtime.concurrency import ordered_map
from tests.support.command_line import hourtally
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import statement
from tests.support.events.random_events import NOW_MS, Json, event_sets
from tests.support.ingest.labelled_slices import in_order, told


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
def test_runs_give_back_by_hour_what_was_added(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Json],
    run_rows: int,
    portion_rows: int,
    pieces: int,
    held_bytes: int,
    most_labels: int,
    least_found: float,
) -> None:
    slices = slices_of(judged_frame(events))
    with small_runs(run_rows, portion_rows, held_bytes, most_labels, least_found):
        kept = Runs(tmp_path_factory.mktemp("runs"))
        for piece in range(pieces):
            kept.add(slices.gather_every(pieces, piece))
        hours = {
            hour.timestamp: [portion.read() for portion in portions]
            for hour, portions in kept.by_hour()
        }
    assert list(hours) == sorted(set(slices["hour"]))
    left_out = kept.left_out
    for hour, portions in hours.items():
        whole = [merged(portion) for portion in portions]
        left_out += sum(more for _, more in whole)
        # One after the other they are what all of it at once would be: sorted, each slice once.
        expected, repeated = in_order(slices.filter(pl.col("hour") == hour))
        left_out -= repeated
        assert pl.concat(told(portion) for portion, _ in whole).equals(expected)
    assert left_out == 0


@contextmanager
def small_runs(
    run_rows: int,
    portion_rows: int,
    held_bytes: int = 0,
    most_labels: int = 1_000,
    least_found: float = 0.5,
) -> Iterator[None]:
    """Runs of few slices, on disk where `held_bytes` is 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUN_ROWS", run_rows)
        patch.setattr(runs, "_MOST_LABELS", most_labels)
        patch.setattr(runs, "_LEAST_FOUND", least_found)
        patch.setattr("hourtally.ingest.external_sort.partitions.PORTION_ROWS", portion_rows)
        patch.setattr(runs, "_ROWS_A_SAMPLE", 2)
        patch.setattr(spill, "_MOST_HELD_BYTES", held_bytes)
        patch.setattr(spill, "_BATCH_ROWS", 3)
        yield


@pytest.mark.parametrize("event", ["one and the same", "one each"])
def test_a_resource_of_more_than_a_portion_comes_in_several(tmp_path: Path, event: str) -> None:
    is_same = event == "one and the same"
    # Four instants, so that they are told apart by start, end and identity.
    replicas = slices_of(
        judged_frame(
            [
                statement(0) if is_same else {**statement(0, start=n % 4), "id": f"replica {n}"}
                for n in range(100)
            ]
        )
    )
    with small_runs(40, 10):
        kept = Runs(tmp_path)
        for piece in replicas.iter_slices(20):
            kept.add(piece)
        [(_, portions)] = kept.by_hour()
        merged_portions = [merged(portion.read()) for portion in portions]
    sizes = [len(portion.slices) for portion, _ in merged_portions]
    left_out = kept.left_out + sum(more for _, more in merged_portions)
    if is_same:
        # Three runs, of each of which one is left: never are all held at once.
        assert (sizes, kept.left_out, left_out) == ([1], 97, 99)
    else:
        assert (sum(sizes), left_out) == (100, 0)
        assert len(sizes) > 5
        assert max(sizes) <= 40
    expected, _ = in_order(replicas)
    assert pl.concat(told(portion) for portion, _ in merged_portions).equals(expected)


def judged_frame(events: list[Json]) -> pl.DataFrame:
    """The events as the judge has them."""
    lines = (json.dumps(as_cloud_event(event)).encode() for event in events)
    return events_frame(check_line(line, NOW_MS) for line in lines)


def test_hours_put_together_at_once_do_not_mix(tmp_path: Path) -> None:
    # Thirty hours of twelve resources each.
    events = [
        {**statement(n, start=60 * hour, end=60 * hour + 60), "id": f"{hour} {n}"}
        for hour in range(30)
        for n in range(12)
    ]
    slices = slices_of(judged_frame(events))
    with small_runs(40, 2):
        kept = Runs(tmp_path)
        kept.add(slices)
        together = list(
            ordered_map(
                4, lambda hour, portions: (hour, [one.read() for one in portions]), kept.by_hour()
            )
        )
    assert [hour.timestamp for hour, _ in together] == sorted(set(slices["hour"]))
    for hour, portions in together:
        whole = pl.concat(told(merged(portion)[0]) for portion in portions)
        assert sorted(whole["event_id"]) == sorted(slices.filter(hour=hour.timestamp)["event_id"])


@pytest.mark.parametrize("contents", [["one"], ["one", "another"]])
def test_the_first_resource_of_an_hour_may_fill_portions(
    tmp_path: Path, contents: list[str]
) -> None:
    # Every border is in front of all slices: of the one resource, or of its one identity.
    events = [
        {**statement(0, resourceName=contents[n % len(contents)]), "id": f"{n // len(contents)}"}
        for n in range(40)
    ]
    slices = slices_of(judged_frame(events))
    with small_runs(40, 30):
        kept = Runs(tmp_path)
        kept.add(slices)
        [(_, portions)] = kept.by_hour()
        merged_portions = [merged(portion.read()) for portion in portions]
    expected, _ = in_order(slices)
    assert pl.concat(told(portion) for portion, _ in merged_portions).equals(expected)


def test_a_file_of_one_resource_of_more_than_a_portion_is_ingested(tmp_path: Path) -> None:
    events = (as_cloud_event({**statement(0), "id": f"{n}"}) for n in range(PORTION_ROWS + 1))
    file = tmp_path / "many.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    done = hourtally("ingest", "--home", tmp_path, "--now", "2026-11-23T00:00:00Z", file)
    assert (done.returncode, done.stderr) == (0, "")
    [slices] = tmp_path.glob("events/*/*.parquet")
    assert pq.read_metadata(slices).num_rows == PORTION_ROWS + 1


def test_few_slices_are_never_written(tmp_path: Path) -> None:
    kept = Runs(tmp_path)
    kept.add(slices_of(judged_frame([statement(0, start=0, end=90)])))
    sizes = [[len(merged(p.read())[0].slices) for p in portions] for _, portions in kept.by_hour()]
    assert sizes == [[1], [1]]
    assert list(tmp_path.iterdir()) == []


def test_nothing_added_gives_no_hours(tmp_path: Path) -> None:
    assert list(Runs(tmp_path).by_hour()) == []
