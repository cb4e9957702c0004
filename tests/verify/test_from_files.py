"""`verify --from-files`: event files read again with the strict validator alone."""

from __future__ import annotations

import datetime as dt
import gzip
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ingest import staging
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.ndjson import duckdb_reader
from hourtally.ingest.parquet import reader as parquet_reader
from hourtally.ingest.withdrawal import withdraw
from hourtally.model.hours import ALL_HOURS, Hour, HourRange
from hourtally.store import durable
from hourtally.store.durable import describe_file
from hourtally.store.layout import Home
from hourtally.verify import Findings, recheck_files
from tests.support.events.event_files import arrangements, write_files
from tests.support.events.random_events import Json, event_sets
from tests.support.examples import examples
from tests.support.homes.damaged_home import AFTER_MS, SETTINGS, rewrite_record
from tests.support.homes.golden_hour import FIRST_FILE, HOUR, SECOND_FILE
from tests.support.quarantine.value_cases import CASES, INTERVAL_TOO_LONG

UTC_MS = pa.timestamp("ms", "UTC")
START_MS = Hour.parse(HOUR).start_ms
KINDS = ("metering.resource.v1", "metering.cluster.v1", "metering.void.v1")
ROWS: dict[str, Any] = {
    "event_id": [str(number) for number in range(9)],
    "event_source": ["meter"] * 9,
    "event_type": [*[KINDS[0]] * 7, *KINDS[1:]],
    "event_time": pa.array([None, *[START_MS] * 8], UTC_MS),
    **{name: ["x"] * 9 for name in ("customer_id", "team_id", "project_id", "resource_id")},
    "resource_type": ["job"] * 9,
    "cluster_id": ["x"] * 9,
    **{name: ["meter", None, *["meter"] * 7] for name in ("voided_source", "voided_id")},
    "start": pa.array([START_MS] * 9, UTC_MS),
    "end": pa.array([START_MS + 7_000_000] * 9, UTC_MS),
    "cpu_millicores": [5, 5, 5, None, None, None, 5, None, None],
}
LINES = b"\n".join(FIRST_FILE) + b"\n"


def ingested(home: Home, *paths: Path) -> None:
    report = ingest_paths(home, paths, AFTER_MS, SETTINGS)
    assert (len(report.files), report.refused) == (len(paths), [])


def recheck(home: Home, hours: HourRange = ALL_HOURS) -> Findings:
    findings = Findings()
    recheck_files(home, hours, SETTINGS, findings)
    return findings


def problems(findings: Findings, path: Path) -> list[str]:
    return [one.problem.replace(str(path), "FILE") for one in findings.listed]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def path(tmp_path: Path, home: Home) -> Path:
    """The first file of the golden hour, ingested, with a void and three more kinds of lines."""
    path = tmp_path / "events.ndjson"
    void = (
        b'{"specversion":"1.0","id":"v","source":"s","type":"metering.void.v1","data":{"voidedId":'
        b'"a1","voidedSource":"meter/eu","start":"2026-11-22T12:00:00Z",'
        b'"end":"2026-11-22T13:30:00Z"}}\n'
    )
    path.write_bytes(b"\xef\xbb\xbf" + LINES + b"\n \t\r\n" + LINES + void + b"[1]\n" + void)
    ingested(home, path)
    return path


def test_a_file_that_came_out_right_has_no_differences(home: Home, path: Path) -> None:
    findings = recheck(home)

    assert problems(findings, path) == []
    # The lines twice, two voids and an array.
    assert (findings.files, findings.lines) == (1, 2 * len(FIRST_FILE) + 3)


@examples(25, fast=5)
@given(st.data(), event_sets())
def test_files_of_every_form_come_out_right(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, events: list[Json]
) -> None:
    folder = tmp_path_factory.mktemp("forms")
    paths = write_files(folder, events, data.draw(arrangements(len(events))))
    home = Home(folder / "home")
    ingest_paths(home, paths, AFTER_MS, SETTINGS)

    findings = recheck(home)
    assert (findings.listed, findings.files_left_out) == ([], 0)
    assert findings.files > 0


def test_lines_of_every_rule_come_out_right(tmp_path: Path, home: Home) -> None:
    path = tmp_path / "events.ndjson"
    # Without those of a month, each of which has 745 hours.
    lines = [case.line for case in CASES if case not in INTERVAL_TOO_LONG]
    path.write_bytes(b"\n".join(lines))
    ingested(home, path)

    findings = recheck(home)
    assert problems(findings, path) == []
    assert findings.lines == len(lines)


