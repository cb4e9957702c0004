"""A published revision against the derived hour."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, Final

import polars as pl

from hourtally.model.hours import format_instant
from hourtally.model.schemas import (
    CHARGES,
    CLUSTERS,
    CUSTOMERS,
    HELD,
    PROJECTS,
    TEAMS,
    TYPES,
    Schema,
)
from hourtally.store.durable import file_exists
from hourtally.store.manifests import Manifest
from hourtally.verify.build_versions import has_quantities, stored_schema
from hourtally.verify.checksums import DOCUMENTS, USAGE
from hourtally.verify.derive import BYOC_KEYS, PAAS_KEYS, PRICES, DerivedHour, add_figures
from hourtally.verify.documents import document, document_line, usage_document
from hourtally.verify.findings import Findings
from hourtally.verify.row_comparison import RowComparison, read_lines, read_table

# Each table with its schema and the number of key columns.
_TABLES: Final[dict[str, tuple[Schema, int]]] = {
    "charges": (CHARGES, 5),
    "clusters": (CLUSTERS, 2),
    "types": (TYPES, 4),
    "projects": (PROJECTS, 3),
    "teams": (TEAMS, 2),
    "customers": (CUSTOMERS, 1),
}
_CONFLICTS: Final[Schema] = {
    "event_source": pl.String,
    "event_id": pl.String,
    "contents": pl.UInt32,
    "event_type": pl.String,
    "customer_id": pl.String,
    "project_id": pl.String,
    "resource_id": pl.String,
    "event_time_us": pl.Int64,
}
_MAX_LISTED_CONFLICTS: Final = 1_000
_MAX_LISTED_GAPS: Final = 100


class RevisionComparison:
    """Compares the files of a revision with the rows expected in them.

    Damaged tables are not read: their checksum is already a difference.

    Attributes: rows (how many were expected, by table). currency: of the revision's rates.
    """

    def __init__(
        self, manifest: Manifest, intact: set[str], currency: str, findings: Findings
    ) -> None:
        self._currency = currency
        self.rows = dict.fromkeys(_TABLES, 0)
        self._findings = findings
        self._folder = manifest.folder
        self._intact = intact
        self._manifest = manifest
        self._schemas = {name: stored_schema(manifest, of) for name, (of, _) in _TABLES.items()}
        self._tables = {
            name: self._table(name, self._schemas[name], _TABLES[name][1]) for name in _TABLES
        }
        self._files = [self._documents(DOCUMENTS)]
        if has_quantities(manifest):
            self._files.append(self._documents(USAGE))
        self._intact_held = "held.parquet" in intact
        self._offsets = [0] * len(self._files)
        self._paas = (0,) * PRICES
        self._byoc = (0,) * PRICES

    def _table(self, name: str, schema: Schema, keys: int) -> RowComparison | None:
        path = self._folder / f"{name}.parquet"
        if path.name not in self._intact:
            return None
        rows = read_table(path, schema, keys, self._findings)
        return RowComparison(path, tuple(schema), keys, rows, self._findings)

    def _documents(self, name: str) -> RowComparison | None:
        path = self._folder / name
        if not file_exists(path):
            return None
        lines = read_lines(path, self._findings)
        return RowComparison(path, ("customer_id", "line"), 1, lines, self._findings)

    def expect_conflicts(self, rows: Iterable[tuple[Any, ...]], losers: int) -> dict[str, Any]:
        """Compare the hour's conflicts; what the manifest should record about them.

        losers: slices that do not count because of a conflict.
        """
        table = self._table("conflicts", _CONFLICTS, 2)
        listed = []
        count = 0
        for count, row in enumerate(rows, 1):
            if table is not None:
                table.expect(row)
            if count <= _MAX_LISTED_CONFLICTS:
                *values, time_us = row
                time = None if time_us is None else format_instant(time_us // 1_000)
                listed.append({**dict(zip(_CONFLICTS, values, strict=False)), "time": time})
        if table is not None:
            table.finish()
        if count:
            self.rows["conflicts"] = count
        return {"count": count, "slices_not_counted": losers, "listed": listed}

    def expect(self, derived: DerivedHour) -> None:
        """Compare the rows and documents of the next customer."""
        places: list[Any] = []
        documents = [document(derived), usage_document(derived, self._currency)]
        for number, lines in enumerate(self._files):
            places += self._expect_document(number, lines, derived.customer_id, documents[number])
        if len(self._files) < len(documents):
            places += [None, None, None]
        for name, rows in derived.tables.items():
            self.rows[name] += len(rows)
            if table := self._tables[name]:
                for row in rows:
                    every = (*row, *places, False) if name == "customers" else row
                    table.expect(self._stored(name, every))
        self._paas = add_figures([self._paas, derived.paas[:PRICES]])
        self._byoc = add_figures([self._byoc, derived.byoc[:PRICES]])
        self._findings.documents += 1
        self._findings.charges += len(derived.tables["charges"]) + len(derived.tables["clusters"])

    def _expect_document(
        self, number: int, lines: RowComparison | None, customer_id: str, content: bytes
    ) -> tuple[int, int, str]:
        """Compare a document with its line; where it should lie, and its SHA-256."""
        line = document_line(customer_id, content)
        if lines is not None:
            lines.expect((customer_id, line))
        # The document ends before the closing brace and the newline of its line.
        offset = self._offsets[number] + len(line) - len(content) - 2
        self._offsets[number] += len(line)
        return offset, len(content), hashlib.sha256(content).hexdigest()

    def _stored(self, name: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """What of a row of today's schema the revision's build version stored."""
        full, stored = _TABLES[name][0], self._schemas[name]
        if len(full) == len(stored):
            return row
        return tuple(value for column, value in zip(full, row, strict=True) if column in stored)

    def expect_held(self, customer_id: str) -> None:
        """Compare the row of the next customer, who is held: it has no figures and no document."""
        self.rows["customers"] += 1
        if "held" not in self._schemas["customers"]:
            self._findings.add(self._folder, f"usage of {customer_id} without a rate")
        elif table := self._tables["customers"]:
            row = (customer_id, *[None] * (len(CUSTOMERS) - 2), True)
            table.expect(self._stored("customers", row))

    def expect_gaps(
        self, rows: Sequence[tuple[Any, ...]], customer_ids: list[str]
    ) -> dict[str, Any]:
        """Compare `held.parquet`; what the manifest should record about the held customers."""
        listed: list[dict[str, Any]] = []
        if rows:
            self.rows["held"] = len(rows)
            path = self._folder / "held.parquet"
            stored = list(read_table(path, HELD, 0, self._findings)) if self._intact_held else []
            for expected, row in zip_longest(rows, stored):
                *got, batch = row or (None,)
                self._findings.compare(path, "row", expected, tuple(got) if row else None)
                if batch not in self._manifest.inputs["batches"]:
                    self._findings.add(path, f"{batch!r} is not an input of the hour")
            listed = [_listed(row) for row in stored[:_MAX_LISTED_GAPS]]
        return {"customers": len(customer_ids), "customer_ids": customer_ids, "listed": listed}

    def finish(self) -> None:
        """Report what follows the last customer."""
        for comparison in (*self._files, *self._tables.values()):
            if comparison is not None:
                comparison.finish()

    def totals(self) -> dict[str, Any]:
        """The sums over all customers, as the manifest should record them."""
        return {
            "total": self._paas[0] + self._byoc[0],
            "paas": dict(zip(PAAS_KEYS, self._paas, strict=True)),
            "byoc": dict(zip(BYOC_KEYS, self._byoc, strict=True)),
        }


def _listed(row: tuple[Any, ...]) -> dict[str, Any]:
    """A row of `held.parquet` as a manifest lists it."""
    values = dict(zip(HELD, row, strict=True))
    span = {end: format_instant(values.pop(f"{end}_ms")) for end in ("from", "until")}
    return values | span
