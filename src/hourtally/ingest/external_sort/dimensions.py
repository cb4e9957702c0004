"""Slices with what they say in words told once: a label, and its number in each slice.

An hour has many slices of each resource, and most of a slice is text: whose it is, of what, by
which names. Slices that share all of that share a label, so they are compared, sorted, kept and
written by whole numbers, in a third of the memory and a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from hourtally.ingest.external_sort.spill import compact
from hourtally.model.hours import HOUR_MS
from hourtally.model.schemas import LABEL, RESOURCE_ORDER, SLICES

_RESOURCE: Final = ("hour", *RESOURCE_ORDER)
_FREE_TEXTS: Final = tuple(column for column in LABEL if column not in RESOURCE_ORDER)
_OWN: Final = tuple(column for column in SLICES if column not in LABEL)
# One slice in so many tells what share of the labels is known.
_SLICES_A_SAMPLE: Final = 64


@dataclass(frozen=True)
class Labelled:
    """Slices of one or several hours of a file.

    labels: `hour` and the columns of `LABEL`, in the order of a slices file, hour by hour.
    slices: `label`, the number of their label, and the other columns of `schemas.SLICES`; in the
    order of their resources, then of `SLICE_ORDER` and the identity.
    """

    labels: pl.DataFrame
    slices: pl.DataFrame


@dataclass(frozen=True)
class Parts:
    """Slices of one hour from several runs, and labels from several tables, one behind the other.

    labels, slices: as in `Labelled`, but that tables have labels in common, and runs slices.
    """

    labels: pl.DataFrame
    slices: pl.DataFrame
    tables: int
    runs: int


class LabelTable:
    """Labels that several runs have in common: told once, found again, numbered as they come.

    A run mostly has labels that runs before it had. Those are hashed and compared each time, but
    sorted and kept once.
    """

    def __init__(self) -> None:
        self.labels = pl.DataFrame(
            schema={"hour": pl.Int64, **{name: SLICES[name] for name in LABEL}}
        )
        self._by_hash = True
        self._keys = self._keys_of(self.labels)
        self._found_order: _Order | None = None

    def __len__(self) -> int:
        """How many labels it has."""
        return len(self.labels)

    def share_found(self, slices: pl.DataFrame) -> float:
        """About what share of the labels of slices it has, from 0 to 1."""
        sample = slices.select(self.labels.columns).gather_every(_SLICES_A_SAMPLE)
        keys = self._keys_of(sample).unique()
        found = self._keys.alias("key").to_frame().join(keys.alias("key").to_frame(), "key", "semi")
        return len(found) / len(keys)

    def numbered(self, slices: pl.DataFrame) -> pl.DataFrame:
        """Slices (`schemas.SLICES` after `hour`) with numbers for what their labels say."""
        numbers = self.numbers(slices.select(self.labels.columns))
        # In one piece, as rows are taken out of one in a tenth of the time that many take.
        return slices.select(_OWN).rechunk().insert_column(0, numbers)

    def numbers(self, texts: pl.DataFrame) -> pl.Series:
        """The number of each label: of one that is not there yet, the next one."""
        keys = self._keys_of(texts)
        numbers = self._find(keys)
        is_new = numbers.is_null()
        if is_new.any():
            is_new &= keys.is_first_distinct()
            self._add(texts.filter(is_new), keys.filter(is_new))
            numbers = self._find(keys)
        if self._by_hash and not all(
            column.equals(self.labels[column.name].gather(numbers)) for column in texts
        ):
            # Two labels have one hash. To find all of them by what they say takes longer.
            self._by_hash = False
            self._keys = self._keys_of(self.labels)
            return self.numbers(texts)
        return numbers

    def in_order(self, slices: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Numbered slices in order, each content once; how many events were left out."""
        order = self._order
        ranked = slices.with_columns(order.ranks.gather(slices["label"]).alias("label"))
        once, left_out = _in_order(ranked, order.resources)
        return once.with_columns(order.rows.gather(once["label"]).alias("label")), left_out

    def labels_in_order(self) -> pl.DataFrame:
        """The labels, in order, behind the `number` that each has."""
        return self.labels[self._order.rows].insert_column(0, self._order.rows.alias("number"))

    @property
    def _order(self) -> _Order:
        if self._found_order is None:
            self._found_order = _order(self.labels)
        return self._found_order

    def _keys_of(self, texts: pl.DataFrame) -> pl.Series:
        return texts.hash_rows() if self._by_hash else texts.to_struct()

    def _find(self, keys: pl.Series) -> pl.Series:
        known = self._keys.alias("key").to_frame().with_row_index("label")
        return (
            keys.alias("key")
            .to_frame()
            .join(known, on="key", how="left", validate="m:1", maintain_order="left")
        )["label"]

    def _add(self, texts: pl.DataFrame, keys: pl.Series) -> None:
        # In memory of their own: they would drag along the block that they were read from.
        own = pl.DataFrame(compact(texts))
        self.labels = pl.concat([self.labels, own], rechunk=True)
        self._keys = pl.concat([self._keys, keys], rechunk=True)
        self._found_order = None


