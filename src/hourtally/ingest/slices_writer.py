"""The Parquet file of one batch's slices in one hour."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.ingest.external_sort.dimensions import Labelled
from hourtally.ingest.usage_keys import usage_keys
from hourtally.model.schemas import LABEL, RESOURCE_ORDER, STORED_SLICES, USAGE_KEY

# Small enough to be read by several threads, large enough for dictionaries to pay.
_ROW_GROUP_ROWS: Final = 131_072
# Parquet has no such type: the columns are texts in the file.
_TEXT: Final = pa.dictionary(pa.int32(), pa.large_string())
_SCHEMA: Final = pa.schema(
    [
        (
            name,
            _TEXT
            if name in LABEL
            else pa.large_string()
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
# Of columns that nothing is looked up by, the least and largest text are not worth their time.
_WITH_STATISTICS: Final = [
    name for name, dtype in STORED_SLICES.items() if dtype != pl.String or name in RESOURCE_ORDER
]
# Values of a column that are encoded at a time; of the usual 1,024 each step costs an eighth more.
_VALUES_A_STEP: Final = 16_384


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
            write_statistics=_WITH_STATISTICS,
            write_batch_size=_VALUES_A_STEP,
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


def to_table(portion: Labelled) -> pa.Table:
    """Slices as they are written, `schemas.STORED_SLICES`.

    What their labels hold is encoded once a label: texts as a dictionary and indices.
    """
    labels, slices = portion.labels, portion.slices
    keys = usage_keys(labels)
    numbers = slices["label"]
    columns = {}
    for name in STORED_SLICES:
        if name in LABEL:
            texts = labels.select(pl.col(name).unique().drop_nulls().sort())
            indices = labels.select(name).join(
                texts.with_row_index("index"), on=name, how="left", maintain_order="left"
            )
            columns[name] = pa.DictionaryArray.from_arrays(
                indices["index"].cast(pl.Int32)[numbers].to_arrow(),
                texts[name].to_arrow(compat_level=pl.CompatLevel.oldest()),
            )
        else:
            column = keys[name][numbers] if name in USAGE_KEY else slices[name]
            columns[name] = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.table(columns, _SCHEMA)
