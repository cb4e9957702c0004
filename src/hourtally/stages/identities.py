"""The digests of an hour's identities: all at once where they are few, else in partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import polars as pl

# 134 MB of digests, and as much again twice to sort them. Each further partition of an hour reads
# the column once more: 0.3 s of CPU time for 50 million slices.
_MOST_HELD: Final = 1 << 24
_ALL_DIGESTS: Final = 1 << 64
_NONE: Final = pl.Series("identity", dtype=pl.UInt64)


class Identities(NamedTuple):
    """The digest of each slice of an hour, in order.

    slices: of the hour, `schemas.STORED_SLICES`. rows: how many. held: their digests, where few.
    """

    slices: pl.LazyFrame
    rows: int
    held: pl.Series | None

    def partitions(self) -> Iterator[pl.Series]:
        """The digests, in any order; equal ones are in the same partition."""
        if self.held is not None:
            yield self.held
            return
        number = -(-self.rows // _MOST_HELD)
        digests = self.slices.select("identity")
        for part in range(number):
            first, end = (_ALL_DIGESTS * one // number for one in (part, part + 1))
            least, most = pl.lit(first, pl.UInt64), pl.lit(end - 1, pl.UInt64)
            within = pl.col("identity").is_between(least, most)
            yield digests.filter(within).collect().to_series()

    def of_slices(self, numbers: pl.Series) -> pl.Series:
        """The digests of some slices. numbers: their places in the hour from 0, sorted."""
        if self.held is not None:
            return self.held.gather(numbers)
        parts = []
        for first in range(0, self.rows, _MOST_HELD):
            wanted = numbers.filter(numbers.is_between(first, first + _MOST_HELD - 1))
            if len(wanted):
                digests = self.slices.slice(first, _MOST_HELD).select("identity").collect()
                parts.append(digests.to_series().gather(wanted - first))
        return pl.concat([_NONE, *parts])


def identities_of(slices: Sequence[tuple[pl.LazyFrame, int]]) -> list[Identities]:
    """The identities of hours. slices: of each hour, and how many."""
    few = [of_hour.select("identity") for of_hour, rows in slices if rows <= _MOST_HELD]
    # Small hours are read together.
    held = iter(pl.collect_all(few))
    return [
        Identities(of_hour, rows, next(held).to_series() if rows <= _MOST_HELD else None)
        for of_hour, rows in slices
    ]


def repeated_digests(identities: Identities) -> pl.Series:
    """The digests that several slices have, each once, in any order."""
    # By `map`, which lets go of one partition before the next is read.
    return pl.concat([_NONE, *map(_repeated, identities.partitions())])


def _repeated(digests: pl.Series) -> pl.Series:
    # In one chunk, as sorting many takes a sixth longer.
    in_order = digests.rechunk().sort()
    return in_order.filter(in_order == in_order.shift()).unique()


def shared_digests(identities: Identities, others: pl.Series) -> pl.Series:
    """Those of some digests that slices have, in any order, perhaps several times."""
    if others.is_empty():
        return _NONE
    wanted = others.implode()
    shared = (digests.filter(digests.is_in(wanted)) for digests in identities.partitions())
    return pl.concat([_NONE, *shared])
