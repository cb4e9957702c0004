"""Which rate brought in how much of each charge.

A charge is rounded once, over all rates that priced it. Its rates, in the order of their ids, share
it by the exact sums up to and with each: rounded, and less the one before. So shares are whole
nanocents, add up to the charge, and are the charge itself where one rate priced all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import polars as pl

from hourtally.model.money import round_half_even
from hourtally.model.money_expressions import round_half_even_expr
from hourtally.model.schemas import CUSTOMER_KEY, HOUR, RESOURCE_KEY, Schema, conform
from hourtally.stages.rate_lookup import Component, Lookup
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
    shares = [
        _shares(lookup, component, number)
        for lookup in lookups
        for number, component in enumerate(lookup.components)
    ]
    summed = (
        pl.concat(shares)
        .group_by(*CUSTOMER_KEY, "rate", "meter")
        .agg(pl.col("nanocents").sum())
        .filter(pl.col("nanocents") > 0)
        .sort(*CUSTOMER_KEY, "rate")
    )
    return conform(summed.select(list(RATE_SHARES)), RATE_SHARES)


def _shares(lookup: Lookup, component: Component, number: int) -> pl.DataFrame:
    """The shares of one component: a row for each resource and rate."""
    ids = [None if rate is None else rate.id for rate in lookup.rates[number]]
    pricing = pricing_of(lookup, number)
    rows = lookup.rows
    resource = parent_numbers(rows, (HOUR, *RESOURCE_KEY))
    priced = rows.select(
        *CUSTOMER_KEY,
        resource.alias("resource"),
        pl.Series("rate", ids, pl.String).gather(rows["case"]),
        pl.col("case"),
        pl.col(component.usage).alias("used"),
    ).filter((pl.col("used") > 0) & pl.col("rate").is_not_null())
    is_bounded = pricing.is_bounded(rows)
    share = _bounded(priced, pricing) if is_bounded else _unbounded(priced, pricing)
    return share.select(
        *CUSTOMER_KEY, "rate", pl.lit(component.meter).alias("meter"), pl.col("nanocents")
    )


def _bounded(priced: pl.DataFrame, pricing: Pricing) -> pl.DataFrame:
    multipliers = pl.Series(pricing.multipliers, dtype=pl.Int128).gather(priced["case"])
    denominator = pl.lit(pricing.denominator, pl.Int128)
    upto = round_half_even_expr(pl.col("numerator").cum_sum().over("resource"), denominator)
    return (
        priced.with_columns(numerator=pl.col("used") * multipliers)
        .group_by(*CUSTOMER_KEY, "resource", "rate")
        .agg(pl.col("numerator").sum())
        .sort("resource", "rate")
        .with_columns(upto.alias("upto"))
        .with_columns(
            nanocents=pl.col("upto") - pl.col("upto").shift().over("resource").fill_null(0)
        )
    )


def _unbounded(priced: pl.DataFrame, pricing: Pricing) -> pl.DataFrame:
    """The same in Python's integers, for prices or usage beyond 126 bits."""
    exact: dict[tuple[int, str, int, str], Fraction] = {}
    for timestamp, customer, resource, rate, case, used in priced.iter_rows():
        key = (resource, rate, timestamp, customer)
        exact[key] = exact.get(key, Fraction(0)) + used * pricing.factors[case]
    rows: list[tuple[int, str, str, int]] = []
    upto: dict[int, Fraction] = {}
    for (resource, rate, timestamp, customer), share in sorted(exact.items()):
        before = upto.get(resource, Fraction(0))
        upto[resource] = before + share
        nanocents = round_half_even(upto[resource]) - round_half_even(before)
        rows.append((timestamp, customer, rate, nanocents))
    schema = {name: RATE_SHARES[name] for name in (*CUSTOMER_KEY, "rate", "nanocents")}
    return pl.DataFrame(rows, schema, orient="row")
