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
from hourtally.store.manifests import Manifest
from hourtally.verify.checksums import DOCUMENTS, customers_schema
from hourtally.verify.derive import (
    BYOC_KEYS,
    PAAS_KEYS,
    DerivedHour,
    add_prices,
    document_line,
)
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

    Attributes: rows (how many were expected, by table).
    """

    def __init__(self, manifest: Manifest, intact: set[str], findings: Findings) -> None:
        self.rows = dict.fromkeys(_TABLES, 0)
        self._findings = findings
        self._folder = manifest.folder
        self._intact = intact
        self._manifest = manifest
        self._has_held = "held" in customers_schema(manifest)
        tables = _TABLES | {"customers": (customers_schema(manifest), 1)}
        self._tables = {name: self._table(name, *table) for name, table in tables.items()}
        self._lines = self._documents()
        self._intact_held = "held.parquet" in intact
        self._offset = 0
        self._paas = (0,) * len(PAAS_KEYS)
        self._byoc = (0,) * len(BYOC_KEYS)

    def _table(self, name: str, schema: Schema, keys: int) -> RowComparison | None:
        path = self._folder / f"{name}.parquet"
        if path.name not in self._intact:
            return None
        rows = read_table(path, schema, keys, self._findings)
        return RowComparison(path, tuple(schema), keys, rows, self._findings)

    def _documents(self) -> RowComparison | None:
        path = self._folder / DOCUMENTS
        if not path.is_file():
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
        """Compare the rows and document of the next customer."""
        line = document_line(derived.customer_id, derived.document)
        if self._lines is not None:
            self._lines.expect((derived.customer_id, line))
        # The document ends before the closing brace and the newline of its line.
        offset = self._offset + len(line) - len(derived.document) - 2
        sha256 = hashlib.sha256(derived.document).hexdigest()
        held = (False,) if self._has_held else ()
        location = (offset, len(derived.document), sha256, *held)
        self._offset += len(line)
        for name, rows in derived.tables.items():
            self.rows[name] += len(rows)
            if table := self._tables[name]:
                for row in rows:
                    table.expect((*row, *location) if name == "customers" else row)
        self._paas = add_prices([self._paas, derived.paas])
        self._byoc = add_prices([self._byoc, derived.byoc])
        self._findings.documents += 1
        self._findings.charges += len(derived.tables["charges"]) + len(derived.tables["clusters"])

    def expect_held(self, customer_id: str) -> None:
        """Compare the row of the next customer, who is held: it has no figures and no document."""
        self.rows["customers"] += 1
        if not self._has_held:
            self._findings.add(self._folder, f"usage of {customer_id} without a rate")
        elif table := self._tables["customers"]:
            table.expect((customer_id, *[None] * (len(CUSTOMERS) - 2), True))

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
        for comparison in (self._lines, *self._tables.values()):
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
