"""Spans of time: overlapping and touching ones merged."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def merged_spans(spans: pl.DataFrame, key: Sequence[str], *more: pl.Expr) -> pl.DataFrame:
    """The union of the half-open spans `[from_ms, until_ms)` of each key.

    Args:
        spans: `key`, `from_ms`, `until_ms`.
        key: the columns that tell one set of spans from another.
        more: aggregates over the spans that make one.

    Returns:
        `key`, `from_ms`, `until_ms` and `more`: sorted, and apart from each other in each key.
    """
    in_order = spans.sort(*key, "from_ms", nulls_last=False)
    number = in_order.select(pl.struct(key).rle_id()).to_series().alias("key")
    reached = pl.col("until_ms").cum_max().over("key").shift()
    begins = (pl.col("key") != pl.col("key").shift()) | (pl.col("from_ms") > reached)
    return (
        in_order.with_columns(number)
        .with_columns(begins.fill_null(value=True).cum_sum().alias("span"))
        .group_by("span", maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in key),
            pl.col("from_ms").first(),
            pl.col("until_ms").max(),
            *more,
        )
        .drop("span")
    )
