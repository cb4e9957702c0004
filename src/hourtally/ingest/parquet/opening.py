"""How Parquet files are opened, and the engines that look into them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.runtime.idle_pool import IdlePool

UNREADABLE: Final = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises for a file that it cannot read."""


def _connect() -> duckdb.DuckDBPyConnection:
    # One thread, so that rows keep their order.
    connection = duckdb.connect(config={"threads": 1})
    # Kept for other files, it would keep parts of this one.
    connection.execute("SET enable_external_file_cache = false")
    return connection


# Making one takes 10 ms, as long as reading 1,500 rows does.
CONNECTIONS: Final = IdlePool(_connect)


def open_parquet(
    path: Path,
    metadata: pq.FileMetaData | None = None,
    read_dictionary: Sequence[str] | None = None,
) -> pq.ParquetFile:
    """A Parquet file, to be read with its checksums checked."""
    return pq.ParquetFile(
        path,
        metadata=metadata,
        read_dictionary=read_dictionary,
        page_checksum_verification=True,
        pre_buffer=False,
        # INT96 reaches further than nanoseconds do.
        coerce_int96_timestamp_unit="us",
    )
