"""Lines of a known layout to events, many at a time, by DuckDB.

It alone would be too lenient (a trailing comma, "12" for 12, the last of two keys, NaN), so a
line has been matched with its layout's pattern before, or is compared with its plain form here.
Lengths, instants and intervals are then checked on columns. A line that does not get through is
not refused: the strict judge decides about it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from hourtally.events import (
    MAX_AHEAD_MS,
    MAX_ATTRIBUTE_BYTES,
    MAX_ID_BYTES,
    MAX_INTERVAL_MS,
    MAX_NAME_BYTES,
    MAX_QUANTITY,
    MAX_SELECTOR_BYTES,
)
from hourtally.jsonlines import MAX_LINE_BYTES
from hourtally.kinds import RESOURCE_KIND, EventKind
from hourtally.layouts import INSTANT, TIME, Layout
from hourtally.plain_lines import PlainForm
from hourtally.schemas import EVENTS, RESOURCE_TYPES

_CONTROL: Final = r"[\x00-\x1f\x7f-\x{9f}]"


def read_matching(
    connection: duckdb.DuckDBPyConnection, lines: pl.DataFrame, layout: Layout, now_ms: int
) -> pl.DataFrame:
    """The events of lines (`row`, `line`) that match a layout's pattern.

    Returns:
        `schemas.EVENTS` after `row`; lines that pass the pattern and still break a rule (an
        id too long, a 30th of February, an end before its start) are left out of it.
    """
    return _events(_read(connection, lines, _query(layout.kind, now_ms, None)))


def read_plain(
    connection: duckdb.DuckDBPyConnection,
    lines: pl.DataFrame,
    layout: Layout,
    form: PlainForm,
    now_ms: int,
) -> pl.DataFrame:
    """The events of those lines (`row`, `line`) that are plain ones of a layout.

    Returns:
        `schemas.EVENTS` after `row`; none at all where a line is so far from JSON that DuckDB
        does not read it.
    """
    try:
        read = _read(connection, lines, _query(layout.kind, now_ms, form))
    except duckdb.InvalidInputException:
        return pl.DataFrame(schema={"row": pl.UInt32, **EVENTS})
    ids = pl.col(list(layout.kind.ids.values()))
    return _events(
        read.filter(
            pl.col("start", "end").str.contains(f"^{INSTANT}$"),
            pl.col("event_time").str.contains(f"^{TIME}$").fill_null(value=True),
            ~pl.any_horizontal(ids.str.contains(_CONTROL)),
        )
    )


def _read(connection: duckdb.DuckDBPyConnection, lines: pl.DataFrame, query: str) -> pl.DataFrame:
    connection.register("lines", pa.table({name: lines[name].to_arrow() for name in lines.columns}))
    return pl.DataFrame(connection.sql(query).to_arrow_table()).filter("is_kept")


def _events(read: pl.DataFrame) -> pl.DataFrame:
    return read.select("row", *(pl.col(c).cast(t) for c, t in EVENTS.items()))


@cache
def _query(kind: EventKind, now_ms: int, form: PlainForm | None) -> str:
    """The SQL that reads one kind of event; `sql/read_lines.sql` with its fields filled in."""
    fields = {**kind.ids, **kind.names, **kind.selectors}
    if kind is RESOURCE_KIND:
        fields["resourceType"] = "resource_type"
    texts = [*fields, "start", "end"]
    columns = dict.fromkeys(EVENTS, "NULL")
    columns["event_type"] = f"'{kind.type}'"
    columns |= {column: f'"{field}"' for field, column in fields.items()}
    numbers = [column for column, dtype in EVENTS.items() if dtype == pl.Int64]
    columns |= dict.fromkeys(numbers, "0")
    columns |= {
        column: f'coalesce("{field}", {kind.defaults.get(field, 0)})'
        for field, column in kind.quantities.items()
    }
    columns |= {name: name for name in ("start_ms", "end_ms", "event_source", "event_id")}
    columns |= {"event_time_us": "event_time_us", "identity": "identity"}
    outer, inner = form.ignored if form else ((), ())
    types = dict.fromkeys([*texts, *inner], "VARCHAR") | dict.fromkeys(kind.quantities, "BIGINT")
    structure = dict.fromkeys(["source", "id", "time", *outer], "VARCHAR") | {"data": types}
    rules = [f'strlen("{field}") BETWEEN 1 AND {MAX_ID_BYTES}' for field in kind.ids]
    most = dict.fromkeys(kind.names, MAX_NAME_BYTES)
    most |= dict.fromkeys(kind.selectors, MAX_SELECTOR_BYTES)
    rules += [f'coalesce(strlen("{field}"), 0) <= {size}' for field, size in most.items()]
    rules += [f'coalesce("{field}", 0) BETWEEN 0 AND {MAX_QUANTITY}' for field in kind.quantities]
    if kind is RESOURCE_KIND:
        listed = ", ".join(f"'{one}'" for one in RESOURCE_TYPES)
        rules.append(f'"resourceType" IN ({listed})')
        rules.append('(coalesce("gpuMilli", 0) = 0 OR "gpuModel" <> \'\')')
    template = files("hourtally").joinpath("sql/read_lines.sql").read_text()
    return template.format(
        structure=json.dumps(structure),
        fields=", ".join(f'"{field}"' for field in [*texts, *kind.quantities]),
        plain="true" if form is None else f"NOT contains(line, '\\') AND line = {form.sql}",
        columns=",\n    ".join(f'{value} AS "{name}"' for name, value in columns.items()),
        rules="\n    AND ".join(rules),
        max_line_bytes=MAX_LINE_BYTES,
        max_attribute_bytes=MAX_ATTRIBUTE_BYTES,
        max_interval_ms=MAX_INTERVAL_MS,
        latest_start_ms=now_ms + MAX_AHEAD_MS,
    )
