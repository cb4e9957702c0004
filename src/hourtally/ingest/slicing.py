"""Events to slices: cut at hour boundaries."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from hourtally.model.hours import HOUR_MS, HOUR_SECONDS
from hourtally.model.schemas import EVENTS

_PORTION_SLICES = 200_000


def portions_of(events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Events in portions of about `_PORTION_SLICES` slices: an event of a month has 745."""
    hours = (pl.col("end_ms") - 1) // HOUR_MS - pl.col("start_ms") // HOUR_MS + 1
    portion = events.select(hours.cum_sum() // _PORTION_SLICES).to_series()
    if len(events) and portion[-1] == 0:
        yield events
        return
    numbered = events.with_columns(portion=portion)
    yield from numbered.partition_by("portion", maintain_order=True, include_key=False)


def slices_of(events: pl.DataFrame) -> pl.DataFrame:
    """Cut events at hour boundaries.

    Returns:
        `schemas.SLICES` after `hour`, the start of the slice's hour in Unix seconds.
    """
    last_hour = (pl.col("end_ms") - 1) // HOUR_MS
    cut = events.with_columns(
        hour=pl.col("start_ms") // HOUR_MS, slice_start_ms="start_ms", slice_end_ms="end_ms"
    )
    is_within = cut.select(pl.col("hour") == last_hour).to_series()
    if not is_within.all():
        hours = pl.int_ranges("hour", last_hour + 1).alias("hour")
        across = cut.filter(~is_within).with_columns(hours).explode("hour")
        hour_start_ms = pl.col("hour") * HOUR_MS
        across = across.with_columns(
            slice_start_ms=pl.max_horizontal("start_ms", hour_start_ms),
            slice_end_ms=pl.min_horizontal("end_ms", hour_start_ms + HOUR_MS),
        )
        cut = pl.concat([cut.filter(is_within), across])
    return cut.select(pl.col("hour") * HOUR_SECONDS, *EVENTS, "slice_start_ms", "slice_end_ms")
