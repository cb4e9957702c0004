"""Columns as pandas, Polars, Spark and DuckDB write them, and which of them reject a file."""

from __future__ import annotations

import decimal
import random
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.errors import FileRejected
from hourtally.ingest.parsed import ParsedBlock
from tests.ingest.parquet.test_reader import END_MS, START_MS, UTC_MS, cluster, event, read
from tests.ingest.parquet.test_reader import violation as broken
from tests.support.events.event_files import write_parquet
from tests.support.events.random_events import Json, event_sets
from tests.support.examples import examples
from tests.support.ingest.parsed_parquet import read_parquet

pytestmark = pytest.mark.usefixtures("both_ways")

NAN = float("nan")
PERIOD = {"start": pa.array([START_MS], UTC_MS), "end": pa.array([END_MS], UTC_MS)}


def resource(rows: int = 1, **columns: Any) -> pa.Table:
    """Resource events; columns in place of their own, or besides them; None leaves one out."""
    own: dict[str, Any] = {
        "event_id": [str(number) for number in range(rows)],
        "event_source": ["meter"] * rows,
        "event_type": ["metering.resource.v1"] * rows,
        **{name: ["x"] * rows for name in ("customer_id", "team_id", "project_id", "resource_id")},
        "resource_type": ["job"] * rows,
        "start": pa.array([START_MS] * rows, UTC_MS),
        "end": pa.array([END_MS] * rows, UTC_MS),
        "cpu_millicores": [5] * rows,
    }
    given = {**own, **columns}
    return pa.table({name: column for name, column in given.items() if column is not None})


def void(**columns: Any) -> pa.Table:
    """One void."""
    own: dict[str, Any] = {
        "event_id": ["v"],
        "event_source": ["meter"],
        "event_type": ["metering.void.v1"],
        "voided_source": ["meter"],
        "voided_id": ["1"],
        **PERIOD,
    }
    return pa.table({**own, **columns})


def rejection(folder: Path, table: pa.Table) -> str:
    with pytest.raises(FileRejected) as caught:
        read(folder, table)
    return caught.value.reason


def test_a_void_needs_no_customer(tmp_path: Path) -> None:
    [parsed] = read(tmp_path, void(reason=["twice"]))
    assert (parsed.lines, len(parsed.events), parsed.quarantined) == (1, 0, [])
    assert parsed.voids.rows() == [("meter", "v", "meter", "1", START_MS, END_MS, "twice")]


@pytest.mark.parametrize(("capacity", "stored"), [("spot", "spot"), ("on-demand", None)])
def test_a_capacity_is_read(tmp_path: Path, capacity: str, stored: str | None) -> None:
    assert event(tmp_path, resource(gpu_capacity=[capacity]))["gpu_capacity"] == stored


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7.0]),
        pa.array([7.0], pa.float32()),
        pa.array([7], pa.decimal128(9, 0)),
        pa.array([decimal.Decimal("7.00")], pa.decimal128(9, 2)),
        pa.array([decimal.Decimal("7.00")], pa.decimal256(60, 2)),
        pa.array([7.0]).dictionary_encode(),
    ],
    ids=str,
)
def test_a_quantity_may_be_a_whole_float_or_decimal(tmp_path: Path, column: pa.Array) -> None:
    assert event(tmp_path, resource(cpu_millicores=column))["cpu_millicores"] == 7


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (pa.array([7.5]), "bad_type"),
        (pa.array([float("inf")]), "bad_type"),
        (pa.array([float(2**53)]), "bad_type"),
        (pa.array([-float(2**53)]), "bad_type"),
        (pa.array([float(2**53 - 1)]), "quantity_out_of_range"),
        (pa.array([-1.0]), "quantity_out_of_range"),
        (pa.array([decimal.Decimal("7.01")]), "bad_type"),
        (pa.array([decimal.Decimal(2**53)]), "bad_type"),
        (pa.array([decimal.Decimal(2**53 - 1)]), "quantity_out_of_range"),
        (pa.array([decimal.Decimal(10**70)], pa.decimal256(76, 2)), "bad_type"),
    ],
    ids=str,
)
def test_another_number_is_the_bad_type_of_its_row(
    tmp_path: Path, column: pa.Array, rule: str
) -> None:
    assert broken(tmp_path, resource(cpu_millicores=column))[0] == rule


