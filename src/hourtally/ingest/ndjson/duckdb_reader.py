"""Lines of a known shape to events, many at a time, with DuckDB.

DuckDB alone is too lenient: it accepts a trailing comma, "12" for 12, NaN, and takes the last of
two equal keys. So a line either matches its shape's pattern before, or is compared with what its
values give when written again. Then the rules are checked on whole columns. A line that fails here
is not quarantined yet: the strict validator decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from hourtally.events.event_types import RESOURCE_EVENT_TYPE, EventType
from hourtally.events.strict_json import MAX_LINE_BYTES
from hourtally.events.validation import (
    MAX_AHEAD_MS,
    MAX_ATTRIBUTE_BYTES,
    MAX_ID_BYTES,
    MAX_INTERVAL_MS,
    MAX_NAME_BYTES,
    MAX_QUANTITY,
    MAX_SELECTOR_BYTES,
)
from hourtally.ingest.ndjson.line_shapes import INSTANT, TIME, LineShape
from hourtally.ingest.ndjson.round_trip import RoundTrip
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.schemas import EVENTS
from hourtally.runtime.sql_text import literal

_COMPAT_LEVEL: Final = pl.CompatLevel.newest()
# DEL and C1: JSON text without escapes can have no other control characters.
_CONTROL_CHARACTER: Final = r"[\x00-\x1f\x7f-\x{9f}]"


class DuckDBReader:
    """Reads lines (`row`, `line`) of one shape at a time. Each thread needs a reader of its own."""

    def __init__(self) -> None:
        # Blocks are read in parallel, so each reader needs only one thread.
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")

    def read_matching(self, lines: pl.DataFrame, shape: LineShape, now_ms: int) -> pl.DataFrame:
        """The events of lines that match a shape's pattern.

        Returns:
            `row`, then `schemas.EVENTS`, without the lines that match and still break a rule: an
            id is too long, a date is the 30th of February, an end is before its start.
        """
        read = self._read(lines, _query(shape.event_type, None))
        return _valid_events(read, shape.event_type, _rules(shape.event_type, now_ms))

    def read_round_trip(
        self, lines: pl.DataFrame, shape: LineShape, round_trip: RoundTrip, now_ms: int
    ) -> pl.DataFrame:
        """The events of those lines that their own values give when written again.

        Args:
            lines: any lines.
            shape: the shape that `round_trip` belongs to.
            round_trip: how a line is written from its values.
            now_ms: the time of the ingest.

        Returns:
            `row`, then `schemas.EVENTS`; no rows at all if DuckDB cannot parse some line.
        """
        try:
            read = self._read(lines, _query(shape.event_type, round_trip))
        except (duckdb.InvalidInputException, UnicodeDecodeError):
            # The message quotes the line, and may cut a character in two.
            return pl.DataFrame(schema={"row": pl.UInt32, **EVENTS})
        rules = [
            *_rules(shape.event_type, now_ms),
            pl.col("start", "end").str.contains(f"^{INSTANT}$"),
            pl.col("event_time").is_null() | pl.col("event_time").str.contains(f"^{TIME}$"),
            ~pl.col(list(shape.event_type.ids.values())).str.contains(_CONTROL_CHARACTER),
        ]
        return _valid_events(read, shape.event_type, rules)

    def _read(self, lines: pl.DataFrame, query: str) -> pl.DataFrame:
        columns = {name: lines[name].to_arrow(compat_level=_COMPAT_LEVEL) for name in lines.columns}
        self._connection.register("lines", pa.table(columns))
        try:
            return pl.DataFrame(self._connection.sql(query).to_arrow_table())
        finally:
            self._connection.unregister("lines")


def _rules(event_type: EventType, now_ms: int) -> list[pl.Expr]:
    """What must be true of each event, as expressions on the columns read; null is false."""

    def has_bytes(columns: Iterable[str], least: int, most: int) -> pl.Expr:
        return pl.col(list(columns)).str.len_bytes().is_between(least, most)

    def has_at_most(columns: Iterable[str], most: int) -> pl.Expr:
        return has_bytes(columns, 0, most).fill_null(value=True)

    interval_ms = pl.col("end_ms") - pl.col("start_ms")
    rules = [
        pl.col("is_exact"),
        has_bytes(("event_source", "event_id"), 1, MAX_ATTRIBUTE_BYTES),
        has_bytes(event_type.ids.values(), 1, MAX_ID_BYTES),
        has_at_most(event_type.names.values(), MAX_NAME_BYTES),
        has_at_most(event_type.selectors.values(), MAX_SELECTOR_BYTES),
        pl.col("event_time").is_null() | pl.col("event_time_us").is_not_null(),
        interval_ms.is_between(1, MAX_INTERVAL_MS),
        pl.col("start_ms") <= now_ms + MAX_AHEAD_MS,
        pl.col(list(event_type.quantities.values())).is_between(0, MAX_QUANTITY),
    ]
    if event_type is RESOURCE_EVENT_TYPE:
        rules.append(pl.col("resource_type").is_in(RESOURCE_TYPES))
        rules.append((pl.col("gpu_milli") == 0) | (pl.col("gpu_model") != ""))
    return rules


def _valid_events(read: pl.DataFrame, event_type: EventType, rules: list[pl.Expr]) -> pl.DataFrame:
    """The events of the rows that keep all rules."""
    # Columns that an event type lacks are not read: as constants they take no memory.
    constants = {
        column: pl.lit(0 if dtype == pl.Int64 else None)
        for column, dtype in EVENTS.items()
        if column not in read.columns
    } | {"event_type": pl.lit(event_type.type)}
    events = read.select(
        "row",
        *(constants.get(c, pl.col(c)).cast(t).alias(c) for c, t in EVENTS.items()),
    )
    is_valid = read.select(pl.all_horizontal(rules).fill_null(value=False)).to_series()
    return events if is_valid.all() else events.filter(is_valid)


@cache
def _query(event_type: EventType, round_trip: RoundTrip | None) -> str:
    """The SQL that reads one event type: `sql/read_lines.sql` with its fields filled in."""
    fields = {**event_type.ids, **event_type.names, **event_type.selectors}
    if event_type is RESOURCE_EVENT_TYPE:
        fields["resourceType"] = "resource_type"
    texts = [*fields, "start", "end"]
    columns = {column: f'"{field}"' for field, column in fields.items()}
    columns |= {
        column: f'coalesce("{field}", {event_type.defaults.get(field, 0)})'
        for field, column in event_type.quantities.items()
    }
    derived = ("start_ms", "end_ms", "event_source", "event_id", "event_time_us", "identity")
    columns |= {name: name for name in derived}
    outer, inner = round_trip.ignored if round_trip else ((), ())
    types = dict.fromkeys([*texts, *inner], "VARCHAR")
    types |= dict.fromkeys(event_type.quantities, "BIGINT")
    structure = dict.fromkeys(["source", "id", "time", *outer], "VARCHAR") | {"data": types}
    template = files("hourtally.ingest.ndjson").joinpath("sql/read_lines.sql").read_text()
    return template.format(
        structure=literal(json.dumps(structure)),
        fields=", ".join(f'"{field}"' for field in [*texts, *event_type.quantities]),
        round_trip=f"NOT contains(line, '\\') AND line = {round_trip.sql}"
        if round_trip
        else "true",
        columns=",\n    ".join(f'{value} AS "{name}"' for name, value in columns.items()),
        max_line_bytes=MAX_LINE_BYTES,
    )
