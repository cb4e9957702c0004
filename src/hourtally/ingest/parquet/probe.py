"""Looks into single columns of a Parquet file before its rows are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hourtally.runtime.sql_text import literal, quoted_path

# Few, as a text may be long and in every row.
_ROWS: Final = 256


@dataclass(frozen=True)
class ColumnProbe:
    """Questions about columns: answered by DuckDB, which does not expand dictionaries.

    DuckDB ignores the case of names and reads fewer files, so pyarrow answers where it cannot.
    """

    connection: duckdb.DuckDBPyConnection
    path: Path
    file: pq.ParquetFile

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns. A file makes it anew each time that it is asked."""
        return self.file.schema_arrow

    def has_values(self, name: str) -> bool:
        """Whether some row has a value in a column; null and NaN are none."""
        dtype = self.schema.field(name).type
        if pa.types.is_null(dtype):
            return False
        is_value = f"{_name(name)} IS NOT NULL"
        if pa.types.is_floating(dtype):
            is_value += f" AND NOT isnan({_name(name)})"
        found = self._query(f"SELECT 1 FROM {{file}} WHERE {is_value} LIMIT 1")
        if found is not None:
            return bool(found)
        batches = self.file.iter_batches(_ROWS, columns=[name])
        return any(count_values(batch.column(0)) for batch in batches)

    def texts_among(self, name: str, texts: Collection[str]) -> set[str]:
        """Which of these texts a column of texts has."""
        listed = ", ".join(map(literal, texts))
        column = _name(name)
        found = self._query(f"SELECT DISTINCT {column} FROM {{file}} WHERE {column} IN ({listed})")
        if found is not None:
            return {row[0] for row in found}
        seen: set[str] = set()
        for batch in self.file.iter_batches(_ROWS, columns=[name]):
            seen.update(text for text in batch.column(0).unique().to_pylist() if text in texts)
        return seen

    def count_rows_with(self, names: Iterable[str]) -> dict[str, int]:
        """How many rows have a value in each column, by the file's statistics.

        All rows where it has none.
        """
        names = list(names)
        if not names:
            return {}
        rows = self.file.metadata.num_rows
        found = self._query(
            "SELECT path_in_schema, sum(num_values - stats_null_count) "
            "FROM {metadata} GROUP BY path_in_schema HAVING bool_and(stats_null_count IS NOT NULL)"
        )
        counts = {str(name): int(count) for name, count in found or ()}
        schema = self.schema
        return {
            name: 0 if pa.types.is_null(schema.field(name).type) else counts.get(name, rows)
            for name in names
        }

    def _query(self, query: str) -> list[tuple[Any, ...]] | None:
        """The rows of a query; None if DuckDB cannot tell."""
        names = self.schema.names
        if len({name.lower() for name in names}) < len(names):
            return None
        path = quoted_path(self.path)
        filled = query.replace("{file}", f"read_parquet({path})").replace(
            "{metadata}", f"parquet_metadata({path})"
        )
        try:
            return self.connection.sql(filled).fetchall()
        except (duckdb.Error, UnicodeDecodeError):
            return None


def count_values(column: pa.Array) -> int:
    """How many values a column has; null and NaN are none."""
    return int(pc.sum(has_value(column)).as_py() or 0)


def has_value(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Which rows have a value; null and NaN are none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    is_float = pa.types.is_floating(column.type)
    return pc.is_valid(column) if not is_float else pc.invert(pc.is_null(column, nan_is_null=True))


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
