"""Which rate brought in how much of each charge.

A charge is rounded once, over all rates that priced it. Its rates, in the order of their ids, share
it by the exact sums up to and with each: rounded, and less the one before. So shares are whole
nanocents, add up to the charge, and are the charge itself where one rate priced all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

import polars as pl

from hourtally.model.money import round_half_even
from hourtally.model.money_expressions import round_half_even_expr
from hourtally.model.schemas import CUSTOMER_KEY, HOUR, RESOURCE_KEY, Schema, conform
from hourtally.stages.rate_lookup import Lookup
from hourtally.stages.rating import Pricing, pricing_of
from hourtally.stages.rollup import parent_numbers

RATE_SHARES: Final[Schema] = {
    CUSTOMER_KEY[0]: pl.Int64,
    CUSTOMER_KEY[1]: pl.String,
    "rate": pl.String,
    "meter": pl.String,
    "nanocents": pl.Int128,
}
"""Grain: one customer's charges of an hour by one rate, above zero."""


def rate_shares(lookups: Iterable[Lookup]) -> pl.DataFrame:
    """`RATE_SHARES` of hours.

    Args:
        lookups: without the customers that are held.
    """
    shares = [frame for lookup in lookups for frame in _of_lookup(lookup)]
    summed = (
        pl.concat(shares)
        .group_by(*CUSTOMER_KEY, "rate", "meter")
        .agg(pl.col("nanocents").sum())
        .filter(pl.col("nanocents") > 0)
        .sort(*CUSTOMER_KEY, "rate")
    )
    return conform(summed.select(list(RATE_SHARES)), RATE_SHARES)


def _of_lookup(lookup: Lookup) -> Iterator[pl.DataFrame]:
    """The shares of each component: a row for each customer and rate."""
    rows = lookup.rows
    customer = parent_numbers(rows, CUSTOMER_KEY).alias("customer")
    resource = parent_numbers(rows, (HOUR, *RESOURCE_KEY)).alias("resource")
    # By its number, a customer and hour is told much faster than by its id.
    ids = rows.select(customer, *CUSTOMER_KEY).unique("customer")
    for number, component in enumerate(lookup.components):
        rate_ids = sorted({rate.id for rate in lookup.rates[number] if rate is not None})
        position = {rate_id: at for at, rate_id in enumerate(rate_ids)}
        rates = [None if rate is None else position[rate.id] for rate in lookup.rates[number]]
        pricing = pricing_of(lookup, number)
        priced = rows.select(
            customer,
            resource,
            pl.Series("rate", rates, pl.Int64).gather(rows["case"]),
            pl.col("case"),
            pl.col(component.usage).alias("used"),
        ).filter((pl.col("used") > 0) & pl.col("rate").is_not_null())
        is_bounded = pricing.is_bounded(rows)
        shares = _bounded(priced, pricing) if is_bounded else _unbounded(priced, pricing)
        summed = shares.group_by("customer", "rate").agg(pl.col("nanocents").sum())
        yield summed.join(ids, on="customer", how="left", validate="m:1").select(
            *CUSTOMER_KEY,
            pl.Series("rate", rate_ids, pl.String).gather(summed["rate"]),
            pl.lit(component.meter).alias("meter"),
            "nanocents",
        )


def _bounded(priced: pl.DataFrame, pricing: Pricing) -> pl.DataFrame:
    """`customer`, `resource`, `rate` (by number, in the order of the ids), `nanocents`."""
    multipliers = pl.Series(pricing.multipliers, dtype=pl.Int128).gather(priced["case"])
    by_rate = (
        priced.with_columns(numerator=pl.col("used") * multipliers)
        .group_by("resource", "rate")
        .agg(pl.col("customer").first(), pl.col("numerator").sum())
    )
    # Nearly all charges have one rate, and sums over windows take a hundred times as long.
    has_several = by_rate["resource"].is_duplicated()
    several = (
        by_rate.filter(has_several)
        .sort("resource", "rate")
        .with_columns(pl.col("numerator").cum_sum().over("resource"))
    )
    nanocents = round_half_even_expr(pl.col("numerator"), pl.lit(pricing.denominator, pl.Int128))
    before = pl.col("nanocents").shift().over("resource").fill_null(0)
    return pl.concat(
        [
            by_rate.filter(~has_several).with_columns(nanocents=nanocents),
            several.with_columns(nanocents=nanocents).with_columns(pl.col("nanocents") - before),
        ]
    )


def _unbounded(priced: pl.DataFrame, pricing: Pricing) -> pl.DataFrame:
    """The same in Python's integers, for prices or usage beyond 126 bits."""
    exact: dict[tuple[int, int, int], Fraction] = {}
    for customer, resource, rate, case, used in priced.iter_rows():
        key = (resource, rate, customer)
        exact[key] = exact.get(key, Fraction(0)) + used * pricing.factors[case]
    rows: list[tuple[int, int, int, int]] = []
    upto: dict[int, Fraction] = {}
    for (resource, rate, customer), share in sorted(exact.items()):
        before = upto.get(resource, Fraction(0))
        upto[resource] = before + share
        nanocents = round_half_even(upto[resource]) - round_half_even(before)
        rows.append((customer, resource, rate, nanocents))
    schema = {**priced.select("customer", "resource", "rate").schema, "nanocents": pl.Int128()}
    return pl.DataFrame(rows, schema, orient="row")
