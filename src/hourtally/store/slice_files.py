"""Read slices files: as frames of Polars and as a relation of DuckDB.

Rows are numbered through all files that are read together, so one number names one slice in
either engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import accumulate
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq

from hourtally.model.schemas import STORED_SLICES
from hourtally.runtime.sql_text import quoted_path


def scan_slices(paths: Sequence[Path], first_row: int = 0) -> pl.LazyFrame:
    """`schemas.STORED_SLICES` of these files, each row with `slice_row` and its file's `path`.

    Columns that a file lacks, as batches of build version 1 do, are null.

    Args:
        paths: the files; their rows are numbered in this order.
        first_row: the number of the first row.
    """
    if not paths:
        schema = {"slice_row": pl.get_index_type(), **STORED_SLICES, "path": pl.String}
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(
        list(paths),
        schema=STORED_SLICES,
        missing_columns="insert",
        glob=False,
        hive_partitioning=False,
        include_file_paths="path",
        row_index_name="slice_row",
        row_index_offset=first_row,
    )


def count_rows(paths: Sequence[Path]) -> int:
    """How many slices these files have together."""
    return sum(map(_rows_of, paths))


def _rows_of(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def slices_relation(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]
) -> duckdb.DuckDBPyRelation:
    """The rows of `scan_slices(paths)` in DuckDB, numbered alike.

    Do not select columns that some of the files lack.
    """
    if not paths:
        return connection.from_arrow(scan_slices(()).collect().to_arrow())
    query = files("hourtally.store").joinpath("sql/slices.sql").read_text()
    quoted = ", ".join(quoted_path(path) for path in paths)
    first_rows = list(accumulate(map(_rows_of, paths[:-1]), initial=0))
    return connection.sql(query.format(files=f"[{quoted}]", first_rows=first_rows))
