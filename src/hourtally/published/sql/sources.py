"""Where the views find their rows: DuckDB's readers over files of a home.

A source is SQL that stands behind FROM. Of no files it is a table without rows, as DuckDB's readers
refuse to read none.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from hourtally.published.sql.columns import exact

# Of a manifest and of a record what the views need; the rest is skipped.
MANIFEST_COLUMNS: Final = {
    "hour": "VARCHAR",
    "revision": "BIGINT",
    "folder": "VARCHAR",
    "currency": "VARCHAR",
    "published_at": "VARCHAR",
    "inputs": "JSON",
    "totals": "JSON",
    "rows": "JSON",
    "held": "JSON",
    "duplicates": "BIGINT",
    "conflicts": "JSON",
    "voids": "JSON",
}
RECORD_COLUMNS: Final = {
    "batch": "VARCHAR",
    "number": "BIGINT",
    "status": "VARCHAR",
    "file": "VARCHAR",
    "ingested_at": "VARCHAR",
    "withdrawn_at": "VARCHAR",
    "reason": "VARCHAR",
    "lines": "BIGINT",
    "accepted": "BIGINT",
    "duplicates": "BIGINT",
    "quarantined": "BIGINT",
    "hours": "JSON",
}
LINE_COLUMNS: Final = {
    "file": "VARCHAR",
    "line": "BIGINT",
    "rule": "VARCHAR",
    "message": "VARCHAR",
    "raw": "VARCHAR",
}
# A quarantined line has up to 16 MiB, and its escapes take more.
_LARGEST_OBJECT: Final = 64 << 20


def json_source(paths: str | None, columns: dict[str, str], form: str = "unstructured") -> str:
    """A source of JSON records.

    Args:
        paths: an SQL expression of their files; None for no files.
        columns: their names and types.
        form: `unstructured` for a record a file, `newline_delimited`.
    """
    if paths is None:
        return empty_source({**columns, "filename": "VARCHAR"})
    types = ", ".join(f"'{name}': '{of}'" for name, of in columns.items())
    return (
        f"read_json({paths}, columns = {{{types}}}, format = '{form}', filename = true, "
        f"maximum_object_size = {_LARGEST_OBJECT})"
    )


def empty_source(columns: dict[str, str]) -> str:
    """A source without rows."""
    nulls = ", ".join(f'CAST(NULL AS {of}) AS "{name}"' for name, of in columns.items())
    return f"(SELECT {nulls} WHERE false)"


def hours_view(manifests: str) -> str:
    """The view `hours`."""
    totals = {
        "total": "$.total",
        "paas_total": "$.paas.total",
        "byoc_total": "$.byoc.total",
    }
    cents = {
        name: exact(f"CAST(totals ->> '{path}' AS DECIMAL(38, 0))") for name, path in totals.items()
    }
    return _text("hours").format(manifests=manifests, **cents)


def batches_view(records: str) -> str:
    """The view `batches`."""
    return _text("batches").format(records=records)


def quarantined_view(lines: str, records: str) -> str:
    """The view `quarantined`."""
    return _text("quarantined").format(lines=lines, batches=batches_view(records))


def _text(name: str) -> str:
    return (files("hourtally.published.sql") / "views" / f"{name}.sql").read_text()
