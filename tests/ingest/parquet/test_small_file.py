"""Small files are read whole and parsed together; each comes out as it does otherwise."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.parquet import small_file
from hourtally.ingest.parquet.reader import RowBatch, parse_together, read_parquet
from hourtally.ingest.parsed import ParsedBlock
from tests.ingest.parquet.test_reader import END_MS, START_MS, UTC_MS
from tests.support.ingest.parsed_parquet import parse

IDS = pa.array(["1", "2", "3"])


def resources(**columns: Any) -> pa.Table:
    """Three events, of which the second has no customer; columns in place of them, or besides."""
    own = {
        "event_id": IDS,
        "event_source": ["meter"] * 3,
        "event_type": ["metering.resource.v1"] * 3,
        "customer_id": ["c", None, "d"],
        "team_id": ["t"] * 3,
        "project_id": ["p"] * 3,
        "resource_id": ["r"] * 3,
        "resource_type": ["job"] * 3,
        "cpu_millicores": [1_000, 2_000, None],
        "start": pa.array([START_MS] * 3, UTC_MS),
        "end": pa.array([END_MS] * 3, UTC_MS),
    }
    return pa.table({**own, **columns})


def uuids(count: int) -> pa.Array:
    numbers = [uuid.UUID(int=number).bytes for number in range(count)]
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(numbers, pa.binary(16)))


def write(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def batch_of(path: Path) -> RowBatch:
    [batch] = read_parquet(path)
    return batch


def shown(parsed: ParsedBlock | FileRejected) -> tuple[object, ...]:
    assert isinstance(parsed, ParsedBlock)
    rows = parsed.events.to_dicts(), parsed.voids.to_dicts()
    return (*rows, parsed.lines, parsed.quarantined, parsed.unknown)


START_S = pa.array([START_MS // 1_000] * 3, pa.timestamp("s", "UTC"))
VOIDS: dict[str, Any] = {
    "event_type": ["metering.resource.v1", "metering.resource.v1", "metering.void.v1"],
    "voided_source": [None, None, "meter"],
    "voided_id": [None, None, "0"],
}
LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "without dictionaries": ({}, {"use_dictionary": False}),
    "INT96": ({}, {"use_deprecated_int96_timestamps": True}),
    "seconds": ({"start": START_S}, {}),
    "large text": ({"region": pa.array(["eu", None, "us"], pa.large_string())}, {}),
    "categories": ({"region": pa.array(["eu", None, "us"]).dictionary_encode()}, {}),
    "UUIDs": ({"event_id": uuids(3)}, {}),
    "floats": ({"memory_mib": [1.0, 2.5, float("nan")]}, {}),
    "nulls of another type": ({"memory_mib": pa.nulls(3, pa.string())}, {}),
    "an unknown column": ({"note": ["x", None, None]}, {}),
    "an unknown struct": ({"note": [{"a": [1]}, None, None]}, {}),
    "a void": (VOIDS, {}),
}


@pytest.mark.parametrize(("columns", "options"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_small_file_comes_out_as_it_does_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any], options: Any
) -> None:
    path = write(tmp_path / "e.parquet", resources(**columns), **options)
    small = batch_of(path)
    monkeypatch.setattr(small_file, "_MOST_ROWS", 0)
    other = batch_of(path)
    assert (small.is_small, other.is_small) == (True, False)
    assert shown(parse(small)) == shown(parse(other))


NOT_SMALL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "several row groups": ({}, {"row_group_size": 1}),
    "a column that is nearly a known one": ({"customerId": ["c", "d", "e"]}, {}),
    "names that are equal but for their case": ({"Start": ["x"] * 3}, {}),
    # Its rows share one text: 2 MB in the file's dictionary, 6 MB in rows.
    "a text in every row": ({"region": ["x" * 2_000_000] * 3}, {}),
}


@pytest.mark.parametrize(("columns", "options"), NOT_SMALL.values(), ids=NOT_SMALL)
def test_an_unusual_file_is_read_otherwise(
    tmp_path: Path, columns: dict[str, Any], options: Any
) -> None:
    path = write(tmp_path / "e.parquet", resources(**columns), **options)
    assert not any(batch.is_small for batch in read_parquet(path))


def test_files_of_other_columns_are_parsed_each_by_its_own(tmp_path: Path) -> None:
    tables = [
        resources(),
        resources(region=["eu"] * 3),
        resources(event_id=["4", "", "5"], customer_id=["e"] * 3),
        resources(memory_mib=[1, 2, 3], note=["x"] * 3),
        resources(customer_id=["f"] * 3),
    ]
    batches = [
        batch_of(write(tmp_path / f"{number}.parquet", table))
        for number, table in enumerate(tables)
    ]
    together = parse_together(batches)
    assert [shown(one) for one in together] == [shown(parse(batch)) for batch in batches]
    assert [
        [(line.number, line.rule) for line in one.quarantined]
        for one in together
        if isinstance(one, ParsedBlock)
    ] == [
        [(2, "missing_field")],
        [(2, "missing_field")],
        [(2, "not_cloudevent")],
        [(2, "missing_field")],
        [],
    ]


def test_a_damaged_batch_rejects_its_file_only(tmp_path: Path) -> None:
    good = batch_of(write(tmp_path / "e.parquet", resources()))
    at = good.table.column_names.index("event_id")
    not_utf8 = pa.array([b"\xff"] * 3).view(pa.string())
    damaged = replace(good, table=good.table.set_column(at, "event_id", not_utf8))
    first, refused, last = parse_together([good, damaged, good])
    assert isinstance(refused, FileRejected)
    assert shown(first) == shown(last) == shown(parse(good))