def test_a_pandas_column_with_a_null_keeps_its_other_rows(tmp_path: Path) -> None:
    table = resource(3, gpu_milli=pa.array([None, NAN, 0.0]), memory_mib=pa.array([1.0, None, NAN]))
    [parsed] = read(tmp_path, table)
    assert parsed.events["gpu_milli"].to_list() == [0, 0, 0]
    assert parsed.events["memory_mib"].to_list() == [1, 0, 0]


@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(1),
        pa.nulls(1, pa.float64()),
        pa.array([NAN]),
        pa.nulls(1, pa.bool_()),
        pa.nulls(1, pa.binary()),
        pa.nulls(1, pa.timestamp("us")),
        pa.nulls(1, pa.list_(pa.int64())),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["event_time", "region", "memory_mib", "gpu_model"])
def test_a_column_without_values_counts_as_absent_whatever_its_type(
    tmp_path: Path, name: str, column: pa.Array
) -> None:
    assert event(tmp_path, resource(**{name: column})) == event(tmp_path, resource())


def test_a_uuid_is_text(tmp_path: Path) -> None:
    value = uuid.UUID("12345678-1234-5678-1234-567812345678")
    column = pa.array([value.bytes], pa.uuid())
    row = event(tmp_path, resource(event_id=column, team_id=column))
    assert (row["event_id"], row["team_id"]) == (str(value), str(value))


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_int96_is_utc(tmp_path: Path, zone: str | None) -> None:
    instants = {
        name: column.cast(pa.timestamp("ns", zone)) if zone else column.cast(pa.timestamp("ns"))
        for name, column in PERIOD.items()
    }
    path = tmp_path / "e.parquet"
    pq.write_table(
        resource(**instants), path, use_deprecated_int96_timestamps=True, store_schema=False
    )
    [parsed] = read_parquet(path)
    assert parsed.events.select("start_ms", "end_ms").rows() == [(START_MS, END_MS)]


@pytest.mark.parametrize(
    ("columns", "unknown", "known"),
    [
        (
            {"cpu_millicores": None, "data.cpuMillicores": [1]},
            "data.cpuMillicores",
            "cpu_millicores",
        ),
        ({"cpu_millicores": None, "cpuMillicores": [1]}, "cpuMillicores", "cpu_millicores"),
        ({"cpu_millicores": None, "cpu_milicores": [1]}, "cpu_milicores", "cpu_millicores"),
        ({"cpu_millicores": None, "vcpu_millicores": [1.5]}, "vcpu_millicores", "cpu_millicores"),
        (
            {"cpu_millicores": pa.nulls(1), "CPU_MILLICORES": [1]},
            "CPU_MILLICORES",
            "cpu_millicores",
        ),
        ({"cpu_millicores": pa.array([NAN]), "CPU.Millicores": ["1"]}, "CPU.Millicores", "cpu_mil"),
        ({"teamName": ["Web"]}, "teamName", "team_name"),
        ({"customer_id": None, "customerid": ["x"]}, "customerid", "customer_id"),
        ({"customer_id": None, "custmer_id": ["x"]}, "custmer_id", "customer_id"),
        ({"event_id": None, "eventId": ["x"]}, "eventId", "event_id"),
        ({"start": None, "Start": PERIOD["start"]}, "Start", "start"),
        ({"event_time": None, "eventtime": PERIOD["start"]}, "eventtime", "event_time"),
        ({"event_type": None, "event-type": ["metering.resource.v1"]}, "event-type", "event_type"),
    ],
)
def test_a_misspelt_column_rejects_the_file(
    tmp_path: Path, columns: dict[str, Any], unknown: str, known: str
) -> None:
    reason = rejection(tmp_path, resource(**columns))
    assert reason.startswith(f"the column {unknown} is unknown and {known}")


