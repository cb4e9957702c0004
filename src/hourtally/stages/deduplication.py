"""Slices that share an identity: which equal another, which contradict it, and which one counts.

Duplicates and conflicts are rare, and to look for them in whole rows would take most of a
build. So what shares a 64-bit digest of its identity is compared by identity, numbers and usage
key, and only where one identity has several contents are they read whole and decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from hourtally.model.components import QUANTITIES
from hourtally.model.hours import Hour, format_instant
from hourtally.model.schemas import CONTENT, SLICES, STORED_SLICES, USAGE_KEY, Schema, conform

_IDENTITY: Final = ("event_source", "event_id")
_EXTENT: Final = ("slice_start_ms", "slice_end_ms")
# What is equal in these, beside the identity, is equal in `CONTENT`: the key stands for all texts.
_SHORT_CONTENT: Final = (*USAGE_KEY, "start_ms", "end_ms", *QUANTITIES)
# What `sql/usage.sql` reads of a slice.
TAKEN_BACK: Final[Schema] = {
    "slice_row": pl.Int64,
    **{column: STORED_SLICES[column] for column in (*USAGE_KEY, *_EXTENT, *QUANTITIES)},
}
# Of a conflict's contents the manifest tells these of the one that counts.
_TOLD: Final = ("event_type", "customer_id", "project_id", "resource_id")

CONFLICTS: Final[Schema] = {
    **dict.fromkeys(_IDENTITY, pl.String),
    "contents": pl.UInt32,
    **dict.fromkeys(_TOLD, pl.String),
    "event_time_us": pl.Int64,
}
"""Grain: one identity with several contents in the hour; the columns tell the one that counts."""


@dataclass(frozen=True)
class Decided:
    """The slices that stand of those that share an identity; each with its `slice_row`."""

    slices: pl.DataFrame
    conflicts: pl.DataFrame


@dataclass(frozen=True)
class Shared:
    """Of slices that share a digest, those that do not count, and why.

    contradicted: rows of identities with several contents. taken_back: `TAKEN_BACK`, slices that
    equal one that counts, each with its quantities below zero. duplicates: how many slices equal
    another, in both.
    """

    contradicted: pl.Series
    taken_back: pl.DataFrame
    duplicates: int
    conflicts: pl.DataFrame

    def __len__(self) -> int:
        """How many slices do not count."""
        return len(self.contradicted) + len(self.taken_back)


NOTHING_SHARED: Final = Shared(
    contradicted=pl.Series(dtype=pl.Int64),
    taken_back=pl.DataFrame(schema=TAKEN_BACK),
    duplicates=0,
    conflicts=pl.DataFrame(schema=CONFLICTS),
)


def scan(paths: Sequence[Path], first_row: int = 0) -> pl.LazyFrame:
    """Slices files, their rows numbered through all of them, from `first_row`."""
    return pl.scan_parquet(
        list(paths),
        glob=False,
        hive_partitioning=False,
        include_file_paths="path",
        row_index_name="slice_row",
        row_index_offset=first_row,
    )


def _slices_with(
    paths: Sequence[Path], digests: pl.Series, columns: Sequence[str], first_row: int
) -> pl.DataFrame:
    shares = pl.col("identity").is_in(digests.implode())
    return scan(paths, first_row).filter(shares).select(*columns, "slice_row").collect()


def slices_with(paths: Sequence[Path], digests: pl.Series, first_row: int = 0) -> pl.DataFrame:
    """The slices of these identities' digests, `schemas.SLICES` and `slice_row`, their number.

    `path` says of which file.
    """
    if not len(digests):
        return pl.DataFrame(schema={**SLICES, "path": pl.String, "slice_row": pl.UInt32})
    return _slices_with(paths, digests, (*SLICES, "path"), first_row)


def compare(paths: Sequence[Path], suspects: pl.Series, hour: Hour, first_row: int) -> Shared:
    """Find what is said again, or contradicted, among the slices of digests that several have.

    Args:
        paths: the hour's slices files.
        suspects: digests that several of its slices have.
        hour: which.
        first_row: the number of its first slice.
    """
    columns = (*_IDENTITY, "identity", *_SHORT_CONTENT)
    slices = _slices_with(paths, suspects, columns, first_row)
    contents = slices.group_by(columns).agg(pl.col("slice_row").min())
    several = contents.group_by(*_IDENTITY, "identity").len().filter(pl.col("len") > 1)
    contested = several["identity"].unique()
    is_contested = pl.col("identity").is_in(contested.implode())
    contradicted, conflicts = NOTHING_SHARED.contradicted, NOTHING_SHARED.conflicts
    if len(contested):
        decided = decide(slices_with(paths, contested, first_row))
        contested_rows = slices.filter(is_contested)["slice_row"]
        stands = contested_rows.is_in(decided.slices["slice_row"].implode())
        contradicted, conflicts = contested_rows.filter(~stands), decided.conflicts
    repeats = ~is_contested & ~pl.col("slice_row").is_in(contents["slice_row"].implode())
    return Shared(
        contradicted=contradicted.cast(pl.Int64),
        taken_back=_taken_back(slices.filter(repeats), hour),
        duplicates=len(slices) - len(contents),
        conflicts=conflicts,
    )


def _taken_back(repeats: pl.DataFrame, hour: Hour) -> pl.DataFrame:
    """`TAKEN_BACK` of slices of this hour."""
    return repeats.with_columns(
        *(-pl.col(quantity) for quantity in QUANTITIES),
        slice_start_ms=pl.max_horizontal("start_ms", pl.lit(hour.start_ms, pl.Int64)),
        slice_end_ms=pl.min_horizontal("end_ms", pl.lit(hour.end_ms, pl.Int64)),
    ).select(pl.col(column).cast(of) for column, of in TAKEN_BACK.items())


def decide(shared: pl.DataFrame) -> Decided:
    """Decide between slices of the same identity; all of an identity's have to be there.

    Equal contents are one, with the earliest time; of several contents the one with the
    earliest time counts, absent last, then the smallest (contract, section 2).
    """
    contents = shared.group_by(*_IDENTITY, *CONTENT, *_EXTENT, "identity").agg(
        pl.col("event_time_us").min(), pl.col("slice_row").min()
    )
    ranked = contents.sort(
        *_IDENTITY,
        "event_time_us",
        *CONTENT,
        nulls_last=[False, False, True, *(False for _ in CONTENT)],
    )
    standing = ranked.unique(_IDENTITY, keep="first", maintain_order=True)
    counts = contents.group_by(_IDENTITY).agg(pl.len().cast(pl.UInt32).alias("contents"))
    conflicts = (
        standing.join(counts, on=_IDENTITY, validate="1:1")
        .filter(pl.col("contents") > 1)
        .select(CONFLICTS.keys())
        .sort(_IDENTITY)
    )
    return Decided(
        slices=standing.select(*SLICES, "slice_row"),
        conflicts=conform(conflicts, CONFLICTS),
    )


def describe_conflicts(conflicts: pl.DataFrame, most: int) -> list[dict[str, Any]]:
    """The first conflicts as a manifest lists them."""
    listed = []
    for row in conflicts.head(most).iter_rows(named=True):
        time_us = row.pop("event_time_us")
        time = None if time_us is None else format_instant(time_us // 1_000)
        listed.append(row | {"time": time})
    return listed
