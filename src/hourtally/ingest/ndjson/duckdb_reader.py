"""Lines of a known shape to events, many at a time, with DuckDB.

DuckDB alone is too lenient: it accepts a trailing comma, "12" for 12, NaN, and takes the last of
two equal keys. So a line either matches its shape's pattern before, or is compared with what its
values give when written again. Then the rules are checked on whole columns. A line that fails here
is not quarantined yet: the strict validator decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final, NamedTuple

import duckdb
import polars as pl
import pyarrow as pa

from hourtally.events.envelope import MAX_ATTRIBUTE_BYTES
from hourtally.events.event_types import RESOURCE_EVENT_TYPE, EventType
from hourtally.events.instants import END_OF_TIME_MS, MAX_INTERVAL_MS, ZERO_TIME_US
from hourtally.events.strict_json import MAX_LINE_BYTES
from hourtally.events.validation import (
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    MAX_QUANTITY,
    MAX_SELECTOR_BYTES,
)
from hourtally.ingest.ndjson.line_shapes import INSTANT, TIME, LineShape
from hourtally.ingest.ndjson.round_trip import RoundTrip
from hourtally.model.components import ON_DEMAND, RESOURCE_TYPES, SPOT
from hourtally.model.schemas import EVENTS
from hourtally.runtime.idle_pool import IdlePool
from hourtally.runtime.sql_text import literal

_COMPAT_LEVEL: Final = pl.CompatLevel.newest()
# DEL and C1: JSON text without escapes can have no other control characters.
_CONTROL_CHARACTER: Final = r"[\x00-\x1f\x7f-\x{9f}]"


class ReadLines(NamedTuple):
    """Lines that are events, in order.

    events: `row`, then `schemas.EVENTS`. unknown: which of them have each ignored field; None
    where all have it.
    """

    events: pl.DataFrame
    unknown: dict[str, pl.Series | None]

    def divided(self, borders: Sequence[int]) -> list[ReadLines]:
        """Those between each two borders, which are numbers of rows."""
        places = self.events["row"].search_sorted(pl.Series(borders, dtype=pl.UInt32)).to_list()
        return [self._part(begin, end) for begin, end in pairwise(places)]

    def _part(self, begin: int, end: int) -> ReadLines:
        unknown = {
            name: has if has is None else has[begin:end] for name, has in self.unknown.items()
        }
        return ReadLines(self.events[begin:end], unknown)

    def unknown_counts(self) -> dict[str, int]:
        """How many of the lines have each ignored field."""
        lines = len(self.events)
        counts = {
            name: lines if has is None else int(has.sum()) for name, has in self.unknown.items()
        }
        return {name: count for name, count in counts.items() if count}


class DuckDBReader:
    """Reads lines (`row`, `line`) of one shape at a time. Each thread needs a reader of its own."""

    def __init__(self) -> None:
        # Blocks are read in parallel, so each reader needs only one thread.
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")

    def read_matching(self, lines: pl.DataFrame, shape: LineShape) -> ReadLines:
        """The events of lines that match a shape's pattern.

        Lines that match may still break a rule, and are left out: an id is too long, a date is the
        30th of February, an end is before its start.
        """
        read = self._read(lines, _query(shape.event_type, None))
        events = _valid(read, _rules(shape.event_type))
        return ReadLines(_as_events(events, shape.event_type), dict.fromkeys(shape.unknown))

    def read_round_trip(
        self, lines: pl.DataFrame, shape: LineShape, round_trip: RoundTrip
    ) -> ReadLines:
        """The events of those lines that their own values give when written again.

        None at all if DuckDB cannot parse some line.

        Args:
            lines: any lines.
            shape: the shape that `round_trip` belongs to.
            round_trip: how a line is written from its values.
        """
        try:
            read = self._read(lines, _query(shape.event_type, round_trip))
        except (duckdb.InvalidInputException, UnicodeDecodeError):
            # The message quotes the line, and may cut a character in two.
            return ReadLines(pl.DataFrame(schema={"row": pl.UInt32, **EVENTS}), {})
        rules = [
            *_rules(shape.event_type),
            pl.col("start", "end").str.contains(f"^{INSTANT}$"),
            pl.col("event_time").is_null() | pl.col("event_time").str.contains(f"^{TIME}$"),
            ~pl.col(list(shape.event_type.ids.values())).str.contains(_CONTROL_CHARACTER),
        ]
        valid = _valid(read, rules)
        unknown: dict[str, pl.Series | None] = dict.fromkeys(shape.unknown)
        for number, name in enumerate(round_trip.ignored[1]):
            unknown[name] = valid[_unknown_column(number)]
        return ReadLines(_as_events(valid, shape.event_type), unknown)

    def _read(self, lines: pl.DataFrame, query: str) -> pl.DataFrame:
        columns = {name: lines[name].to_arrow(compat_level=_COMPAT_LEVEL) for name in lines.columns}
        self._connection.register("lines", pa.table(columns))
        try:
            return pl.DataFrame(self._connection.sql(query).to_arrow_table())
        finally:
            self._connection.unregister("lines")


class ReaderPool(IdlePool[DuckDBReader]):
    """Readers for any number of threads. Making one takes 10 ms, as long as 1,500 lines do."""

    def __init__(self) -> None:
        super().__init__(DuckDBReader)


def _rules(event_type: EventType) -> list[pl.Expr]:
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
        interval_ms.is_between(1, MAX_INTERVAL_MS),
        pl.col(list(event_type.quantities.values())).is_between(0, MAX_QUANTITY),
    ]
    if event_type is RESOURCE_EVENT_TYPE:
        rules.append(pl.col("resource_type").is_in(RESOURCE_TYPES))
        rules.append(pl.col("gpu_capacity").is_null() | (pl.col("gpu_capacity") == SPOT))
        rules.append((pl.col("gpu_milli") == 0) | (pl.col("gpu_model") != ""))
    return rules


def _valid(read: pl.DataFrame, rules: list[pl.Expr]) -> pl.DataFrame:
    """The rows that keep all rules."""
    is_valid = read.select(pl.all_horizontal(rules).fill_null(value=False)).to_series()
    return read if is_valid.all() else read.filter(is_valid)


def _as_events(read: pl.DataFrame, event_type: EventType) -> pl.DataFrame:
    """`row`, then `schemas.EVENTS`."""
    # Columns that an event type lacks are not read: as constants they take no memory.
    constants = {
        column: pl.lit(0 if dtype == pl.Int64 else None)
        for column, dtype in EVENTS.items()
        if column not in read.columns
    } | {"event_type": pl.lit(event_type.type)}
    return read.select(
        "row",
        *(constants.get(c, pl.col(c)).cast(t).alias(c) for c, t in EVENTS.items()),
    )


def _unknown_column(number: int) -> str:
    """Whether a line has an ignored text of the data; the number is its place in `ignored`."""
    return f"unknown {number}"


@cache
def _query(event_type: EventType, round_trip: RoundTrip | None) -> str:
    """The SQL that reads one event type: `sql/read_lines.sql` with its fields filled in."""
    texts = [*event_type.texts, "start", "end"]
    columns = {column: f'"{field}"' for field, column in event_type.texts.items()}
    if "gpuCapacity" in event_type.choices:
        columns["gpu_capacity"] = f"nullif(\"gpuCapacity\", '{ON_DEMAND}')"
    columns |= {
        column: f'coalesce("{field}", {event_type.defaults.get(field, 0)})'
        for field, column in event_type.quantities.items()
    }
    columns |= {name: name for name in ("event_source", "event_id", "identity")}
    columns |= {name: f"{name.removesuffix('_ms')}_us // 1000" for name in ("start_ms", "end_ms")}
    columns["event_time_us"] = f"nullif(event_time_us, {ZERO_TIME_US})"
    outer, inner = round_trip.ignored if round_trip else ((), ())
    unknown = {_unknown_column(number): name for number, name in enumerate(inner)}
    columns |= {name: f'"{name}"' for name in unknown}
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
        unknown="".join(f'"{name}" IS NOT NULL AS "{new}", ' for new, name in unknown.items()),
        zero_time_us=ZERO_TIME_US,
        end_of_time_us=END_OF_TIME_MS * 1_000,
        columns=",\n    ".join(f'{value} AS "{name}"' for name, value in columns.items()),
        max_line_bytes=MAX_LINE_BYTES,
    )
