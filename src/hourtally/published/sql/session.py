"""One query over the current revisions of a home, in a DuckDB of its own.

The views read exactly the files of current revisions, which the manifests name. The files are not
checked against their digests, which would mean to read them whole; `verify` does that.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from hourtally.errors import Damaged, InvalidArgument, StorageFault
from hourtally.published.checked_files import REPAIR
from hourtally.published.reader import published_hours, read_current
from hourtally.published.sql.columns import TABLES, Column
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
from hourtally.store import durable
from hourtally.store.batches import Batches
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest, fetch_current

VIEWS: Final = (*TABLES, "hours", "batches", "quarantined")
"""The names of the views."""


@dataclass(frozen=True)
class Rows:
    """What a query found. columns: name and DuckDB type. rows: in order, as Python values."""

    columns: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]


def run_query(home: Home, query: str, threads: int) -> Rows:
    """What a query finds; of several statements the last one.

    Raises:
        InvalidArgument: DuckDB does not take the query.
        StorageFault: it could not carry it out.
        Damaged: a manifest differs from what was written, or a table that it names is missing.
    """
    with session(home, threads, _named_in(home, query)) as connection:
        try:
            found = connection.execute(query)
            columns = [(str(one[0]), str(one[1])) for one in found.description or []]
            return Rows(columns, found.fetchall() if columns else [])
        except (
            duckdb.ParserException,
            duckdb.BinderException,
            duckdb.CatalogException,
            duckdb.SyntaxException,
            duckdb.NotImplementedException,
        ) as error:
            message = f"{error}\nViews: {', '.join(VIEWS)}. DESCRIBE charges shows the columns."
            raise InvalidArgument(message) from None
        except duckdb.Error as error:
            message = f"the query failed: {error}"
            raise StorageFault(message) from None


def _named_in(home: Home, query: str) -> Collection[str]:
    """The views that a query may ask for: of a bucket, only files of what it names are read."""
    if durable.has_folders(home.root):
        return VIEWS
    words = set(re.findall(r"\w+", query.lower()))
    return [view for view in VIEWS if view in words]


@contextlib.contextmanager
def session(
    home: Home, threads: int, views: Collection[str] = VIEWS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with views over the current revisions of a home.

    Raises:
        Damaged: a table that a manifest names is missing.
        StorageFault: DuckDB could not read one.
    """
    with (
        durable.one_listing(home.root),
        tempfile.TemporaryDirectory(prefix="hourtally-sql-") as spill,
        duckdb.connect(config={"threads": threads, "temp_directory": spill}) as connection,
        _unreadable_tables(home, manifests := current_manifests(home)),
    ):
        for name, columns in TABLES.items():
            if name in views:
                _define_table(connection, name, columns, manifests)
        if "hours" in views:
            current = _variable(connection, "manifests", [one.path for one in manifests])
            define(connection, "hours", hours_view(json_source(current, MANIFEST_COLUMNS)))
        if not {"batches", "quarantined"}.isdisjoint(views):
            _define_batches(connection, home)
        yield connection


@contextlib.contextmanager
def _unreadable_tables(home: Home, manifests: Sequence[Manifest]) -> Iterator[None]:
    """Turn what DuckDB says of tables that it cannot read into our errors."""
    try:
        yield
    except duckdb.Error as error:
        for manifest in manifests:
            for name in manifest.record["files"]:
                if not durable.file_exists(path := manifest.folder / name):
                    reason = f"it is missing, although the hour's manifest names it, {REPAIR}"
                    raise Damaged(path, reason) from None
        message = f"{home.root}: its tables cannot be read: {error}"
        raise StorageFault(message) from None


def _define_batches(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """The views over ingest records and quarantined lines."""
    names = Batches(home).names()
    paths = _variable(connection, "records", [home.batch_record(name) for name in names])
    records = json_source(paths, RECORD_COLUMNS)
    define(connection, "batches", batches_view(records))
    kept = [path for name in names if durable.file_exists(path := home.quarantine(name))]
    source = json_source(_variable(connection, "lines", kept), LINE_COLUMNS, "newline_delimited")
    define(connection, "quarantined", quarantined_view(source, records))


def current_manifests(home: Home) -> list[Manifest]:
    """The manifest of each published hour, in order."""
    hours = published_hours(home)
    fetch_current(home, hours)
    found = (read_current(partial(current_manifest, home, hour)) for hour in hours)
    return [manifest for manifest in found if manifest is not None]


def define(connection: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    """Create a view."""
    connection.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")


def _define_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[Column],
    manifests: Sequence[Manifest],
) -> None:
    """The view over a table of revisions: those of one build version have the same columns."""
    groups: defaultdict[tuple[int, str], list[Path]] = defaultdict(list)
    for manifest in manifests:
        if f"{name}.parquet" in manifest.record["files"]:
            key = (int(manifest.inputs["build"]), str(manifest.record["currency"]))
            groups[key].append(manifest.folder / f"{name}.parquet")
    selects = []
    for (build, currency), paths in sorted(groups.items()):
        files = _variable(connection, f"{name}_{build}_{currency}", paths)
        source = f"read_parquet({files}, filename = true, hive_partitioning = false)"
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        there = {str(row[0]) for row in described} | {"currency"}
        items = ", ".join(column.selected(there) for column in columns)
        selects.append(
            f"SELECT {items} FROM (SELECT *, {literal(currency)} AS currency FROM {source})"
        )
    if not selects:
        items = ", ".join(column.selected(()) for column in columns)
        selects = [f"SELECT {items} WHERE false"]
    define(connection, name, " UNION ALL ".join(selects))


def _variable(
    connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]
) -> str | None:
    """A variable with a list of files, as a view can name it; None for an empty list.

    Literals of a year's files would be 700 KB of SQL a view, parsed at each use.
    """
    if not paths:
        return None
    durable.fetch_files(paths)
    connection.execute(f'SET VARIABLE "{name}" = $1', [list(map(pattern_of, paths))])
    return f"getvariable({literal(name)})"
