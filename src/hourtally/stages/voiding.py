"""Voiding: the slices of an hour that its voids cancel.

A void cancels an identity, whatever its slices say, in whatever batch they are. So voided slices
leave the hour before duplicates and conflicts are looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from hourtally.model.hours import format_instant
from hourtally.model.schemas import VOID_CONTENT
from hourtally.stages.deduplication import with_digests

_EVENT: Final = ("event_source", "event_id")
_VOIDED: Final = ("voided_source", "voided_id")
_INTERVAL: Final = ("start_ms", "end_ms")


@dataclass(frozen=True)
class VoidCounts:
    """What the voids of an hour did.

    Attributes:
        count: different voids that touch the hour.
        slices_voided: stored slices that they cancel, in whatever batch.
        unmatched: voids whose identity has no slice in the hour.
        unmatched_example: one of them, a row of `schemas.VOIDS`.
        other_intervals: voided identities with an event whose interval none of their voids has:
            in hours outside the void's interval, that event still counts.
        other_interval_example: such an event (`event_start_ms`, `event_end_ms`) and a void of it.
    """

    count: int = 0
    slices_voided: int = 0
    unmatched: int = 0
    unmatched_example: Mapping[str, Any] | None = None
    other_intervals: int = 0
    other_interval_example: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Voided:
    """The slices of an hour that do not count because of a void. rows: their `slice_row`."""

    rows: pl.Series
    counts: VoidCounts


def find_voided(slices: pl.LazyFrame, digests: pl.Series, voids: pl.DataFrame) -> Voided:
    """Find the slices of an hour that its voids cancel.

    Identities are compared by their digests first, then exactly.

    Args:
        slices: of the hour, `schemas.STORED_SLICES` and `slice_row`.
        digests: of the slices' identities, at least those that a void names.
        voids: that touch the hour, `schemas.STORED_VOIDS`, repeated or not.
    """
    if voids.is_empty():
        return Voided(pl.Series("slice_row", dtype=pl.Int64), VoidCounts())
    distinct = voids.unique(VOID_CONTENT, keep="any").sort(VOID_CONTENT)
    shared = digests.filter(digests.is_in(distinct["identity"].implode())).unique()
    candidates = with_digests(slices, shared, (*_EVENT, *_INTERVAL))
    voided = candidates.join(distinct, left_on=_EVENT, right_on=_VOIDED, how="semi")
    unmatched = distinct.join(voided, left_on=_VOIDED, right_on=_EVENT, how="anti")
    other = voided.join(
        distinct,
        left_on=(*_EVENT, *_INTERVAL),
        right_on=(*_VOIDED, *_INTERVAL),
        how="anti",
    ).sort(*_EVENT, *_INTERVAL)
    counts = VoidCounts(
        count=len(distinct),
        slices_voided=len(voided),
        unmatched=len(unmatched),
        unmatched_example=_first(unmatched.sort(VOID_CONTENT)),
        other_intervals=len(other.unique(_EVENT)),
        other_interval_example=_first(
            other.head(1)
            .select(
                *(pl.col(name).alias(new) for name, new in zip(_EVENT, _VOIDED, strict=True)),
                *(pl.col(name).alias(f"event_{name}") for name in _INTERVAL),
            )
            .join(distinct, on=_VOIDED, how="inner")
            .sort(VOID_CONTENT)
        ),
    )
    return Voided(voided["slice_row"].cast(pl.Int64), counts)


def _first(rows: pl.DataFrame) -> Mapping[str, Any] | None:
    return next(rows.iter_rows(named=True), None)


def describe_voids(counts: VoidCounts) -> dict[str, Any]:
    """What the voids of an hour did, as a manifest has it."""
    unmatched, other = counts.unmatched_example, counts.other_interval_example
    return {
        "count": counts.count,
        "slices_voided": counts.slices_voided,
        "unmatched": counts.unmatched,
        "unmatched_example": unmatched and _describe_void(unmatched),
        "other_intervals": counts.other_intervals,
        "other_interval_example": other
        and {
            "event_start": format_instant(other["event_start_ms"]),
            "event_end": format_instant(other["event_end_ms"]),
            **_describe_void(other),
        },
    }


def _describe_void(void: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": void["source"],
        "id": void["id"],
        "voided_source": void["voided_source"],
        "voided_id": void["voided_id"],
        "start": format_instant(void["start_ms"]),
        "end": format_instant(void["end_ms"]),
    }
