"""Identities with several contents in one hour of one file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from hourtally.store.slice_files import scan_slices

# Identities looked at together: their digests take 8 bytes each, and as much again to sort.
_MOST_ROWS: Final = 8_000_000


@dataclass(frozen=True)
class Conflicts:
    """The conflicts among the slices of a file.

    identities: the digest of each identity that is in conflict in some hour. losers: slices that do
    not count because of it, also where other files say nothing of them.
    """

    identities: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.UInt64))
    losers: int = 0

    def __add__(self, other: Conflicts) -> Conflicts:
        """Of several hours. An identity in conflict in two of them is one."""
        if not other.losers:
            return self
        both = pl.concat([self.identities, other.identities]).unique()
        return Conflicts(both, self.losers + other.losers)

    def to_json(self) -> dict[str, int]:
        """The entry of an ingest record."""
        return {"identities": len(self.identities), "slices_not_counted": self.losers}


def conflicts_of(path: Path, rows: int) -> Conflicts:
    """The conflicts in a slices file, which has so many rows, no two of them equal.

    Digests are compared first: 1 million take 40 ms. Memory is bounded: a file of more rows than
    `_MOST_ROWS` is read several times, a part of the digests each time.
    """
    parts = -(-rows // _MOST_ROWS)
    digests = scan_slices([path]).select("identity")
    found = Conflicts()
    for part in range(parts):
        own = digests if parts == 1 else digests.filter(pl.col("identity") % parts == part)
        in_order = own.collect().to_series().rechunk().sort()
        shared = in_order.filter(in_order == in_order.shift()).unique()
        if len(shared):
            found += _with_digests(path, shared)
    return found


def _with_digests(path: Path, digests: pl.Series) -> Conflicts:
    """The conflicts among the slices whose identities have these digests."""
    identities = (
        scan_slices([path])
        .filter(pl.col("identity").is_in(digests.implode()))
        .group_by("event_source", "event_id", "identity")
        .len()
        .filter(pl.col("len") > 1)
        .collect()
    )
    return Conflicts(identities["identity"], int(identities["len"].sum()) - len(identities))
