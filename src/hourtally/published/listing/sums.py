"""Sums of the rows of many revisions, by keys and period. Exact: 128 bits.

A chunk's files are read as one table, in which the number of a row tells its hour. The sums of
chunks are added up at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import polars as pl

from hourtally.model.schemas import NANOHOURS, Schema
from hourtally.published.listing.revisions import Revision

# The number of a period, by which rows of several currencies lie apart too.
PERIOD: Final = "period"
HOUR_NUMBER: Final = "hour_number"
# In how many hours there are rows.
HOURS: Final = "hours"
# Sums of chunks are added up once they have this many rows.
_MOST_PARTIAL_ROWS: Final = 250_000


@dataclass(frozen=True)
class Shape:
    """What to sum of a table.

    Attributes:
        table: its name.
        schema: of its columns; those that an older revision lacks are null.
        equal: filters, the value by column.
        key: what to group by, beside the period.
        name: the column of names, of which the last hour's counts.
        numbers: the columns to sum; a sum with a null is null.
        is_row_key: whether an hour has at most one row of each key.
        unheld: leave out held customers, whose numbers are null.
    """

    table: str
    schema: Schema
    equal: Mapping[str, str]
    key: tuple[str, ...]
    name: str | None
    numbers: tuple[str, ...]
    is_row_key: bool
    unheld: bool = False


@dataclass
class Sums:
    """The sums so far. Chunks are added in the order of hours."""

    shape: Shape
    _partial: list[pl.DataFrame] = field(default_factory=list)
    _rows: int = 0

    def add(self, chunk: Sequence[Revision], periods: Sequence[int]) -> None:
        """Add a chunk of revisions, all of which have quantities or none.

        periods: the number of each one's period.
        """
        # No stored id has a surrogate, as text from a command line in Latin-1 may have, and Polars
        # would turn each into three U+FFFD, which an id may have.
        if any(
            value.encode("utf-8", "ignore").decode() != value for value in self.shape.equal.values()
        ):
            return
        found = self._summed(chunk, periods)
        self._partial.append(found)
        self._rows += len(found)
        if self._rows > _MOST_PARTIAL_ROWS:
            self._partial = [self.total()]
            # Sums may be more than that themselves: then as many rows again have to come.
            self._rows = 0

    def total(self) -> pl.DataFrame:
        """One row a period and key: the key's columns, `name` if there is one, hours, numbers."""
        shape = self.shape
        empty: Schema = {
            PERIOD: pl.Int64,
            **dict.fromkeys(shape.key, pl.String),
            **({shape.name: pl.String} if shape.name else {}),
            HOURS: pl.Int64,
            **dict.fromkeys(shape.numbers, pl.Int128),
        }
        whole = pl.concat([pl.DataFrame(schema=empty), *self._partial])
        return whole.group_by(PERIOD, *shape.key, maintain_order=True).agg(
            *([pl.col(shape.name).last()] if shape.name else []),
            pl.col(HOURS).sum(),
            *map(_sum, shape.numbers),
        )

    def _summed(self, chunk: Sequence[Revision], periods: Sequence[int]) -> pl.DataFrame:
        shape = self.shape
        rows = numbered_rows(chunk, shape.table, shape.schema)
        if shape.unheld:
            # Revisions of build version 1 do not say whether somebody is held: nobody is.
            rows = rows.filter(~pl.col("held").fill_null(value=False))
        if shape.equal:
            rows = rows.filter(pl.col(name) == value for name, value in shape.equal.items())
        if len(set(periods)) > 1:
            period_of = pl.Series(periods, dtype=pl.Int64)
            period = pl.col(HOUR_NUMBER).map_batches(period_of.gather, return_dtype=pl.Int64)
        else:
            period = pl.lit(periods[0], pl.Int64)
        hours = pl.len() if shape.is_row_key else pl.col(HOUR_NUMBER).n_unique()
        summed = (
            rows.with_columns(period.alias(PERIOD))
            .group_by(PERIOD, *shape.key, maintain_order=True)
            .agg(
                *([pl.col(shape.name).last()] if shape.name else []),
                hours.cast(pl.Int64).alias(HOURS),
                pl.col(shape.numbers).cast(pl.Int128).sum(),
            )
            .collect()
        )
        unknown = [name for name in shape.numbers if name.endswith(NANOHOURS)]
        if not chunk[0].has_quantities:
            summed = summed.with_columns(pl.lit(None, pl.Int128).alias(name) for name in unknown)
        return summed


def numbered_rows(chunk: Sequence[Revision], table: str, schema: Schema) -> pl.LazyFrame:
    """The rows of a table in all revisions, with the number in the chunk of the one they are of."""
    rows = pl.scan_parquet(
        [one.files[table] for one in chunk],
        glob=False,
        schema=schema,
        missing_columns="insert",
        extra_columns="ignore",
        use_statistics=False,
        row_index_name="row",
    )
    # A row's number among the rows of all files tells which of them it is of.
    ends = pl.Series(list(accumulate(one.rows[table] for one in chunk)), dtype=pl.Int64)

    def hour_numbers(row: pl.Series) -> pl.Series:
        return ends.search_sorted(row.cast(pl.Int64), side="right").cast(pl.Int64)

    number = pl.col("row").map_batches(hour_numbers, return_dtype=pl.Int64)
    return rows.with_columns(number.alias(HOUR_NUMBER)).drop("row")


def _sum(name: str) -> pl.Expr:
    """The sum of a column, null where a part of it is not known."""
    is_known = pl.col(name).null_count() == 0
    return pl.when(is_known).then(pl.col(name).sum()).alias(name)
