"""A DuckDB database for other tools, whose views follow later restatements of the home.

A view cannot be told which revisions are current, so it looks at every use: it finds the manifests
and tables by patterns, and keeps those of the highest revision of each hour. A pattern that matches
nothing is an error to DuckDB, and most homes have no `held.parquet`. So tables without rows lie in
`exports/empty/` of the home, and every pattern matches them too. They have all columns as well,
which those of older builds lack.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.errors import InvalidArgument
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
from hourtally.published.sql.columns import TABLES, Column
from hourtally.published.sql.session import VIEWS, define, session
from hourtally.published.sql.sources import (
    LINE_COLUMNS,
    MANIFEST_COLUMNS,
    RECORD_COLUMNS,
    batches_view,
    hours_view,
    json_source,
    quarantined_view,
)
from hourtally.runtime.sql_text import literal, pattern_of
from hourtally.settings import usable_cores
from hourtally.stages.deduplication import CONFLICTS
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.symlinks import reject_symlinks

# Each matches a folder of the home and `exports`, but no other folder of it.
_HOURS: Final = "[he][ox][up]*s"
_BATCHES: Final = "[be][ax][tp]*s"
_QUARANTINE: Final = "[qe][ux][ap]*[es]"
_MANIFEST: Final = "[0-9]" * 6 + "*.json"

_SCHEMAS: Final[dict[str, Schema]] = {
    "charges": CHARGES,
    "clusters": CLUSTERS,
    "types": TYPES,
    "projects": PROJECTS,
    "teams": TEAMS,
    "customers": CUSTOMERS,
    "held": HELD,
    "conflicts": CONFLICTS,
}


def write_database(home: Home, path: Path) -> None:
    """Write the database; one that is there is replaced.

    Of a bucket it has tables: views could not read there.

    Raises:
        InvalidArgument: something that is no DuckDB database is there.
        StorageFault: the system refused a write.
    """
    if path.exists() and not _is_database(path):
        message = f"--out {path}: this file is not a DuckDB database; it is not replaced"
        raise InvalidArgument(message)
    is_local = durable.has_folders(home.root)
    home = Home(home.root.resolve())
    with durable.storage_faults(path, "writing", "another file"):
        if is_local:
            _write_empty(home)
        durable.make_folder(path.absolute().parent)
        # Made elsewhere: DuckDB takes what follows a `?` in a path for options.
        with tempfile.TemporaryDirectory(prefix="hourtally-sql-") as folder:
            made = Path(folder) / "made.duckdb"
            if is_local:
                with duckdb.connect(str(made)) as connection:
                    _define_views(connection, home)
            else:
                _copy_views(home, made)
            durable.replace_file(path, made.read_bytes())


def _copy_views(home: Home, made: Path) -> None:
    with session(home, usable_cores()) as connection:
        connection.execute(f"ATTACH {literal(str(made))} AS made")
        for view in VIEWS:
            connection.execute(f"CREATE TABLE made.{view} AS SELECT * FROM {view}")
        connection.execute("DETACH made")


def _is_database(path: Path) -> bool:
    """Whether a file begins as DuckDB's do: a checksum of 8 bytes, then its magic bytes."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def _write_empty(home: Home) -> None:
    """Write what every pattern matches, where it is not there as it should be."""
    folder = home.exports / "empty"
    reject_symlinks(home, folder)
    contents = {
        folder / "000000.json": b"{}\n",
        home.exports / "none.json": b"{}\n",
        home.exports / "none.ndjson": b"",
    }
    for name, schema in _SCHEMAS.items():
        content = pa.BufferOutputStream()
        pq.write_table(pa.table(pl.DataFrame(schema=schema)), content, store_schema=False)
        contents[folder / "0" / f"{name}.parquet"] = content.getvalue().to_pybytes()
    for path, content in contents.items():
        if not path.exists() or path.read_bytes() != content:
            durable.make_folder(path.parent)
            durable.replace_file(path, content)


def _define_views(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    manifests = json_source(_pattern(home, f"{_HOURS}/*/{_MANIFEST}"), MANIFEST_COLUMNS)
    define(connection, "current_revisions", _current_revisions(home))
    for name, columns in TABLES.items():
        define(connection, name, _table_view(home, name, columns))
    define(connection, "hours", hours_view(manifests))
    records = json_source(_pattern(home, f"{_BATCHES}/*.json"), RECORD_COLUMNS)
    define(connection, "batches", batches_view(records))
    lines = json_source(
        _pattern(home, f"{_QUARANTINE}/*.ndjson"), LINE_COLUMNS, "newline_delimited"
    )
    define(connection, "quarantined", quarantined_view(lines, records))


def _current_revisions(home: Home) -> str:
    """The folder of each hour's current revision, and its currency.

    From the text of the manifests: a year's take 0.4 s, and 1.7 s as JSON. A line that begins with
    one blank is of the record itself.
    """
    pattern = _pattern(home, f"{_HOURS}/*/{_MANIFEST}")
    return rf"""
        WITH manifests AS (
            SELECT
                regexp_extract(filename, '^(.*)/\d+\.json$', 1) AS hour_folder,
                try_cast(regexp_extract(filename, '/(\d+)\.json$', 1) AS BIGINT) AS revision,
                regexp_extract(content, '\n "folder": "([^"]+)"', 1) AS folder,
                regexp_extract(content, '\n "currency": "([^"]+)"', 1) AS currency
            FROM read_text({pattern})
        )
        SELECT
            hour_folder || '/' || max_by(folder, revision) AS folder,
            max_by(currency, revision) AS currency
        FROM manifests
        WHERE revision IS NOT NULL AND folder <> ''
        GROUP BY hour_folder
    """


def _table_view(home: Home, name: str, columns: tuple[Column, ...]) -> str:
    pattern = _pattern(home, f"{_HOURS}/*/*/{name}.parquet")
    there = {*_SCHEMAS[name], "filename", "currency"}
    items = ", ".join(column.selected(there) for column in columns)
    return (
        f"SELECT {items} FROM read_parquet({pattern}, filename = true, union_by_name = true, "
        "hive_partitioning = false) AS files "
        "JOIN current_revisions ON files.filename = "
        f"current_revisions.folder || {literal(f'/{name}.parquet')}"
    )


def _pattern(home: Home, pattern: str) -> str:
    """A pattern of files of the home, as an SQL literal."""
    return literal(f"{pattern_of(home.root)}/{pattern}")
