"""The Parquet file of one batch's slices in one hour."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.schemas import SLICES, STORED_SLICES, conform
from hourtally.usage_keys import with_usage_keys

# Small enough to be read by several threads, large enough for dictionaries to pay.
_ROW_GROUP_ROWS: Final = 131_072
_SCHEMA: Final = pa.schema(
    [
        (
            name,
            pa.large_string()
            if dtype == pl.String
            else pa.uint64()
            if dtype == pl.UInt64
            else pa.int64(),
        )
        for name, dtype in STORED_SLICES.items()
    ]
)
# Values that hardly repeat; a dictionary of them would only be built to be given up.
_DISTINCT: Final = ("event_id", "identity")


class SlicesWriter:
    """Writes slices that are sorted, portion by portion; the same rows give the same bytes."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._writer = pq.ParquetWriter(
            path,
            _SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in STORED_SLICES if name not in _DISTINCT],
            write_page_checksum=True,
            store_schema=False,
        )

    def __enter__(self) -> SlicesWriter:
        """Nothing to prepare: the file is open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the footer."""
        self._writer.close()

    def write(self, slices: pa.Table) -> None:
        """Append slices of the hour, as `to_table` gives them, that sort after all before."""
        self._writer.write_table(slices, _ROW_GROUP_ROWS)
        self.rows += len(slices)


def to_table(slices: pl.DataFrame) -> pa.Table:
    """Slices (`schemas.SLICES`) as they are written: `schemas.STORED_SLICES`."""
    stored = conform(with_usage_keys(conform(slices, SLICES)), STORED_SLICES)
    return stored.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_SCHEMA)
