"""The rows of a Parquet file in known types, and which of them surely keep every rule."""

from __future__ import annotations

import json
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from hourtally.events.envelope import (
    MAX_ATTRIBUTE_BYTES,
    Envelope,
    check_attribute_bytes,
    find_event_type,
)
from hourtally.events.event_types import RESOURCE_EVENT_TYPE, Event, Void
from hourtally.events.field_names import NearMiss
from hourtally.events.instants import END_OF_TIME_MS, MAX_INTERVAL_MS, ColumnInstant
from hourtally.events.strict_json import RuleViolation
from hourtally.events.validation import (
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    MAX_QUANTITY,
    MAX_SELECTOR_BYTES,
    check_data,
)
from hourtally.ingest.parquet.columns import (
    INSTANTS,
    QUANTITIES,
    TEXTS,
    TYPE_COLUMNS,
    is_uuid,
    value_type,
)
from hourtally.ingest.parquet.layout import FileLayout
from hourtally.ingest.parquet.probe import has_value
from hourtally.model.components import (
    CLUSTER_EVENT,
    GPU_CAPACITIES,
    RESOURCE_EVENT,
    RESOURCE_TYPES,
)
from hourtally.model.hours import format_instant

_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_WANTED: Final = {"start": "ms", "end": "ms", "event_time": "us"}
_NS_PER_MS: Final = 1_000_000
# Floats beyond this are not exact.
_WHOLE_BELOW: Final = 2**53


def complete_rows(table: pa.Table, layout: FileLayout) -> pl.DataFrame:
    """The rows of a batch.

    Returns:
        Every column of `TEXTS` and `QUANTITIES`, absent ones null; `start_ms`, `end_ms` and
        `event_time_us`, floored; `NAME_ns` of the three in nanoseconds; `NAME_wrong`, the text of a
        quantity that is no whole number; `near N`, whether near miss N has a value.
    """
    arrow: dict[str, Any] = {}
    columns: list[pl.Expr] = []
    for name in TEXTS:
        columns.append(_text(name, table, arrow))
    for name in QUANTITIES:
        columns += _quantities(name, table, arrow)
    for name in INSTANTS:
        columns += _instants(name, table, arrow)
    for number, near in enumerate(layout.near):
        arrow[f"near {number}"] = has_value(table.column(near.unknown))
        columns.append(pl.col(f"near {number}"))
    if not arrow:
        return pl.DataFrame(schema=dict.fromkeys(TEXTS, pl.String))
    return pl.DataFrame(pa.table(arrow)).select(columns)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    dtype = column.type
    return column.cast(dtype.value_type) if pa.types.is_dictionary(dtype) else column


def _text(name: str, table: pa.Table, arrow: dict[str, Any]) -> pl.Expr:
    if name not in table.column_names:
        return pl.lit(None, dtype=pl.String).alias(name)
    column = table.column(name)
    if not is_uuid(value_type(column.type)):
        arrow[name] = column
        return pl.col(name).cast(pl.String)
    arrow[name] = pa.chunked_array(
        [chunk.storage for chunk in _plain(column).chunks], type=pa.binary(16)
    )
    digits = pl.col(name).bin.encode("hex")
    parts = [
        digits.str.slice(at, size) for at, size in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
    ]
    return pl.concat_str(parts, separator="-").alias(name)


def _quantities(name: str, table: pa.Table, arrow: dict[str, Any]) -> list[pl.Expr]:
    wrong = pl.lit(None, dtype=pl.String).alias(f"{name}_wrong")
    if name not in table.column_names:
        return [pl.lit(None, dtype=pl.Int128).alias(name), wrong]
    column = _plain(table.column(name))
    if not pa.types.is_integer(column.type):
        column, arrow[f"{name}_wrong"] = _whole_numbers(column)
        wrong = pl.col(f"{name}_wrong").cast(pl.String)
    arrow[name] = column
    return [pl.col(name).cast(pl.Int128), wrong]


