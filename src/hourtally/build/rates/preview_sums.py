"""The frames of a preview, summed up group by group of hours.

Sums are exact and in 128 bits. Each function takes the sums so far and those of a group, so memory
is bounded by the rows of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from hourtally.model.hours import HOUR_SECONDS
from hourtally.model.schemas import HELD, HOUR, Schema, hourly
from hourtally.ratecard import Gap, Suggestions

COMPARED: Final = "compared"
WAS_HELD: Final = "held before"
WOULD_BE_HELD: Final = "would be held"

PART_CUSTOMERS: Final[Schema] = {
    "part": pl.String,
    "customer_id": pl.String,
    "hours": pl.Int64,
    "first": pl.Int64,
    "last": pl.Int64,
}
"""Grain: one customer in one of the two parts that hold. first, last: timestamps of hours."""

_GAP: Final = tuple(HELD)[:6]
_EXAMPLE: Final = ("team_id", "project_id", "resource_id", "batch")
GAPS: Final[Schema] = {
    **{name: HELD[name] for name in (*_GAP, "from_ms", "until_ms")},
    "hours": pl.Int64,
    **{name: HELD[name] for name in ("resources", *_EXAMPLE)},
}
"""Grain: one customer x meter x selectors of its usage without a rate, in all the hours.

[from_ms, until_ms) spans it. resources: the most that are without a rate in one span.
"""


def row_schema(key: Sequence[str]) -> Schema:
    """The rows of a preview with this key: `before` and `after` of a part, in nanocents."""
    texts = dict.fromkeys(("part", "currency", *key, "meter"), pl.String)
    return {**texts, "before": pl.Int128, "after": pl.Int128}


def part_rows(amounts: pl.DataFrame, side: str, held: pl.DataFrame, part: str) -> pl.DataFrame:
    """Amounts of a group as rows: those of `held` customers are of `part`, others are compared.

    Args:
        amounts: hourly, with `customer_id`, `currency` and `nanocents`.
        side: `before` or `after`.
        held: `CUSTOMER_KEY`.
        part: of the customers in `held`.
    """
    marked = held.with_columns(part=pl.lit(part))
    return amounts.join(marked, on=[HOUR, "customer_id"], how="left", validate="m:1").with_columns(
        pl.col("part").fill_null(COMPARED),
        **{
            name: pl.col("nanocents") if name == side else pl.lit(0, pl.Int128)
            for name in ("before", "after")
        },
    )


def sum_rows(rows: Sequence[pl.DataFrame], key: Sequence[str]) -> pl.DataFrame:
    """`row_schema(key)`: the sums of rows."""
    schema = row_schema(key)
    by = [name for name in schema if name not in {"before", "after"}]
    every = pl.concat([pl.DataFrame(schema=schema), *(one.select(list(schema)) for one in rows)])
    return every.group_by(by).agg(pl.col("before", "after").sum()).select(list(schema))


def part_customers(held: pl.DataFrame, part: str) -> pl.DataFrame:
    """`PART_CUSTOMERS` of a group: `held` is `CUSTOMER_KEY`."""
    hour = pl.col(HOUR)
    found = held.group_by("customer_id").agg(
        hours=hour.n_unique().cast(pl.Int64), first=hour.min(), last=hour.max()
    )
    return found.select(pl.lit(part).alias("part"), "customer_id", "hours", "first", "last")


def sum_customers(customers: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """`PART_CUSTOMERS` of hours that are in one of the frames each."""
    every = pl.concat([pl.DataFrame(schema=PART_CUSTOMERS), *customers])
    return every.group_by("part", "customer_id").agg(
        pl.col("hours").sum(), pl.col("first").min(), pl.col("last").max()
    )


def gaps_of(held: pl.DataFrame) -> pl.DataFrame:
    """`GAPS` of a group: `held` is `schemas.HELD`, hourly."""
    assert list(held.columns) == list(hourly(HELD)), held.columns
    hours = held.group_by(_GAP).agg(hours=pl.col(HOUR).n_unique().cast(pl.Int64))
    return (
        _merged(held.with_columns(hours=pl.lit(0, pl.Int64)).drop(HOUR))
        .drop("hours")
        .join(hours, on=_GAP, how="left", nulls_equal=True, validate="1:1")
        .select(list(GAPS))
    )


def sum_gaps(gaps: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """`GAPS` of hours that are in one of the frames each, sorted."""
    every = pl.concat([pl.DataFrame(schema=GAPS), *gaps])
    return _merged(every).select(list(GAPS)).sort(_GAP, nulls_last=False)


def add_gaps(suggestions: Suggestions, held: pl.DataFrame) -> None:
    """Add what is held to the gaps that suggested rates close; `held` is hourly, sorted.

    Where a card lacks a meter there is a gap for each of its users and hours: they are summed up
    first, as to add them one by one would take longer than all the rest.
    """
    for (meter,), rows in held.group_by("meter", maintain_order=True):
        if not suggestions.are_alike(str(meter)):
            for row in rows.drop(HOUR).iter_rows(named=True):
                suggestions.add(Gap(**row))
            continue
        alike = rows.group_by(_GAP[1:], maintain_order=True).agg(
            pl.struct(list(HELD)).first().alias("example"),
            customers=pl.col("customer_id").unique(),
            hours=pl.col(HOUR).unique() // HOUR_SECONDS,
            first_ms=pl.col("from_ms").min(),
            last_ms=pl.col("until_ms").max(),
        )
        for example, customers, hours, first_ms, last_ms in alike.select(
            "example", "customers", "hours", "first_ms", "last_ms"
        ).iter_rows():
            suggestions.add_alike(Gap(**example), customers, hours, first_ms, last_ms)


def _merged(gaps: pl.DataFrame) -> pl.DataFrame:
    """One row for each gap; the example is that of the earliest span."""
    return (
        gaps.sort("from_ms", *_EXAMPLE)
        .group_by(_GAP, maintain_order=True)
        .agg(
            pl.col("from_ms").min(),
            pl.col("until_ms").max(),
            pl.col("hours").sum(),
            pl.col("resources").max(),
            *(pl.col(name).first() for name in _EXAMPLE),
        )
    )