def merged(parts: Parts) -> tuple[Labelled, int]:
    """The slices of all parts as if they had come together; how many events were left out.

    An event counts in its first hour only. Of equal ones the earliest time stands; where none
    has a time, none stands.
    """
    labels, slices = parts.labels, parts.slices
    if parts.tables > 1:
        table = LabelTable()
        numbers = table.numbers(labels)
        ordered = table.labels_in_order()
        places = ordered["number"].arg_sort().gather(numbers)
        labels = ordered.drop("number")
        slices = slices.with_columns(places.gather(slices["label"]).alias("label"))
    if parts.runs == 1:
        return Labelled(labels, slices), 0
    once, left_out = _in_order(slices, _resources(labels))
    return Labelled(labels, once), left_out


def resource_text() -> pl.Expr:
    """One text by which labels sort as by the columns of `RESOURCE_ORDER`.

    No id has a control character, so NUL is before all that can follow a column's text; and
    null is before every text, as the empty text is.
    """
    columns = (pl.col(column).fill_null("") for column in RESOURCE_ORDER)
    return pl.concat_str(*columns, separator="\0").alias("resource_text")


def extent() -> pl.Expr:
    """One number by which the slices of an hour sort as by their start, then their end."""
    start_ms = pl.col("slice_start_ms")
    number = start_ms % HOUR_MS * 2**22 + (pl.col("slice_end_ms") - start_ms)
    return number.cast(pl.UInt64).alias("extent")


@dataclass(frozen=True)
class _Order:
    """Of labels: their rows in order, the rank of each row, and of each rank its resource."""

    rows: pl.Series
    ranks: pl.Series
    resources: pl.Series


def _order(labels: pl.DataFrame) -> _Order:
    rows = _sorted_rows(labels, _RESOURCE)
    resources = _resources(labels[rows])
    if len(resources) and resources[-1] < len(resources):
        # Some resource has several labels, whose order must not be that of their lines.
        rows = _sorted_rows(labels, (*_RESOURCE, *_FREE_TEXTS))
    return _Order(rows, rows.arg_sort(), resources)


def _sorted_rows(labels: pl.DataFrame, columns: Iterable[str]) -> pl.Series:
    """The rows in order of some columns, which takes half as long as a sort by columns does."""
    return labels.select(pl.struct(columns)).to_series().arg_sort()


def _resources(labels: pl.DataFrame) -> pl.Series:
    """The number of each sorted label's resource, in order as well."""
    return _changes(labels).cum_sum()


def _changes(labels: pl.DataFrame) -> pl.Series:
    """Whether each of sorted labels is of another resource, or hour, than the one before it."""
    changes = pl.repeat(value=False, n=len(labels), eager=True)
    # Mostly the last column tells.
    for column in reversed(_RESOURCE):
        texts = labels[column]
        changes |= texts.ne_missing(texts.shift())
        if changes.all():
            break
    return changes


def _in_order(slices: pl.DataFrame, resources: pl.Series) -> tuple[pl.DataFrame, int]:
    """Leave out duplicates and sort, in an order that does not depend on the one there was.

    resources: the number of each label's; labels and resources are numbered in order.
    """
    once, left_out = _sorted(slices, resources), 0
    repeated = _repeated(once)
    if repeated.any():
        once, left_out = _without_duplicates(once, repeated)
        once = _sorted(once, resources)
    return once, left_out


def _sorted(slices: pl.DataFrame, resources: pl.Series) -> pl.DataFrame:
    """Slices in the order of a slices file."""
    by = slices.select(
        resources.gather(slices["label"]).alias("resource"), extent(), "identity", "label"
    )
    return slices[by.select(pl.arg_sort_by(by.columns, maintain_order=True)).to_series()]


def _repeated(slices: pl.DataFrame) -> pl.Series:
    """Which of sorted slices may have duplicates: those follow each other."""
    follows = pl.all_horizontal(pl.col("identity", "label").eq(pl.col("identity", "label").shift()))
    both = follows | follows.shift(-1, fill_value=False)
    return slices.select(both.fill_null(value=False)).to_series()


def _without_duplicates(slices: pl.DataFrame, repeated: pl.Series) -> tuple[pl.DataFrame, int]:
    """Each content of the repeated ones once, behind the others; how many events are left out."""
    content = [column for column in slices.columns if column != "event_time_us"]
    kept = (
        slices.filter(repeated)
        .group_by(content)
        .agg(pl.col("event_time_us").min(), copies=pl.len() - 1)
        # Else one file would give other bytes each time.
        .sort(content)
        .with_columns(first=pl.col("slice_start_ms") == pl.col("start_ms"))
    )
    left_out = int(kept.filter("first")["copies"].sum())
    return pl.concat([slices.filter(~repeated), kept.select(slices.columns)]), left_out