def _whole_numbers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Floats or decimals as integers, and the texts of those that are none; NaN is null."""
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)
        limit = pa.scalar(float(_WHOLE_BELOW))
    else:
        if not pa.types.is_decimal256(column.type):
            column = column.cast(pa.decimal128(38, column.type.scale))
        digits = pa.decimal256(76, column.type.scale)
        column = column.cast(digits)
        limit = pa.scalar(_WHOLE_BELOW).cast(digits)
    is_whole = pc.equal(pc.floor(column), column)
    is_small = pc.less(pc.abs(column), limit)
    is_right = pc.and_(is_whole, is_small)
    right = pc.if_else(is_right, column, None)
    wrong = pc.if_else(is_right, None, column)
    return right.cast(pa.int64()), wrong.cast(pa.string())


def _instants(name: str, table: pa.Table, arrow: dict[str, Any]) -> list[pl.Expr]:
    wanted = _WANTED[name]
    if name not in table.column_names:
        absent = pl.lit(None, dtype=pl.Int128)
        return [absent.alias(f"{name}_ns"), absent.alias(f"{name}_{wanted}")]
    column = _plain(table.column(name))
    unit = column.type.unit
    # In any zone the count is that of UTC; Polars refuses names of zones that it does not know.
    arrow[name] = column.cast(pa.timestamp(unit, "UTC")).cast(pa.int64())
    count = pl.col(name)
    # 128 bits: any number of seconds fits as nanoseconds too.
    in_ns = count.cast(pl.Int128) * (_PER_SECOND["ns"] // _PER_SECOND[unit])
    if _PER_SECOND[unit] >= _PER_SECOND[wanted]:
        floored = count // (_PER_SECOND[unit] // _PER_SECOND[wanted])
    else:
        floored = count.cast(pl.Int128) * (_PER_SECOND[wanted] // _PER_SECOND[unit])
    return [in_ns.alias(f"{name}_ns"), floored.alias(f"{name}_{wanted}")]


def is_valid(layout: FileLayout) -> pl.Expr:
    """Rows that surely keep every rule; the others are validated one by one."""

    def is_valid_id(name: str) -> pl.Expr:
        size = pl.col(name).str.len_bytes()
        clean = ~pl.col(name).str.contains(r"[\x00-\x1f\x7f-\x{9f}]")
        return size.is_between(1, MAX_ID_BYTES) & clean

    def is_within(name: str, max_bytes: int) -> pl.Expr:
        return pl.col(name).is_null() | (pl.col(name).str.len_bytes() <= max_bytes)

    attributes = pl.all_horizontal(
        pl.col(name).str.len_bytes().is_between(1, MAX_ATTRIBUTE_BYTES)
        for name in ("event_id", "event_source")
    )
    times = (
        (pl.col("start_ms") < pl.col("end_ms"))
        & (pl.col("end_ms") - pl.col("start_ms") <= MAX_INTERVAL_MS)
        & (pl.col("start_ms") >= 0)
        & (pl.col("end_ms") < END_OF_TIME_MS)
    )
    # A `time` outside the calendar and events from before 1970 are left to the validator.
    times &= pl.col("event_time_us").is_null() | pl.col("event_time_us").is_between(0, 2**57)
    quantities = pl.all_horizontal(
        (pl.col(name).is_null() | pl.col(name).is_between(0, MAX_QUANTITY))
        & pl.col(f"{name}_wrong").is_null()
        for name in QUANTITIES
    )
    gpu = (pl.col("gpu_milli").fill_null(0) == 0) | (pl.col("gpu_model") != "")
    resource = (
        (pl.col("event_type") == RESOURCE_EVENT)
        & pl.all_horizontal(is_valid_id(n) for n in ("team_id", "project_id", "resource_id"))
        & pl.all_horizontal(
            is_within(n, MAX_NAME_BYTES) for n in RESOURCE_EVENT_TYPE.names.values()
        )
        & is_within("gpu_model", MAX_SELECTOR_BYTES)
        & pl.col("resource_type").is_in(RESOURCE_TYPES)
        & (pl.col("gpu_capacity").is_null() | pl.col("gpu_capacity").is_in(GPU_CAPACITIES))
        & gpu
    )
    cluster = (
        (pl.col("event_type") == CLUSTER_EVENT)
        & is_valid_id("cluster_id")
        & is_within("cluster_name", MAX_NAME_BYTES)
    )
    common = attributes & is_valid_id("customer_id") & times & quantities
    common &= is_within("region", MAX_SELECTOR_BYTES)
    for number, near in enumerate(layout.near):
        known = f"{near.known}_ns" if near.known in INSTANTS else near.known
        common &= pl.col(known).is_not_null() | ~pl.col(f"near {number}")
    return common & (resource.fill_null(value=False) | cluster.fill_null(value=False))


def check_row(row: dict[str, Any], layout: FileLayout) -> Event | Void:
    """The event or void of one row, by the strict validator.

    Raises:
        RuleViolation: the first rule that the row breaks.
    """
    for name in ("event_id", "event_source", "event_type"):
        if not row[name]:
            raise RuleViolation("not_cloudevent", f"{name} is missing or empty")
    check_attribute_bytes("id", row["event_id"])
    check_attribute_bytes("source", row["event_source"])
    event_type = find_event_type(row["event_type"])
    for number, near in enumerate(layout.near):
        if row[f"near {number}"] and _is_absent(row, near, event_type.type):
            message = f"{near.known} is null, but the unknown column {near.unknown} has a value"
            raise RuleViolation("misspelt_field", message)
    data = {field: row[column] for column, field in TEXTS.items()}
    for column, field in QUANTITIES.items():
        wrong = row[f"{column}_wrong"]
        data[field] = row[column] if wrong is None else float(wrong)
    start, end, time = (_instant(row, name) for name in ("start", "end", "event_time"))
    data |= {"start": start, "end": end}
    return check_data(Envelope(row["event_source"], row["event_id"], event_type, time, data))


def _is_absent(row: dict[str, Any], near: NearMiss, event_type: str) -> bool:
    if near.known in INSTANTS:
        return row[f"{near.known}_ns"] is None
    of_type = near.known in TYPE_COLUMNS[event_type].known
    return of_type and row[near.known] is None and row.get(f"{near.known}_wrong") is None


def _instant(row: dict[str, Any], name: str) -> ColumnInstant | None:
    count = row[f"{name}_ns"]
    return None if count is None else ColumnInstant(count)


def raw_row(row: dict[str, Any]) -> bytes:
    """A row as the JSON object that is kept of it: its columns that count, instants as text."""
    kept: dict[str, Any] = {name: row[name] for name in TEXTS}
    kept |= {name: _shown(row[f"{name}_ns"]) for name in ("event_time", "start", "end")}
    for name in QUANTITIES:
        kept[name] = row[name] if row[f"{name}_wrong"] is None else row[f"{name}_wrong"]
    present = {name: value for name, value in kept.items() if value is not None}
    return json.dumps(present, ensure_ascii=False).encode()


def _shown(count_ns: int | None) -> str | int | None:
    """An instant as RFC 3339, with all its digits; the count itself outside the calendar."""
    if count_ns is None or not 0 <= count_ns < END_OF_TIME_MS * _NS_PER_MS:
        return count_ns
    whole, below_second = divmod(count_ns, _PER_SECOND["ns"])
    digits = f".{below_second:09d}".rstrip("0") if below_second else ""
    return f"{format_instant(whole * 1_000)[:-1]}{digits}Z"
