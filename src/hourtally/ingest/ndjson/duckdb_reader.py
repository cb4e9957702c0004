"""Lines of a known layout to events, many at a time, by DuckDB.

It alone would be too lenient (a trailing comma, "12" for 12, the last of two keys, NaN), so a
line has been matched with its layout's pattern before, or is compared with its plain form here.
Lengths, instants and intervals are then checked on columns. A line that does not get through is
not refused: the strict judge decides about it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from hourtally.events.event_types import RESOURCE_KIND, EventKind
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
from hourtally.ingest.ndjson.line_shapes import INSTANT, TIME, Layout
from hourtally.ingest.ndjson.round_trip import PlainForm
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.schemas import EVENTS

_NEWEST: Final = pl.CompatLevel.newest()
# DEL and C1 are all that JSON leaves in a text that has no escapes.
_CONTROL: Final = r"[\x00-\x1f\x7f-\x{9f}]"
MANY_LINES: Final = 8_000


class FastReader:
    """Reads lines (`row`, `line`) of one layout after the other; of use to one thread.

    To plan a layout's query takes as long as to read 1,500 lines, so it is planned once. But what
    a prepared one finds DuckDB's client keeps, and reads again: many lines are read with a plan
    of their own.
    """

    def __init__(self) -> None:
        # Blocks of lines are read side by side, so one thread is enough for each.
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._lines = _Lines()
        self._connection.register("lines", self._lines)
        self._queries: dict[str, _Query] = {}

    def read_matching(self, lines: pl.DataFrame, layout: Layout, now_ms: int) -> pl.DataFrame:
        """The events of lines that match a layout's pattern.

        Returns:
            `schemas.EVENTS` after `row`; lines that pass the pattern and still break a rule (an
            id too long, a 30th of February, an end before its start) are left out of it.
        """
        read = self._read(lines, _query(layout.kind, None))
        return _events(read, layout.kind, _rules(layout.kind, now_ms))

    def read_plain(
        self,
        lines: pl.DataFrame,
        layout: Layout,
        form: PlainForm,
        now_ms: int,
        *,
        is_printable: bool,
    ) -> pl.DataFrame:
        """The events of those lines that are plain ones of a layout.

        Args:
            lines: any.
            layout: whose plain `form` it is.
            form: what the lines are compared with.
            now_ms: what time it is.
            is_printable: they are known to have no control character that JSON allows.

        Returns:
            `schemas.EVENTS` after `row`; none at all where a line is so far from JSON that
            DuckDB does not read it.
        """
        try:
            read = self._read(lines, _query(layout.kind, form))
        except (duckdb.InvalidInputException, UnicodeDecodeError):
            # Its message cites the line, and may end amid a character.
            return pl.DataFrame(schema={"row": pl.UInt32, **EVENTS})
        rules = [
            *_rules(layout.kind, now_ms),
            pl.col("start", "end").str.contains(f"^{INSTANT}$"),
            pl.col("event_time").is_null() | pl.col("event_time").str.contains(f"^{TIME}$"),
        ]
        if not is_printable:
            rules.append(~pl.col(list(layout.kind.ids.values())).str.contains(_CONTROL))
        return _events(read, layout.kind, rules)

    def _read(self, lines: pl.DataFrame, query: str) -> pl.DataFrame:
        known = self._queries.get(query)
        if known is None:
            name = f"layout_{len(self._queries)}"
            self._connection.execute(f"PREPARE {name} AS {query}")
            known = _Query(f"EXECUTE {name}", self._connection.sql(query))
            self._queries[query] = known
        self._lines.table = _as_table(lines)
        try:
            if len(lines) < MANY_LINES:
                found = self._connection.sql(known.prepared)
            else:
                found = known.planned_each_time
            return pl.DataFrame(found.to_arrow_table())
        finally:
            self._lines.table = _NO_LINES


@dataclass(frozen=True)
class _Query:
    """A query in two forms: a statement that executes it as prepared, and one yet to be planned."""

    prepared: str
    planned_each_time: duckdb.DuckDBPyRelation


def _as_table(lines: pl.DataFrame) -> pa.Table:
    return pa.table({name: lines[name].to_arrow(compat_level=_NEWEST) for name in lines.columns})


_NO_LINES: Final = _as_table(pl.DataFrame(schema={"row": pl.UInt32, "line": pl.String}))


class _Lines:
    """What is registered as `lines`: each execution asks anew for what there is."""

    table = _NO_LINES

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def _rules(kind: EventKind, now_ms: int) -> list[pl.Expr]:
    """What each event has to keep, on the columns that are read; null is a rule that is broken."""

    def has(columns: Iterable[str], least: int, most: int) -> pl.Expr:
        return pl.col(list(columns)).str.len_bytes().is_between(least, most)

    def may_have(columns: Iterable[str], most: int) -> pl.Expr:
        return has(columns, 0, most).fill_null(value=True)

    interval_ms = pl.col("end_ms") - pl.col("start_ms")
    rules = [
        pl.col("is_form"),
        has(("event_source", "event_id"), 1, MAX_ATTRIBUTE_BYTES),
        has(kind.ids.values(), 1, MAX_ID_BYTES),
        may_have(kind.names.values(), MAX_NAME_BYTES),
        may_have(kind.selectors.values(), MAX_SELECTOR_BYTES),
        pl.col("event_time").is_null() | pl.col("event_time_us").is_not_null(),
        interval_ms.is_between(1, MAX_INTERVAL_MS),
        pl.col("start_ms") <= now_ms + MAX_AHEAD_MS,
        pl.col(list(kind.quantities.values())).is_between(0, MAX_QUANTITY),
    ]
    if kind is RESOURCE_KIND:
        rules.append(pl.col("resource_type").is_in(RESOURCE_TYPES))
        rules.append((pl.col("gpu_milli") == 0) | (pl.col("gpu_model") != ""))
    return rules


def _events(read: pl.DataFrame, kind: EventKind, rules: list[pl.Expr]) -> pl.DataFrame:
    """The events of the rows that keep all the rules."""
    # What a kind lacks is not read: a constant takes no memory here.
    constants = {
        column: pl.lit(0 if dtype == pl.Int64 else None)
        for column, dtype in EVENTS.items()
        if column not in read.columns
    } | {"event_type": pl.lit(kind.type)}
    events = read.select(
        "row",
        *(constants.get(c, pl.col(c)).cast(t).alias(c) for c, t in EVENTS.items()),
    )
    # Mostly all do, which is found without a mask for each of them.
    numbered = [rule.all(ignore_nulls=False).name.prefix(f"{n} ") for n, rule in enumerate(rules)]
    if all(kept is True for kept in read.select(numbered).row(0)):
        return events
    return events.filter(read.select(pl.all_horizontal(rules).fill_null(value=False)).to_series())


@cache
def _query(kind: EventKind, form: PlainForm | None) -> str:
    """The SQL that reads one kind of event; `sql/read_lines.sql` with its fields filled in."""
    fields = {**kind.ids, **kind.names, **kind.selectors}
    if kind is RESOURCE_KIND:
        fields["resourceType"] = "resource_type"
    texts = [*fields, "start", "end"]
    columns = {column: f'"{field}"' for field, column in fields.items()}
    columns |= {
        column: f'coalesce("{field}", {kind.defaults.get(field, 0)})'
        for field, column in kind.quantities.items()
    }
    found = ("start_ms", "end_ms", "event_source", "event_id", "event_time_us", "identity")
    columns |= {name: name for name in found}
    outer, inner = form.ignored if form else ((), ())
    types = dict.fromkeys([*texts, *inner], "VARCHAR") | dict.fromkeys(kind.quantities, "BIGINT")
    structure = dict.fromkeys(["source", "id", "time", *outer], "VARCHAR") | {"data": types}
    template = files("hourtally.ingest.ndjson").joinpath("sql/read_lines.sql").read_text()
    return template.format(
        structure=json.dumps(structure),
        fields=", ".join(f'"{field}"' for field in [*texts, *kind.quantities]),
        plain="true" if form is None else f"NOT contains(line, '\\') AND line = {form.sql}",
        columns=",\n    ".join(f'{value} AS "{name}"' for name, value in columns.items()),
        max_line_bytes=MAX_LINE_BYTES,
    )
