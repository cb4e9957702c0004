"""The Parquet file of one batch's slices in one hour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.ingest.external_sort.dimensions import EncodedSlices
from hourtally.ingest.slices.usage_keys import usage_keys
from hourtally.model.schemas import DIMENSIONS, RESOURCE_ORDER, STORED_SLICES, USAGE_KEY

# Small enough that several threads share a file, large enough for dictionaries to pay off.
_ROW_GROUP_ROWS: Final = 131_072
# Only while writing: in the file, these columns are plain texts.
_DICTIONARY: Final = pa.dictionary(pa.int32(), pa.large_string())


def _arrow_type(name: str, dtype: pl.DataType | type[pl.DataType], *, plain: bool) -> pa.DataType:
    if name in DIMENSIONS and not plain:
        return _DICTIONARY
    if dtype == pl.String:
        return pa.large_string()
    return pa.uint64() if dtype == pl.UInt64 else pa.int64()


def _schema(*, plain: bool) -> pa.Schema:
    return pa.schema(
        [(name, _arrow_type(name, dtype, plain=plain)) for name, dtype in STORED_SLICES.items()]
    )


_SCHEMA: Final = _schema(plain=False)
_PLAIN_SCHEMA: Final = _schema(plain=True)
# Nearly every value is different: a dictionary would be built only to be abandoned.
_WITHOUT_DICTIONARY: Final = ("event_id", "identity")
# Text columns that no query filters by need no minimum and maximum.
_WITH_STATISTICS: Final = [
    name for name, dtype in STORED_SLICES.items() if dtype != pl.String or name in RESOURCE_ORDER
]
# Values of a column encoded at a time; the default of 1,024 makes encoding an eighth slower.
_WRITE_BATCH_VALUES: Final = 16_384


class SlicesWriter:
    """Writes sorted slices, partition by partition; the same rows give the same bytes.

    plain: they come from `to_plain_table`.
    """

    def __init__(self, path: Path, *, plain: bool = False) -> None:
        self.rows = 0
        self._writer = pq.ParquetWriter(
            path,
            _PLAIN_SCHEMA if plain else _SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in STORED_SLICES if name not in _WITHOUT_DICTIONARY],
            write_statistics=_WITH_STATISTICS,
            write_batch_size=_WRITE_BATCH_VALUES,
            write_page_checksum=True,
            store_schema=False,
        )

    def __enter__(self) -> SlicesWriter:
        """The file is already open."""
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
        """Append slices that sort after all earlier ones."""
        self._writer.write_table(slices, _ROW_GROUP_ROWS)
        self.rows += len(slices)


@dataclass(frozen=True)
class TextColumns:
    """The texts of dimensions as they are written.

    texts: by column its distinct texts in order, and for each dimension the index of its own.
    keys: `USAGE_KEY` of each dimension.
    """

    texts: dict[str, tuple[pa.Array, pl.Series]]
    keys: pl.DataFrame

    @staticmethod
    def of(dimensions: pl.DataFrame) -> TextColumns:
        """Those of some dimensions."""
        columns = {}
        for name in DIMENSIONS:
            texts = dimensions.select(pl.col(name).unique().drop_nulls().sort())
            indices = dimensions.select(name).join(
                texts.with_row_index("index"), on=name, how="left", maintain_order="left"
            )
            in_order = texts[name].to_arrow(compat_level=pl.CompatLevel.oldest())
            columns[name] = (in_order, indices["index"].cast(pl.Int32))
        return TextColumns(columns, _keys_of(dimensions))


def to_table(encoded: EncodedSlices, texts: TextColumns | None = None) -> pa.Table:
    """Slices as they are written, `schemas.STORED_SLICES`.

    Texts become a dictionary and indices, and keys are computed, once per row of dimensions.

    Args:
        encoded: the slices.
        texts: those of their dimensions, where they are known.
    """
    texts = texts or TextColumns.of(encoded.dimensions)
    slices = encoded.slices
    ids = slices["dimension_id"]
    columns = {}
    for name in STORED_SLICES:
        if name in DIMENSIONS:
            in_order, indices = texts.texts[name]
            columns[name] = pa.DictionaryArray.from_arrays(indices[ids].to_arrow(), in_order)
        else:
            column = texts.keys[name][ids] if name in USAGE_KEY else slices[name]
            columns[name] = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.table(columns, _SCHEMA)


def to_plain_table(encoded: EncodedSlices) -> pa.Table:
    """Few slices as they are written: texts are texts, of which Parquet makes dictionaries."""
    dimensions, slices = encoded.dimensions, encoded.slices
    ids = slices["dimension_id"]
    texts = dimensions.select(DIMENSIONS).hstack(_keys_of(dimensions))[ids]
    whole = texts.hstack(slices.drop("dimension_id")).select(STORED_SLICES.keys())
    return pa.table(whole.to_arrow(compat_level=pl.CompatLevel.oldest())).cast(_PLAIN_SCHEMA)


def _keys_of(dimensions: pl.DataFrame) -> pl.DataFrame:
    """The `USAGE_KEY` of each dimension, which may have it already."""
    if set(USAGE_KEY) <= set(dimensions.columns):
        return dimensions.select(USAGE_KEY)
    return usage_keys(dimensions)