# Columns of seven resource events, the second of which is right whatever the column; the last two
# rows are a cluster and a void.
COLUMNS: dict[str, dict[str, Any]] = {
    "floats": {"cpu_millicores": [1.0, 2.0, 1.5, float("nan"), 2.0**53, None, -0.0, None, None]},
    "decimals": {
        "memory_mib": [Decimal("1.00"), Decimal(2), Decimal("1.5"), None, *[Decimal(0)] * 5]
    },
    "unsigned": {"gpu_milli": pa.array([2**64 - 1, *[0] * 8], pa.uint64())},
    "a misspelt quantity": {
        "storage_mib": [7, None, None, 2, 3, 4, 5, None, None],
        "storageMib": [1, None, 6, None, None, None, 5, 1, 1],
    },
    "a time of another name": {"eventTime": pa.array([START_MS, *[None] * 8], UTC_MS)},
    "a quantity by another name": {"cpu_milicores": [1, None, *[None] * 7]},
    "nulls": {"resource_type": ["job", "job", None, "", "rocket", "job", "job", None, None]},
    "types": {"event_type": [*["metering.resource.v1"] * 6, "other", KINDS[1], KINDS[2]]},
    "UUIDs": {"resource_id": pa.array([bytes(range(16))] * 9, pa.uuid())},
    "dictionaries": {"customer_id": pa.array(["a", "b", *"ccccccc"]).dictionary_encode()},
    "other capacities": {"gpu_capacity": ["spot", "on-demand", "none", *[None] * 6]},
    "nanoseconds": {"start": pa.array([START_MS * 10**6 + 999_999] * 9, pa.timestamp("ns", "UTC"))},
    "no columns of numbers": {"region": pa.nulls(9, pa.float64())},
}


@pytest.mark.parametrize("name", COLUMNS)
def test_rows_of_every_rule_come_out_right(tmp_path: Path, home: Home, name: str) -> None:
    path = tmp_path / "events.parquet"
    columns = {**ROWS, **COLUMNS[name]}
    pq.write_table(pa.table(columns), path)
    ingested(home, path)

    findings = recheck(home)
    assert problems(findings, path) == []
    assert (findings.files, findings.lines) == (1, 9)


def later(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("start_ms") + 1_000)


