"""Deduplication: which slices of an identity are duplicates, which conflict, and which one counts.

Duplicates and conflicts are rare, and to look for them in whole rows would take most of a
build. So slices whose identities share a 64-bit digest are compared by identity, quantities and
usage key, and only where one identity has several contents are whole rows read to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from hourtally.model.components import QUANTITIES
from hourtally.model.hours import format_instant
from hourtally.model.schemas import CONTENT, SLICES, USAGE_KEY, Schema, conform

_IDENTITY: Final = ("event_source", "event_id")
_EXTENT: Final = ("slice_start_ms", "slice_end_ms")
# Slices of one identity that are equal in these are equal in `CONTENT`: the usage key stands for
# all texts.
_SHORT_CONTENT: Final = (*USAGE_KEY, "start_ms", "end_ms", *QUANTITIES)
# What the manifest says about the slice of a conflict that counts.
_LISTED: Final = ("event_type", "customer_id", "project_id", "resource_id")

CONFLICTS: Final[Schema] = {
    **dict.fromkeys(_IDENTITY, pl.String),
    "contents": pl.UInt32,
    **dict.fromkeys(_LISTED, pl.String),
    "event_time_us": pl.Int64,
}
"""Grain: one identity with several contents in the hour; other columns are of the one that counts.
"""


@dataclass(frozen=True)
class Decided:
    """slices: those that count, `schemas.SLICES` and `slice_row`. conflicts: `CONFLICTS`."""

    slices: pl.DataFrame
    conflicts: pl.DataFrame


@dataclass(frozen=True)
class NotCounted:
    """The slices of an hour that do not count. rows: the `slice_row` of each.

    duplicates: how many slices of the hour equal another one. conflicts: `CONFLICTS`.
    """

    rows: pl.Series
    duplicates: int
    conflicts: pl.DataFrame


def find_not_counted(slices: pl.LazyFrame, digests: pl.Series) -> NotCounted:
    """Find duplicates and conflicts among the slices of an hour.

    Args:
        slices: of the hour, `schemas.STORED_SLICES` and `slice_row`.
        digests: those that several of its slices have.
    """
    if digests.is_empty():
        nothing = pl.Series("slice_row", dtype=pl.Int64)
        return NotCounted(nothing, 0, pl.DataFrame(schema=CONFLICTS))
    columns = (*_IDENTITY, "identity", *_SHORT_CONTENT)
    sharing = with_digests(slices, digests, columns)
    contents = sharing.group_by(columns).agg(pl.col("slice_row").min())
    several = contents.group_by(*_IDENTITY, "identity").len().filter(pl.col("len") > 1)
    in_conflict = several["identity"].unique()
    decided = decide(with_digests(slices, in_conflict, tuple(SLICES)))
    counted = pl.concat(
        [
            contents.filter(~pl.col("identity").is_in(in_conflict.implode()))["slice_row"],
            decided.slices["slice_row"],
        ]
    )
    rows = sharing["slice_row"]
    return NotCounted(
        rows=rows.filter(~rows.is_in(counted.implode())).cast(pl.Int64),
        duplicates=len(sharing) - len(contents),
        conflicts=decided.conflicts,
    )


def with_digests(slices: pl.LazyFrame, digests: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
    """`columns` and `slice_row` of the slices whose identities have these digests."""
    has_digest = pl.col("identity").is_in(digests.implode())
    return slices.filter(has_digest).select(*columns, "slice_row").collect()


def decide(slices: pl.DataFrame) -> Decided:
    """Decide which slice of each identity counts; all slices of an identity must be given.

    Slices of equal content are one, with their earliest time. Of several contents the one with
    the earliest time counts (absent sorts last), then the smallest (contract, section 2).
    """
    contents = slices.group_by(*_IDENTITY, *CONTENT, *_EXTENT, "identity").agg(
        pl.col("event_time_us").min(), pl.col("slice_row").min()
    )
    ranked = contents.sort(
        *_IDENTITY,
        "event_time_us",
        *CONTENT,
        nulls_last=[False, False, True, *(False for _ in CONTENT)],
    )
    counted = ranked.unique(_IDENTITY, keep="first", maintain_order=True)
    numbers = contents.group_by(_IDENTITY).agg(pl.len().cast(pl.UInt32).alias("contents"))
    conflicts = (
        counted.join(numbers, on=_IDENTITY, validate="1:1")
        .filter(pl.col("contents") > 1)
        .select(CONFLICTS.keys())
        .sort(_IDENTITY)
    )
    return Decided(
        slices=counted.select(*SLICES, "slice_row"),
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
