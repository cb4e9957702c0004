"""What the ingest record says beside its counts, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hourtally.ingest.observations import MOST_UNKNOWN_FIELDS, Observations, observed
from tests.support.ingest.ingest_outcome import ingested
from tests.support.quarantine.structure_cases import ABSENT, cluster, resource, void

NOTHING = {"cpuMillicores": 0, "memoryMiB": ABSENT}


def record_of(folder: Path, *lines: bytes) -> dict[str, Any]:
    return ingested(folder, b"\n".join(lines)).record


def test_unknown_fields_of_accepted_lines_are_counted(tmp_path: Path) -> None:
    record = record_of(
        tmp_path,
        resource("1", labels="a", zone=1).line,
        resource("2", labels="b", zone=None).line,
        resource("3", labels={"a": 1}).line,
        resource("3", labels={"a": 1}).line,
        cluster("4", gpuModel="x").line,
        void("5", note="x").line,
        resource("6", labels="c", teamId=None).line,
    )
    assert (record["duplicates"], record["quarantined"]) == (1, 1)
    assert record["unknown_fields"] == {"gpuModel": 1, "labels": 4, "note": 1, "zone": 1}


def test_at_most_100_names_are_kept_and_long_ones_cut(tmp_path: Path) -> None:
    fields = {f"x{number:03d}": 1 for number in range(150)}
    unknown = record_of(tmp_path, resource("1", **fields).line, resource("2", x000=1, y=1).line)
    assert len(unknown["unknown_fields"]) == MOST_UNKNOWN_FIELDS
    assert unknown["unknown_fields"]["x000"] == 2

    (tmp_path / "long").mkdir()
    record = record_of(tmp_path / "long", resource("1", **{"x" * 1_000: 1}).line)
    assert record["unknown_fields"] == {"x" * 128 + "…": 1}


def test_events_without_a_quantity_are_counted_once_each(tmp_path: Path) -> None:
    record = record_of(
        tmp_path,
        # Of three hours, and twice.
        resource("1", end="2026-11-22T16:00:00Z", **NOTHING).line,
        resource("1", end="2026-11-22T16:00:00Z", **NOTHING).line,
        resource("2", **NOTHING).line,
        resource("3").line,
        # A cluster counts as one, unless it is said to be none.
        cluster("4", vcpuMillicores=0).line,
        cluster("5", vcpuMillicores=0, clusterCount=0).line,
        void("6").line,
    )
    assert record["without_quantity"] == 3


@pytest.mark.parametrize(
    ("starts", "latest", "ahead"),
    [
        ([], None, 0),
        (["13:00:00"], "2026-11-22T13:00:00Z", 0),
        # It is 15:00.
        (["16:00:00", "13:00:00"], "2026-11-22T16:00:00Z", 0),
        (["16:00:00.001", "16:30:00", "13:00:00"], "2026-11-22T16:30:00Z", 2),
    ],
)
def test_the_latest_start_is_kept_and_events_ahead_are_counted(
    tmp_path: Path, starts: list[str], latest: str | None, ahead: int
) -> None:
    lines = [
        resource(start, start=f"2026-11-22T{start}Z", end="2026-11-22T18:00:00Z").line
        for start in starts
    ]
    record = record_of(tmp_path, *lines)
    assert (record["latest_start"], record["starts_ahead"]) == (latest, ahead)


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    assert list(observed([Observations(), Observations(latest_start="2026-11-22T13:00:00Z")])) == []


def test_what_is_said_is_of_all_files() -> None:
    several = [
        Observations(1, {"a": 1, "b": 2}, "2026-11-22T17:00:00Z", 1),
        Observations(2, dict.fromkeys("bcdefg", 1), "2026-11-22T16:00:00Z", 0),
    ]
    assert list(observed(several)) == [
        "3 events have no quantity above zero.",
        "Unknown fields were ignored: 'b' (3), 'a' (1), 'c' (1), 'd' (1), 'e' (1) and 2 more.",
        "1 event starts over an hour from now, the latest at 2026-11-22T17:00:00Z. Hours are built "
        "once they are closed.",
    ]


def test_a_record_of_the_version_before_has_nothing_to_say() -> None:
    assert Observations.of_record({"lines": 1, "hours": {}}) == Observations()
