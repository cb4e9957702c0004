"""Slices with their texts stored once, in a table of dimensions.

An hour has many slices of each resource, and most of a slice is text: customer, team, project,
names. Slices that share all of these refer to one row of a table by its number, so they are
compared, sorted, stored and written by integers, in a third of the memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import polars as pl

from hourtally.ingest.external_sort.spill import compact
from hourtally.ingest.slices.cutting import SECONDS_PER_FILE
from hourtally.model.schemas import DIMENSIONS, RESOURCE_ORDER, SLICES

_RESOURCE: Final = ("hour", *RESOURCE_ORDER)
_OTHER_TEXTS: Final = tuple(column for column in DIMENSIONS if column not in RESOURCE_ORDER)
_FACTS: Final = tuple(column for column in SLICES if column not in DIMENSIONS)
# One slice in so many is looked up to estimate how many dimensions are known.
_SLICES_PER_SAMPLE: Final = 64


@dataclass(frozen=True)
class EncodedSlices:
    """Slices of one or more hours of a file.

    dimensions: `hour` and `DIMENSIONS`, hour by hour, in the order of a slices file.
    slices: `dimension_id`, the number of a row of `dimensions`, and the other columns of
    `schemas.SLICES`; ordered by resource, then `SLICE_ORDER`, then identity.
    """

    dimensions: pl.DataFrame
    slices: pl.DataFrame


@dataclass(frozen=True)
class UnmergedSlices:
    """Slices of one hour from several runs, and dimensions from several tables, concatenated.

    dimensions, slices: as in `EncodedSlices`, but rows may occur in several tables or runs.
    """

    dimensions: pl.DataFrame
    slices: pl.DataFrame
    tables: int
    runs: int


class DimensionTable:
    """Dimensions that several runs share, numbered in the order in which they are first seen.

    Most dimensions of a run occurred in the runs before it. They are hashed and compared each
    time, but sorted and stored once.
    """

    def __init__(self) -> None:
        self.rows = pl.DataFrame(
            schema={"hour": pl.Int64, **{name: SLICES[name] for name in DIMENSIONS}}
        )
        self._by_hash = True
        self._keys = self._keys_of(self.rows)
        self._sort_order: _SortOrder | None = None

    def __len__(self) -> int:
        """How many dimensions it has."""
        return len(self.rows)

    def share_known(self, slices: pl.DataFrame) -> float:
        """About what share of the slices' dimensions the table has, from 0 to 1."""
        sample = slices.select(self.rows.columns).gather_every(_SLICES_PER_SAMPLE)
        keys = self._keys_of(sample).unique()
        known = self._keys.alias("key").to_frame().join(keys.alias("key").to_frame(), "key", "semi")
        return len(known) / len(keys)

    def encode(self, slices: pl.DataFrame) -> pl.DataFrame:
        """Slices (`hour`, then `schemas.SLICES`) with a `dimension_id` in place of their texts."""
        ids = self.ids_of(slices.select(self.rows.columns))
        # Rows are taken from a frame of one chunk in a tenth of the time that many chunks need.
        return slices.select(_FACTS).rechunk().insert_column(0, ids)

    def ids_of(self, texts: pl.DataFrame) -> pl.Series:
        """The `dimension_id` of each row; rows that are new to the table are added to it."""
        keys = self._keys_of(texts)
        ids = self._find(keys)
        is_new = ids.is_null()
        if is_new.any():
            is_new &= keys.is_first_distinct()
            self._add(texts.filter(is_new), keys.filter(is_new))
            ids = self._find(keys)
        if self._by_hash and not all(
            column.equals(self.rows[column.name].gather(ids)) for column in texts
        ):
            # Two rows have the same hash, so from now on rows are found by their texts.
            self._by_hash = False
            self._keys = self._keys_of(self.rows)
            return self.ids_of(texts)
        return ids

    def sort(self, slices: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, int]]:
        """Encoded slices in order, without duplicates; how many events each file has too many."""
        order = self._order
        ranked = slices.with_columns(order.ranks.gather(slices["dimension_id"]))
        once, left_out = sort_without_duplicates(ranked, order.resources)
        duplicates: Counter[int] = Counter()
        if left_out is not None:
            hours = self.rows["hour"].gather(order.rows.gather(left_out["dimension_id"]))
            for hour, copies in zip(hours, left_out["copies"], strict=True):
                duplicates[hour // SECONDS_PER_FILE] += copies
        return once.with_columns(order.rows.gather(once["dimension_id"])), duplicates

    def sorted_rows(self) -> pl.DataFrame:
        """The dimensions in order, after a column `id` with their numbers."""
        return self.rows[self._order.rows].insert_column(0, self._order.rows.alias("id"))

    @property
    def _order(self) -> _SortOrder:
        if self._sort_order is None:
            self._sort_order = _find_order(self.rows)
        return self._sort_order

    def _keys_of(self, texts: pl.DataFrame) -> pl.Series:
        return texts.hash_rows() if self._by_hash else texts.to_struct()

    def _find(self, keys: pl.Series) -> pl.Series:
        known = self._keys.alias("key").to_frame().with_row_index("dimension_id")
        return (
            keys.alias("key")
            .to_frame()
            .join(known, on="key", how="left", validate="m:1", maintain_order="left")
        )["dimension_id"]

    def _add(self, texts: pl.DataFrame, keys: pl.Series) -> None:
        # A copy: the texts would hold on to the block that they were read from.
        self.rows = pl.concat([self.rows, pl.DataFrame(compact(texts))], rechunk=True)
        self._keys = pl.concat([self._keys, keys], rechunk=True)
        self._sort_order = None


def merge(unmerged: UnmergedSlices) -> tuple[EncodedSlices, int]:
    """Sort the slices of several runs without duplicates; how many events were left out.

    A duplicate event is counted in its first hour only. Of equal events the earliest time is
    kept, or null where none has a time.
    """
    dimensions, slices = unmerged.dimensions, unmerged.slices
    if unmerged.tables > 1:
        table = DimensionTable()
        ids = table.ids_of(dimensions)
        ordered = table.sorted_rows()
        ranks = ordered["id"].arg_sort().gather(ids)
        dimensions = ordered.drop("id")
        slices = slices.with_columns(ranks.gather(slices["dimension_id"]).alias("dimension_id"))
    if unmerged.runs == 1:
        return EncodedSlices(dimensions, slices), 0
    once, left_out = sort_without_duplicates(slices, resource_numbers(dimensions))
    duplicates = 0 if left_out is None else int(left_out["copies"].sum())
    return EncodedSlices(dimensions, once), duplicates


def resource_text() -> pl.Expr:
    """One text by which dimensions sort as they do by the columns of `RESOURCE_ORDER`.

    No id has a control character, so NUL sorts before anything that can follow in a column; and
    null sorts before every text, as the empty text does.
    """
    columns = (pl.col(column).fill_null("") for column in RESOURCE_ORDER)
    return pl.concat_str(*columns, separator="\0").alias("resource_text")


@dataclass(frozen=True)
class _SortOrder:
    """The order of dimensions.

    rows: their ids, in order. ranks: the rank of each id. resources: the number of the resource
    at each rank; it grows by one where a new resource begins.
    """

    rows: pl.Series
    ranks: pl.Series
    resources: pl.Series


def _find_order(dimensions: pl.DataFrame) -> _SortOrder:
    rows = dimensions.select(pl.arg_sort_by(*_RESOURCE, *_OTHER_TEXTS)).to_series()
    ranks = rows.arg_sort().alias("dimension_id")
    return _SortOrder(rows.alias("dimension_id"), ranks, resource_numbers(dimensions[rows]))


def resource_numbers(dimensions: pl.DataFrame) -> pl.Series:
    """The number of each sorted dimension's resource, ascending."""
    columns = pl.col(_RESOURCE)
    is_new = pl.any_horizontal(columns.ne_missing(columns.shift()))
    return dimensions.select(is_new.cum_sum()).to_series()


def sort_without_duplicates(
    slices: pl.DataFrame, resources: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Sort slices and leave out duplicates; the order they had before makes no difference.

    Args:
        slices: encoded.
        resources: the number of the resource of each dimension; both are numbered in order.

    Returns:
        The slices, and for the events that were left out: `dimension_id`, and `copies` of it.
    """
    once = _sort(slices, resources)
    is_repeated = _is_repeated(once)
    if not is_repeated.any():
        return once, None
    once, left_out = _merge_repeated(once, is_repeated)
    return _sort(once, resources), left_out


def _sort(slices: pl.DataFrame, resources: pl.Series) -> pl.DataFrame:
    """Slices in the order of a slices file."""
    by = slices.select(
        resources.gather(slices["dimension_id"]).alias("resource"),
        "slice_start_ms",
        "slice_end_ms",
        "identity",
        "dimension_id",
    )
    return slices[by.select(pl.arg_sort_by(by.columns, maintain_order=True)).to_series()]


def _is_repeated(slices: pl.DataFrame) -> pl.Series:
    """Which of sorted slices may have duplicates: these are next to each other."""
    key = pl.col("identity", "dimension_id")
    follows = pl.all_horizontal(key.eq(key.shift()))
    either = follows | follows.shift(-1, fill_value=False)
    return slices.select(either.fill_null(value=False)).to_series()


def _merge_repeated(
    slices: pl.DataFrame, is_repeated: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Merge equal slices among the repeated ones, unsorted; the events that are left out."""
    content = [column for column in slices.columns if column != "event_time_us"]
    merged = (
        slices.filter(is_repeated)
        .group_by(content)
        .agg(pl.col("event_time_us").min(), copies=pl.len() - 1)
        # Without this, the same file would give different bytes each time.
        .sort(content)
        .with_columns(first=pl.col("slice_start_ms") == pl.col("start_ms"))
    )
    left_out = merged.filter("first").select("dimension_id", "copies")
    return pl.concat([slices.filter(~is_repeated), merged.select(slices.columns)]), left_out