def untimed(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(event_time_us=pl.lit(None, pl.Int64))


def without_first(events: pl.DataFrame) -> pl.DataFrame:
    return events[1:]


# Module, function, what is done to the result, the event file's form, and a difference to be found.
Mutation = tuple[ModuleType, str, Callable[[pl.DataFrame], pl.DataFrame], str, str]
MUTATIONS: dict[str, Mutation] = {
    # 13:15 is 1795353300.
    "the reader of lines shifts every start by a second": (
        *(duckdb_reader, "_as_events", later, "ndjson"),
        "slice of event meter/eu a2 (line 2 of FILE): start_ms: expected 1795353300000, got "
        "1795353301000; slice_start_ms: expected 1795353300000, got 1795353301000",
    ),
    "the reader of Parquet shifts every start by a second": (
        *(parquet_reader, "_as_events", later, "parquet"),
        "slice of event meter/eu p1 (line 1 of FILE): start_ms: expected 1795353300000, got "
        "1795353301000; slice_start_ms: expected 1795353300000, got 1795353301000",
    ),
    # 13:05:00.
    "a time is lost": (
        *(duckdb_reader, "_as_events", untimed, "ndjson"),
        "slice of event meter/eu c1 (line 4 of FILE): event_time_us: expected 1795352700000000, "
        "got none",
    ),
    "slices are lost": (
        *(staging, "slices_of", lambda slices: slices.filter(event_id="a5").clear(), "ndjson"),
        "slice of event meter/eu a1 (line 1 of FILE) is missing",
    ),
    "slices are made up": (
        *(staging, "slices_of", lambda slices: slices.with_columns(event_id=pl.lit("z")), "ndjson"),
        "slice of event meter/eu z: FILE has no such line",
    ),
}


def written(folder: Path, form: str) -> Path:
    """The golden hour's first file, or a Parquet file of one event."""
    path = folder / f"events.{form}"
    if form == "ndjson":
        path.write_bytes(LINES)
        return path
    ids = ("customer_id", "team_id", "project_id", "resource_id")
    start = dt.datetime(2026, 11, 22, 13, 15, tzinfo=dt.UTC)
    event = {
        **dict.fromkeys(ids, "a"),
        "event_id": "p1",
        "event_source": "meter/eu",
        "event_type": "metering.resource.v1",
        "resource_type": "service",
        "cpu_millicores": 1.0,
        "note": [1],
        "start": start,
        "end": start + dt.timedelta(minutes=15),
    }
    pl.DataFrame([event]).write_parquet(path)
    return path


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_fault_of_ingest_is_found(
    tmp_path: Path, home: Home, mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, change, form, expected = MUTATIONS[mutation]
    right = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: change(right(*arguments)))
    path = written(tmp_path, form)
    ingested(home, path)
    monkeypatch.undo()

    findings = recheck(home)
    assert expected in problems(findings, path)
    assert findings.differences == len(findings.listed)


def test_a_line_that_should_be_in_quarantine_is_found(home: Home, path: Path) -> None:
    """Its slice and the counts: as if the reader had taken it."""
    path.write_bytes(path.read_bytes().replace(b'"id": "a5"', b'"id": 5'))

    def refit(record: dict[str, object]) -> None:
        record |= describe_file(path)

    [record] = home.batches.iterdir()
    rewrite_record(record, refit)

    assert problems(recheck(home), path) == [
        "accepted of FILE: expected 6, got 7",
        "duplicates of FILE: expected 6, got 7",
        "quarantined of FILE: expected 3, got 1",
        "rules of FILE: expected {'not_cloudevent': 3}, got {'not_cloudevent': 1}",
        "slice of event meter/eu a5: FILE has no such line",
    ]


def test_a_void_that_was_stored_otherwise_is_found(home: Home, path: Path) -> None:
    [record] = home.batches.iterdir()
    voids = home.voids(Hour.parse("2026-11-22T12"), record.stem)
    pl.read_parquet(voids).with_columns(voided_id=pl.lit("a2")).write_parquet(voids)

    def refit(record: dict[str, Any]) -> None:
        record["hours"]["2026-11-22T12"]["voids"].update(describe_file(voids))

    rewrite_record(record, refit)

    # The lines are twice in the file, with a line of blanks between them.
    line = 2 * len(FIRST_FILE) + 3
    assert problems(recheck(home), path) == [
        f"void s v (line {line} of FILE): voided_id: expected 'a1', got 'a2'"
    ]


def test_damaged_slices_are_not_read(home: Home, path: Path) -> None:
    [record] = home.batches.iterdir()
    home.slices(Hour.parse(HOUR), record.stem).write_bytes(b"PAR1")

    assert problems(recheck(home), path) == [
        "files that it lists are damaged: not compared with FILE"
    ]


def test_files_that_moved_or_changed_are_said_and_are_no_difference(
    tmp_path: Path, home: Home
) -> None:
    paths = [tmp_path / name for name in ("changed.ndjson", "moved.ndjson", "piped.ndjson")]
    for number, path in enumerate(paths):
        path.write_bytes(LINES + b"\n" * number)
    ingested(home, *paths)
    paths[0].write_bytes(LINES.replace(b"a1", b"b1"))
    paths[1].rename(tmp_path / "elsewhere.ndjson")
    paths[2].unlink()
    os.mkfifo(paths[2])

    findings = recheck(home)
    assert (findings.differences, findings.files, findings.files_left_out) == (0, 0, 3)
    assert sorted(findings.left_out) == [
        (paths[0], "it has changed since it was ingested"),
        (paths[1], "it is no longer there"),
        (paths[2], "it is no longer a regular file"),
    ]


def test_a_file_in_a_store_that_cannot_be_opened_is_said_and_the_others_are_read(
    tmp_path: Path, home: Home
) -> None:
    paths = [tmp_path / name for name in ("here.ndjson", "there.ndjson")]
    for number, path in enumerate(paths):
        path.write_bytes(LINES + b"\n" * number)
    ingested(home, *paths)
    for record in home.batches.iterdir():
        content = durable.read_sealed_json(record)
        if content["file"] == str(paths[1]):
            # As a version with another kind of store might have written it.
            content["file"] = "ftp://host/there.ndjson"
            record.write_bytes(durable.to_sealed_json(content))

    findings = recheck(home)
    assert (findings.differences, findings.files, findings.files_left_out) == (0, 1, 1)
    [(file, why)] = findings.left_out
    assert file == "ftp://host/there.ndjson"
    assert why.startswith("it cannot be reached: 'ftp://host/there.ndjson' is not a URL that")


def test_only_files_that_touch_the_hours_are_read(tmp_path: Path, home: Home) -> None:
    both, later_one, empty = (tmp_path / f"{name}.ndjson" for name in ("both", "later", "empty"))
    both.write_bytes(LINES)
    later_one.write_bytes(b"\n".join(SECOND_FILE) + b"\n")
    empty.write_bytes(b"")
    ingested(home, both, later_one, empty)

    # Event a1 begins at 12:30.
    before = Hour.parse("2026-11-22T12")
    assert recheck(home, HourRange(before, before.following)).files == 1
    assert recheck(home, HourRange(before, None)).files == 2
    assert recheck(home).files == 3


def test_files_of_a_withdrawn_batch_are_not_read(home: Home, path: Path) -> None:
    withdraw(home, str(path), "a test", AFTER_MS)

    assert recheck(home).files == 0


def test_lines_of_any_length_and_all_members_of_gzip_are_read(tmp_path: Path, home: Home) -> None:
    path = tmp_path / "events.ndjson.gz"
    long = b'{"specversion":"' + b"x" * (17 << 20) + b'"}\n'
    path.write_bytes(gzip.compress(LINES) + gzip.compress(long + SECOND_FILE[0]))
    ingested(home, path)

    findings = recheck(home)
    assert problems(findings, path) == []
    assert findings.lines == len(FIRST_FILE) + 2
