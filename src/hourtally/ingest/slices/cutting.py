"""Events to slices, cut at hour boundaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from hourtally.model.hours import HOUR_MS, HOUR_SECONDS
from hourtally.model.schemas import EVENTS

# Bounds memory: an event of a month has 745 slices, so a block of 100,000 events may have 74
# million.
_CHUNK_SLICES = 200_000
# Files that are staged together share one sort: in the column `hour`, file n counts from n times
# this. No hour before the year 10000 reaches it, and a million files fit 64 bits.
SECONDS_PER_FILE: Final = 1 << 38
FILE: Final = "file"


def chunks_to_slice(events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Events in chunks that give about `_CHUNK_SLICES` slices each, in the same order."""
    hours = (pl.col("end_ms") - 1) // HOUR_MS - pl.col("start_ms") // HOUR_MS + 1
    chunk = events.select(hours.cum_sum() // _CHUNK_SLICES).to_series()
    if len(events) and chunk[-1] == 0:
        yield events
        return
    numbered = events.with_columns(chunk=chunk)
    yield from numbered.partition_by("chunk", maintain_order=True, include_key=False)


def slices_of(events: pl.DataFrame) -> pl.DataFrame:
    """Cut events at hour boundaries.

    Args:
        events: `schemas.EVENTS`, and `FILE` where they are of several files.

    Returns:
        `hour`, the start of the slice's hour in Unix seconds, counted from its file's
        `SECONDS_PER_FILE`; then `schemas.SLICES`.
    """
    last_hour = (pl.col("end_ms") - 1) // HOUR_MS
    cut = events.with_columns(
        hour=pl.col("start_ms") // HOUR_MS, slice_start_ms="start_ms", slice_end_ms="end_ms"
    )
    is_in_one_hour = cut.select(pl.col("hour") == last_hour).to_series()
    if not is_in_one_hour.all():
        hours = pl.int_ranges("hour", last_hour + 1).alias("hour")
        across = cut.filter(~is_in_one_hour).with_columns(hours).explode("hour")
        hour_start_ms = pl.col("hour") * HOUR_MS
        across = across.with_columns(
            slice_start_ms=pl.max_horizontal("start_ms", hour_start_ms),
            slice_end_ms=pl.min_horizontal("end_ms", hour_start_ms + HOUR_MS),
        )
        cut = pl.concat([cut.filter(is_in_one_hour), across])
    hour = pl.col("hour") * HOUR_SECONDS
    if FILE in events.columns:
        hour += pl.col(FILE).cast(pl.Int64) * SECONDS_PER_FILE
    return cut.select(hour, *EVENTS, "slice_start_ms", "slice_end_ms")
