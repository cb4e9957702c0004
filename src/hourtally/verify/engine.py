"""The DuckDB that verification asks."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from hourtally.runtime.sql_text import quoted_path
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home


@contextlib.contextmanager
def open_duckdb(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with bounded memory; it writes to the home only if it has to spill."""
    spill = home.spill(secrets.token_hex(8))
    connection = duckdb.connect(
        config={
            "threads": settings.threads,
            "memory_limit": f"{settings.memory_mib}MiB",
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
        }
    )
    try:
        yield connection
    finally:
        connection.close()
        durable.remove_folder(spill)


def sql(name: str) -> str:
    """The text of a query in `sql/`."""
    return files("hourtally.verify").joinpath(f"sql/{name}.sql").read_text()


def path_list(paths: Iterable[Path]) -> str:
    """Paths as an SQL list that matches these files only, with their wildcards escaped."""
    return "[" + ", ".join(map(quoted_path, paths)) + "]"


def plain_values(column: pa.Array) -> list[Any]:
    """The values of a column; decimals, which have no digits behind the point, as integers."""
    if not pa.types.is_decimal(column.type):
        values: list[Any] = column.to_pylist()
        return values
    try:
        # A fifth of the time.
        return plain_values(column.cast(pa.int64()))
    except pa.ArrowInvalid:
        return [None if value is None else int(value) for value in column.to_pylist()]