@pytest.mark.parametrize(
    "columns",
    [
        {"memory_gb": [1]},
        {"memory_mi": ["1"]},
        {"memory_mi": [True]},
        {"cpuMillicores": [7]},
        {"memory-mib": pa.nulls(1)},
        {"memory-mib": pa.array([NAN])},
        {"tem_name": ["Web"]},
    ],
)
def test_a_column_that_is_not_misspelt_is_ignored(tmp_path: Path, columns: dict[str, Any]) -> None:
    assert event(tmp_path, resource(**columns)) == event(tmp_path, resource())


def test_the_column_of_another_type_in_the_file_is_not_misspelt(tmp_path: Path) -> None:
    both = pa.concat_tables(
        [resource(cpu_millicores=None, memory_mib=[1]), cluster(vcpu_millicores=[7])],
        promote_options="default",
    )
    [parsed] = read(tmp_path, both)
    assert (len(parsed.events), parsed.quarantined) == (2, [])


def test_a_row_with_a_value_in_the_misspelt_column_alone_breaks_the_rule(tmp_path: Path) -> None:
    # Two producers' files as one.
    table = resource(
        4, cpu_millicores=pa.array([1, None, 2, None]), cpuMillicores=pa.array([None, 7, 8, None])
    )
    [parsed] = read(tmp_path, table)
    assert parsed.events["cpu_millicores"].to_list() == [1, 2, 0]
    assert [(line.number, line.rule) for line in parsed.quarantined] == [(2, "misspelt_field")]


def test_resource_events_without_a_column_of_a_quantity_reject_the_file(tmp_path: Path) -> None:
    reason = rejection(tmp_path, resource(cpu_millicores=None))
    assert reason == (
        "it has resource events, but none of the columns cpu_millicores, memory_mib, storage_mib, "
        "gpu_milli"
    )
    near = resource(cpu_millicores=None, cpu_cores=[1], ram_gb=[1], storage=[1])
    assert rejection(tmp_path, near).endswith("; cpu_cores, storage look like one")


def test_clusters_and_voids_need_no_column_of_a_quantity(tmp_path: Path) -> None:
    assert event(tmp_path, cluster())["cluster_count"] == 1


def test_a_file_in_a_folder_of_hive_lacks_what_the_folder_is_named_for(tmp_path: Path) -> None:
    folder = tmp_path / "day=2026-11-02" / "customer_id=acme"
    folder.mkdir(parents=True)
    reason = rejection(folder, resource(customer_id=None))
    assert reason.startswith(
        "missing column customer_id, which metering.resource.v1 events need; the folder's name "
        "customer_id=acme seems to hold customer_id"
    )


def unknown_of(parts: list[ParsedBlock]) -> dict[str, int]:
    return {name: count for part in parts for name, count in part.unknown.items()}


def test_unknown_columns_are_counted_by_their_rows_with_a_value(tmp_path: Path) -> None:
    table = resource(3, labels=["a", None, "b"], note=pa.nulls(3), cluster_name=["x", "y", "z"])
    assert unknown_of(read(tmp_path, table)) == {"labels": 2, "cluster_name": 3}


def test_what_is_kept_of_a_row_names_its_columns_and_instants(tmp_path: Path) -> None:
    [parsed] = read(tmp_path, resource(team_id=[""], cpu_millicores=[1.5]))
    [line] = parsed.quarantined
    assert line.raw == (
        b'{"event_id": "0", "event_source": "meter", "event_type": "metering.resource.v1", '
        b'"customer_id": "x", "team_id": "", "project_id": "x", "resource_id": "x", '
        b'"resource_type": "job", "start": "2026-11-22T13:00:00Z", '
        b'"end": "2026-11-22T13:01:00Z", "cpu_millicores": "1.5"}'
    )


@examples(100, fast=20)
@given(event_sets(), st.integers(0, 2**20))
def test_events_are_the_same_whatever_types_their_columns_have(
    events: list[Json], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e.parquet"
        found = []
        for chance in (None, random.Random(seed)):
            write_parquet(path, events, chance)
            [parsed] = read_parquet(path)
            assert parsed.quarantined == []
            found.append(parsed.events.sort(parsed.events.columns))
    assert found[0].equals(found[1])
