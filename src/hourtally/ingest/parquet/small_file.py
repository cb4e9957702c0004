"""A small Parquet file, read whole, so that its columns are looked into without a query.

For a file of 200 rows an engine and four queries took ten times as long as reading it. Whatever is
unusual about a file is left to the other way of reading, which alone decides what is rejected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from hourtally.errors import FileRejected
from hourtally.ingest.parquet.columns import (
    INSTANTS,
    QUANTITIES,
    TEXTS,
    is_text,
    is_uuid,
    value_type,
)
from hourtally.ingest.parquet.layout import FileLayout, find_layout
from hourtally.ingest.parquet.opening import UNREADABLE, open_parquet
from hourtally.ingest.parquet.probe import ColumnProbe, count_values

_MOST_ROWS: Final = 4_096
# If each row had the longest text of its column: of a dictionary's texts, any row may have any.
_MOST_BYTES: Final = 4 << 20


def read_small(probe: ColumnProbe) -> tuple[pa.Table, FileLayout] | None:
    """The rows of a small file, columns that count only; None if it has to be read otherwise."""
    names, metadata = probe.schema.names, probe.file.metadata
    if not 0 < metadata.num_rows <= _MOST_ROWS or metadata.num_row_groups > 1:
        return None
    if len(set(names)) < len(names):
        return None
    try:
        table = _read(probe)
        if table is None or table.num_rows != metadata.num_rows:
            return None
        layout = find_layout(_TableProbe(probe.connection, probe.path, probe.file, table))
    except (FileRejected, *UNREADABLE):
        return None
    return None if layout.near else (table.select(layout.columns), layout)


@dataclass(frozen=True)
class _TableProbe(ColumnProbe):
    """Answers of the columns that were read."""

    table: pa.Table

    def has_values(self, name: str) -> bool:
        if name not in self.table.column_names:
            return super().has_values(name)
        return count_values(self.table.column(name)) > 0

    def texts_among(self, name: str, texts: Collection[str]) -> set[str]:
        return set(texts).intersection(self.table.column(name).unique().to_pylist())


def _read(probe: ColumnProbe) -> pa.Table | None:
    """The columns that may count; None if they may not fit into `_MOST_BYTES`."""
    types = {
        column.name: value_type(column.type)
        for column in probe.schema
        if column.name in {*TEXTS, *QUANTITIES, *INSTANTS}
    }
    texts = [name for name, dtype in types.items() if is_text(dtype)]
    if not all(is_text(dtype) or _is_narrow(dtype) for dtype in types.values()):
        return None
    with open_parquet(probe.path, probe.file.metadata, texts) as with_dictionaries:
        others = [name for name in types if name not in texts]
        read = with_dictionaries.read(others, use_threads=False)
        columns = {name: read.column(name) for name in others}
        most = _MOST_BYTES
        # One by one: metadata may be wrong about sizes.
        for name in texts:
            column = with_dictionaries.read([name], use_threads=False).column(name)
            most -= len(column) * _longest(column)
            if most < 0:
                return None
            columns[name] = column
    table = pa.table(columns)
    # Reading does not check whether a dictionary has what rows refer to.
    table.validate(full=True)
    return pa.table({name: _expanded(table.column(name)) for name in types})


def _expanded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    dtype = column.type
    return column.cast(dtype.value_type) if pa.types.is_dictionary(dtype) else column


def _longest(column: pa.ChunkedArray) -> int:
    """Bytes of the longest text of a column's dictionaries, whether a row refers to it or not."""
    sizes: Iterator[int | None] = (
        pc.max(pc.binary_length(chunk.dictionary)).as_py() for chunk in column.chunks
    )
    return max((size or 0 for size in sizes), default=0)


def _is_narrow(dtype: pa.DataType) -> bool:
    return pa.types.is_primitive(dtype) or pa.types.is_decimal(dtype) or is_uuid(dtype)
