"""Events to slices: cut at hour boundaries, in order, each identity and content once a file."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from hourtally.hours import HOUR_MS, HOUR_SECONDS
from hourtally.schemas import CONTENT, EVENTS, RESOURCE_ORDER, SLICE_ORDER, SLICES

_IDENTITY = ("event_source", "event_id")
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
    first = pl.col("start_ms") // HOUR_MS
    last = (pl.col("end_ms") - 1) // HOUR_MS
    cut = events.with_columns(hour=first, last_hour=last)
    within = cut.filter(pl.col("hour") == pl.col("last_hour"))
    across = (
        cut.filter(pl.col("hour") != pl.col("last_hour"))
        .with_columns(hour=pl.int_ranges("hour", pl.col("last_hour") + 1))
        .explode("hour")
    )
    hour_start_ms = pl.col("hour") * HOUR_MS
    return pl.concat([within, across]).select(
        (pl.col("hour") * HOUR_SECONDS).alias("hour"),
        *EVENTS,
        pl.max_horizontal("start_ms", hour_start_ms).alias("slice_start_ms"),
        pl.min_horizontal("end_ms", hour_start_ms + HOUR_MS).alias("slice_end_ms"),
    )


def sort_key() -> pl.Expr:
    """One text by which slices sort as by the resource's columns of `SLICE_ORDER`.

    No id has a control character, so NUL is before all that can follow a column's text; and
    null is before every text, as the empty text is.
    """
    columns = (pl.col(column).fill_null("") for column in RESOURCE_ORDER)
    return pl.concat_str(*columns, separator="\0").alias("sort_key")


def slice_sort_key() -> pl.Expr:
    """One text by which slices sort as `in_order` has them; equal ones have equal ones.

    Instants from year 1 on, in milliseconds, are above -2^46, and below 2^48.
    """
    extent = (
        (pl.col(column) + 2**46).cast(pl.String).str.zfill(15)
        for column in SLICE_ORDER[len(RESOURCE_ORDER) :]
    )
    identity = pl.col("identity").cast(pl.String).str.zfill(20)
    return pl.concat_str(sort_key(), *extent, identity, separator="\0").alias("sort_key")


def in_order(slices: pl.DataFrame) -> pl.DataFrame:
    """Slices of one hour, sorted as their file is; what is equal in all of that keeps its order.

    An hour has many slices of each resource, so the resources are sorted, and the slices by
    their numbers: a quarter of the time that sorting all of their texts takes.
    """
    extent = SLICE_ORDER[len(RESOURCE_ORDER) :]
    keys = slices.select(sort_key())
    resources = keys.unique().sort("sort_key").with_row_index("resource")
    numbers = keys.join(
        resources, on="sort_key", how="left", validate="m:1", maintain_order="left"
    ).get_column("resource")
    by = slices.select(numbers, *extent, "identity")
    return slices[by.select(pl.arg_sort_by(by.columns, maintain_order=True)).to_series()]


def without_duplicates(slices: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Slices of one hour and file with each identity and content once.

    Of equal ones the earliest time stands; where none has a time, none stands.

    Returns:
        The slices, and how many events were left out: an event counts in its first hour only.
    """
    repeated = slices["identity"].is_duplicated()
    if not repeated.any():
        return slices, 0
    suspects = slices.filter(repeated)
    kept = (
        suspects.group_by(
            *(*CONTENT, *_IDENTITY, "identity", "slice_start_ms", "slice_end_ms"),
            # Else one file would give other bytes each time.
            maintain_order=True,
        )
        .agg(pl.col("event_time_us").min(), copies=pl.len() - 1)
        .with_columns(first=pl.col("slice_start_ms") == pl.col("start_ms"))
    )
    left_out = int(kept.filter("first")["copies"].sum())
    return pl.concat([slices.filter(~repeated), kept.select(SLICES.keys())]), left_out
