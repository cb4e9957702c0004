from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourtally import runs
from hourtally.concurrency import in_turn
from hourtally.events import check_line
from hourtally.parsing import events_frame
from hourtally.runs import Runs
from hourtally.schemas import SLICE_ORDER, SLICES
from hourtally.slicing import in_order, slices_of, without_duplicates
from tests.event_files import as_cloud_event
from tests.statements import statement
from tests.strategies import NOW_MS, Json, event_sets


@settings(max_examples=100)
@given(event_sets(), st.integers(1, 30), st.integers(1, 20), st.integers(1, 4))
def test_runs_give_back_by_hour_what_was_added(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Json],
    run_rows: int,
    portion_rows: int,
    pieces: int,
) -> None:
    slices = slices_of(judged_frame(events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUN_ROWS", run_rows)
        patch.setattr(runs, "_PORTION_ROWS", portion_rows)
        patch.setattr(runs, "_BATCH_ROWS", 3)
        kept = Runs(tmp_path_factory.mktemp("runs"))
        for piece in range(pieces):
            kept.add(slices.gather_every(pieces, piece))
        hours = {hour.timestamp: list(portions) for hour, portions in kept.by_hour()}
    assert list(hours) == sorted(set(slices["hour"]))
    left_out = kept.left_out
    for hour, portions in hours.items():
        all_of_it = slices.filter(pl.col("hour") == hour).select(SLICES.keys())
        expected, repeated = without_duplicates(all_of_it)
        left_out -= repeated
        # Sorted portions, one after the other, are sorted: what is equal is not in two of them.
        together = pl.concat([in_order(portion) for portion in portions])
        assert in_order(together).equals(together)
        told_apart_by = (*SLICE_ORDER, "identity")
        owners = [set(portion.select(told_apart_by).rows()) for portion in portions]
        assert sum(map(len, owners)) == len(set().union(*owners))
        once, repeated = without_duplicates(together)
        left_out += repeated
        assert sorted(once.rows(), key=repr) == sorted(expected.rows(), key=repr)
    assert left_out == 0


@pytest.mark.parametrize("event", ["one and the same", "one each"])
def test_a_resource_of_more_than_a_portion_comes_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    monkeypatch.setattr(runs, "RUN_ROWS", 40)
    monkeypatch.setattr(runs, "_PORTION_ROWS", 10)
    monkeypatch.setattr(runs, "_BATCH_ROWS", 8)
    is_same = event == "one and the same"
    replicas = slices_of(judged_frame([statement(0 if is_same else n) for n in range(100)]))
    kept = Runs(tmp_path)
    for piece in replicas.iter_slices(20):
        kept.add(piece)
    [(_, given_back)] = kept.by_hour()
    sizes = [len(portion) for portion in given_back]
    if is_same:
        # Once for each batch of 8: 5 of each two runs of 40, 3 of the last of 20.
        assert (sizes, kept.left_out) == ([13], 87)
    else:
        assert (sum(sizes), kept.left_out) == (100, 0)
        assert len(sizes) > 5
        assert max(sizes) <= 40


def judged_frame(events: list[Json]) -> pl.DataFrame:
    """The events as the judge has them."""
    lines = (json.dumps(as_cloud_event(event)).encode() for event in events)
    return events_frame(check_line(line, NOW_MS) for line in lines)


def test_hours_put_together_at_once_do_not_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUN_ROWS", 40)
    monkeypatch.setattr(runs, "_PORTION_ROWS", 2)
    # Thirty hours of twelve resources each.
    events = [
        {**statement(n, start=60 * hour, end=60 * hour + 60), "id": f"{hour} {n}"}
        for hour in range(30)
        for n in range(12)
    ]
    slices = slices_of(judged_frame(events))
    kept = Runs(tmp_path)
    kept.add(slices)
    together = list(in_turn(4, lambda hour, parts: (hour, list(parts)), kept.by_hour()))
    assert [hour.timestamp for hour, _ in together] == sorted(set(slices["hour"]))
    for hour, portions in together:
        ids = sorted(pl.concat(portions)["event_id"])
        assert ids == sorted(slices.filter(hour=hour.timestamp)["event_id"])


def test_few_slices_are_never_written(tmp_path: Path) -> None:
    kept = Runs(tmp_path)
    kept.add(slices_of(judged_frame([statement(0, start=0, end=90)])))
    assert [len(pl.concat(portions)) for _, portions in kept.by_hour()] == [1, 1]
    assert list(tmp_path.iterdir()) == []


def test_nothing_added_gives_no_hours(tmp_path: Path) -> None:
    assert list(Runs(tmp_path).by_hour()) == []
