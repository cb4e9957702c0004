"""What a revision holds of an hour, beside what is derived of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import polars as pl

from hourtally.model.hours import format_instant
from hourtally.model.schemas import CHARGES, CLUSTERS, CUSTOMERS, PROJECTS, TEAMS, TYPES, Schema
from hourtally.store.manifests import Manifest
from hourtally.verify.checksums import DOCUMENTS
from hourtally.verify.derive import (
    BYOC_KEYS,
    PAAS_KEYS,
    Derived,
    add_prices,
    document_line,
)
from hourtally.verify.findings import Findings
from hourtally.verify.row_comparison import Stored, read_lines, read_table

# Each table with its schema and how many of its columns are the key.
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
_MOST_LISTED: Final = 1_000


class StoredHour:
    """The files of a revision, each held to the rows that are expected of it.

    A table whose bytes are not those that were published is not read: it has been named.

    Attributes: rows (how many were expected, by table).
    """

    def __init__(self, manifest: Manifest, whole: set[str], findings: Findings) -> None:
        self.rows = dict.fromkeys(_TABLES, 0)
        self._findings = findings
        self._folder = manifest.folder
        self._whole = whole
        self._tables = {name: self._table(name, *table) for name, table in _TABLES.items()}
        self._lines = self._documents()
        self._offset = 0
        self._paas = (0,) * len(PAAS_KEYS)
        self._byoc = (0,) * len(BYOC_KEYS)

    def _table(self, name: str, schema: Schema, keys: int) -> Stored | None:
        path = self._folder / f"{name}.parquet"
        if path.name not in self._whole:
            return None
        rows = read_table(path, schema, keys, self._findings)
        return Stored(path, tuple(schema), keys, rows, self._findings)

    def _documents(self) -> Stored | None:
        path = self._folder / DOCUMENTS
        if not path.is_file():
            return None
        lines = read_lines(path, self._findings)
        return Stored(path, ("customer_id", "line"), 1, lines, self._findings)

    def expect_conflicts(self, rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
        """The hour's conflicts are these; what the manifest is to say of them."""
        table = self._table("conflicts", _CONFLICTS, 2)
        listed = []
        count = 0
        for count, row in enumerate(rows, 1):
            if table is not None:
                table.expect(row)
            if count <= _MOST_LISTED:
                *told, time_us = row
                time = None if time_us is None else format_instant(time_us // 1_000)
                listed.append({**dict(zip(_CONFLICTS, told, strict=False)), "time": time})
        if table is not None:
            table.finish()
        if count:
            self.rows["conflicts"] = count
        return {"count": count, "listed": listed}

    def expect(self, derived: Derived) -> None:
        """The next customer's rows and document are these."""
        line = document_line(derived.customer_id, derived.document)
        if self._lines is not None:
            self._lines.expect((derived.customer_id, line))
        # The document lies before the bracket and the newline that end its line.
        offset = self._offset + len(line) - len(derived.document) - 2
        sha256 = hashlib.sha256(derived.document).hexdigest()
        place = (offset, len(derived.document), sha256)
        self._offset += len(line)
        for name, rows in derived.tables.items():
            self.rows[name] += len(rows)
            if table := self._tables[name]:
                for row in rows:
                    table.expect((*row, *place) if name == "customers" else row)
        self._paas = add_prices([self._paas, derived.paas])
        self._byoc = add_prices([self._byoc, derived.byoc])
        self._findings.documents += 1
        self._findings.charges += len(derived.tables["charges"]) + len(derived.tables["clusters"])

    def finish(self) -> None:
        """There are no more customers."""
        for stored in (self._lines, *self._tables.values()):
            if stored is not None:
                stored.finish()

    def totals(self) -> dict[str, Any]:
        """What the manifest is to say of the sums over all customers."""
        return {
            "total": self._paas[0] + self._byoc[0],
            "paas": dict(zip(PAAS_KEYS, self._paas, strict=True)),
            "byoc": dict(zip(BYOC_KEYS, self._byoc, strict=True)),
        }
