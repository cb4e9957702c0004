"""What an event file says, and how far what is stored of it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from hourtally.events.event_types import Event, identity_hash
from hourtally.model.hours import Hour
from hourtally.model.schemas import EVENTS, SLICES, STORED_VOIDS, Schema
from hourtally.verify.engine import path_list, sql
from hourtally.verify.findings import MAX_LISTED
from hourtally.verify.from_files.judged import Judged

_FACTS_AT_ONCE: Final = 20_000
# Slices that are compared at a time.
_ROWS_PER_PART: Final = 1_000_000
_LINE: Final[Schema] = {"line": pl.Int64}
_HOUR: Final[Schema] = {"hour_start_ms": pl.Int64}


@dataclass(frozen=True)
class Kind:
    """Slices or voids: their view in DuckDB, their columns, and those that name one."""

    noun: str
    expected: str
    columns: Schema
    identity: tuple[str, str]


SLICE: Final = Kind("slice of event", "expected_slices", SLICES, ("event_source", "event_id"))
VOID: Final = Kind("void", "expected_voids", STORED_VOIDS, ("source", "id"))

Row = dict[str, Any]


@dataclass(frozen=True)
class Differing:
    """One slice or void of an hour that differs.

    file, stored: the rows of the event file and the stored ones, by column. line: of the file; None
    where it has none.
    """

    hour: Hour
    names: tuple[str, str]
    line: int | None
    file: list[Row]
    stored: list[Row]


@dataclass
class FileFacts:
    """The facts of one event file in DuckDB.

    lines: how many are not blank. rules: how many break each rule.
    """

    connection: duckdb.DuckDBPyConnection
    lines: int = 0
    rules: Counter[str] = field(default_factory=Counter)

    def read(self, judged: Iterable[Judged]) -> None:
        """Take all lines of the file."""
        self._create("judged_events", EVENTS | _LINE)
        self._create("judged_voids", STORED_VOIDS | _LINE)
        events: list[tuple[Any, ...]] = []
        voids: list[tuple[Any, ...]] = []
        for number, fact in judged:
            self.lines += 1
            if isinstance(fact, str):
                self.rules[fact] += 1
            elif isinstance(fact, Event):
                events.append((*fact, number))
            else:
                voids.append((*fact, identity_hash(fact.voided_source, fact.voided_id), number))
            if len(events) + len(voids) == _FACTS_AT_ONCE:
                self._insert(events, voids)
                events, voids = [], []
        self._insert(events, voids)
        for name in ("distinct_events", "distinct_voids", "expected_slices", "expected_voids"):
            self.connection.execute(sql(name))

    def counts(self) -> dict[str, Any]:
        """The counts of the file's ingest record."""
        accepted = self._number("SELECT count(*) FROM distinct_events")
        accepted += self._number("SELECT count(*) FROM distinct_voids")
        quarantined = self.rules.total()
        return {
            "lines": self.lines,
            "accepted": accepted,
            "duplicates": self.lines - quarantined - accepted,
            "quarantined": quarantined,
            "rules": dict(sorted(self.rules.items())),
        }

    def differences(self, kind: Kind, stored: Sequence[Path]) -> tuple[int, list[Differing]]:
        """How many slices or voids of an hour differ from the stored ones, and the first of them.

        stored: the files of slices, or of voids, that the event file's record lists.
        """
        self._create("file_differences", {**kind.columns, **_HOUR, **_LINE, "copies": pl.Int64})
        facts = "no_facts"
        self._create(facts, kind.columns | _HOUR)
        if stored:
            self.connection.execute(sql("stored_facts").format(paths=path_list(stored)))
            facts = "stored_facts"
        names = {"columns": ", ".join(kind.columns), "identity": ", ".join(kind.identity)}
        query = sql("file_differences")
        parts = 1 + self._number(f"SELECT count(*) FROM {kind.expected}") // _ROWS_PER_PART
        for part in range(parts):
            sides = {"expected": kind.expected, "stored": facts}
            self.connection.execute(query.format(**names, **sides, parts=parts, part=part))
        cursor = self.connection.execute(sql("first_differences").format(**names, most=MAX_LISTED))
        columns = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        listed = [_differing(kind, list(group)) for _, group in groupby(rows, itemgetter("place"))]
        return (rows[0]["places"] if rows else 0), listed

    def _create(self, table: str, schema: Schema) -> None:
        self.connection.register("empty", pl.DataFrame(schema=schema).to_arrow())
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM empty")

    def _insert(self, events: list[tuple[Any, ...]], voids: list[tuple[Any, ...]]) -> None:
        of_tables = (("judged_events", EVENTS, events), ("judged_voids", STORED_VOIDS, voids))
        for table, schema, rows in of_tables:
            if rows:
                frame = pl.DataFrame(rows, schema=schema | _LINE, orient="row")
                self.connection.register("facts", frame.to_arrow())
                self.connection.execute(f"INSERT INTO {table} FROM facts")

    def _number(self, query: str) -> int:
        [[number]] = self.connection.execute(query).fetchall()
        return int(number)


def _differing(kind: Kind, rows: list[Row]) -> Differing:
    first = rows[0]
    sides: tuple[list[Row], list[Row]] = ([], [])
    for row in rows:
        sides[row["copies"] < 0].append({name: row[name] for name in kind.columns})
    names = (first[kind.identity[0]], first[kind.identity[1]])
    return Differing(Hour(first["hour_start_ms"] // 1_000), names, first["line"], *sides)
