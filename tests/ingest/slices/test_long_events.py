"""Few events of many hours, written hour by hour, give the bytes that sorted slices give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ingest import staging
from hourtally.ingest.slices import hour_file, long_events
from hourtally.ingest.slices.long_events import LongEvents, are_long
from hourtally.ingest.staging import FileToStage, stage_files
from hourtally.model.hours import HOUR_MS, Hour
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import NOW_MS, Json, event_sets
from tests.support.events.validated import validated_frame
from tests.support.examples import examples


def staged(path: Path, folder: Path, *, long: bool) -> tuple[Any, dict[str, bytes]]:
    """The record of a file, and what is staged of it."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "are_long", lambda _: long)
        [record] = stage_files([FileToStage(path, folder)], NOW_MS, 2, None)
    return record, {file.name: file.read_bytes() for file in folder.iterdir()}


@examples(50, fast=8)
@given(event_sets(), st.sampled_from([0, 2, 4_096]))
def test_either_way_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, events: list[Json], most_plain: int
) -> None:
    folder = tmp_path_factory.mktemp("long")
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(json.dumps(as_cloud_event(event)).encode() for event in events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hour_file, "MOST_PLAIN_ROWS", most_plain)
        patch.setattr(long_events, "MOST_PLAIN_ROWS", most_plain)
        found = staged(path, folder / "long", long=True)
        expected = staged(path, folder / "sorted", long=False)

    assert found == expected


def events_of(*spans: tuple[int, int]) -> LongEvents:
    """Events that last so many hours after the first hour of Unix time."""
    events = [make_event(number) for number in range(len(spans))]
    for event, (first, hours) in zip(events, spans, strict=True):
        event["data"] |= {"start": first * HOUR_MS, "end": (first + hours) * HOUR_MS}
    return LongEvents(validated_frame(events))


def test_only_hours_that_an_event_touches_are_written() -> None:
    hours = events_of((1, 2), (2, 2), (7, 1), (9, 1)).hours()

    assert list(hours) == [Hour(number * 3_600) for number in (1, 2, 3, 7, 9)]


def test_events_are_long_if_their_slices_fill_more_than_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = make_event(0)
    event["data"] |= {"start": HOUR_MS - 1, "end": 4 * HOUR_MS + 1}
    events = validated_frame([event])
    # Hours 0 to 4.
    monkeypatch.setattr(long_events, "RUN_ROWS", 5)
    assert not are_long(events)
    monkeypatch.setattr(long_events, "RUN_ROWS", 4)
    assert are_long(events)


def test_more_events_than_few_are_sorted_as_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.ndjson"
    lines = [json.dumps(as_cloud_event(make_event(number))) for number in range(6)]
    path.write_text("\n".join(lines))
    expected = staged(path, tmp_path / "few", long=True)
    monkeypatch.setattr(staging, "MOST_EVENTS", 5)

    assert staged(path, tmp_path / "many", long=True) == expected
