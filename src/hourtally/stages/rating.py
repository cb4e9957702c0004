"""Rating: usage and rates to charges, exact and rounded once per resource and component.

Beside the charges stand the reported quantities of the same usage (`reported_hours`).

For one component all rates in use are brought to a common denominator D. The charge of a resource
is then `round_half_even(sum(usage x multiplier) / D)`, in 128-bit integers where the hour's own
maxima prove that they suffice, else in Python's unbounded integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

import polars as pl

from hourtally.errors import BoundExceeded
from hourtally.model.money import MAX_NANOCENTS, MAX_NUMERATOR, round_half_even
from hourtally.model.money_expressions import round_half_even_expr
from hourtally.model.schemas import CHARGES, CLUSTERS, HOUR, RESOURCE_KEY, conform, hourly
from hourtally.stages.display_names import latest_names
from hourtally.stages.rate_lookup import Lookup
from hourtally.stages.reported_hours import SPOT_USAGE, spot_usage, with_reported_hours
from hourtally.stages.rollup import parent_numbers


@dataclass(frozen=True)
class Rated:
    """charges: `schemas.CHARGES`. clusters: `schemas.CLUSTERS`. Hourly; sorted by their keys."""

    charges: pl.DataFrame
    clusters: pl.DataFrame


def rate(lookups: Iterable[Lookup]) -> Rated:
    """Price the usage of hours: of resources, then of clusters.

    Args:
        lookups: without the customers that are held, so that all usage above zero has a rate.

    Raises:
        BoundExceeded: a charge or a reported quantity does not fit its column.
    """
    charges, clusters = (_charges(lookup) for lookup in lookups)
    clusters = clusters.rename({"resource_id": "cluster_id", "resource_name": "cluster_name"})
    return Rated(
        charges=conform(charges.select(HOUR, *CHARGES), hourly(CHARGES)),
        clusters=conform(clusters.select(HOUR, *CLUSTERS), hourly(CLUSTERS)),
    )


@dataclass(frozen=True)
class Pricing:
    """One component: its usage column, its charge column, and the factor of each case.

    A case without a rate has factor 0: its usage is zero, or of customers that are held.
    """

    usage: str
    charge: str
    factors: list[Fraction]

    @property
    def denominator(self) -> int:
        """The least common denominator of all factors."""
        return math.lcm(*(factor.denominator for factor in self.factors))

    @property
    def multipliers(self) -> list[int]:
        """The factors' numerators over the common denominator."""
        common = self.denominator
        return [factor.numerator * (common // factor.denominator) for factor in self.factors]

    def is_bounded(self, rows: pl.DataFrame) -> bool:
        """Whether every sum and multiplier fits 128 bits; one resource has at most all the rows.

        The multipliers also where nothing is used: prices that lie far apart have long ones.
        """
        most_usage = max(int(str(rows[self.usage].max() or 0)), 1)
        bound = most_usage * max(self.multipliers, default=0) * max(len(rows), 1)
        return max(bound, self.denominator) < MAX_NUMERATOR


def pricing_of(lookup: Lookup, number: int) -> Pricing:
    """How one of the components of a lookup is priced."""
    component = lookup.components[number]
    factors = [factor or Fraction(0) for factor in lookup.factors[number]]
    return Pricing(component.usage, component.charge, factors)


def _charges(lookup: Lookup) -> pl.DataFrame:
    """Charges, their total, quantities, usage and the name; one row per resource, sorted.

    Its rows are sorted by hour and resource, so resources can be numbered: numbers group faster.
    """
    rows = lookup.rows.with_columns(spot_usage())
    pricings = [pricing_of(lookup, number) for number in range(len(lookup.components))]
    bounded = [pricing for pricing in pricings if pricing.is_bounded(rows)]
    multipliers = [
        pl.Series(f"{pricing.usage}_multiplier", pricing.multipliers, dtype=pl.Int128).gather(
            rows["case"]
        )
        for pricing in bounded
    ]
    key = (HOUR, *RESOURCE_KEY)
    numbers = parent_numbers(rows, key)
    table = (
        rows.with_columns(multipliers)
        .group_by(numbers, maintain_order=True)
        .agg(
            pl.col(key).first(),
            *(pl.col(p.usage).sum() for p in pricings),
            pl.col(SPOT_USAGE).sum(),
            *(_priced(p.usage, p.charge) for p in bounded),
        )
        .with_columns(_rounded(p.charge, p.denominator) for p in bounded)
    )
    if len(bounded) < len(pricings):
        table = table.with_columns(
            _charges_unbounded(rows, numbers, p) for p in pricings if p not in bounded
        )
    parts = [pricing.charge for pricing in pricings]
    # Check the parts first: adding four numbers below 2^126 may wrap, four that fit 63 bits cannot.
    _check_fits(table, parts)
    table = table.with_columns(pl.sum_horizontal(parts).alias("total_nanocents"))
    _check_fits(table, ["total_nanocents"])
    return with_reported_hours(table, lookup.event_type).with_columns(
        pl.col("total_nanocents", *parts).cast(pl.Int64),
        *(_stored(pricing.usage) for pricing in pricings),
        latest_names(rows, numbers, "resource_name", "resource_id"),
    )


@cache
def _stored(usage: str) -> pl.Expr:
    return pl.col(usage).cast(pl.Decimal(38, 0))


@cache
def _priced(usage: str, charge: str) -> pl.Expr:
    return (pl.col(usage) * pl.col(f"{usage}_multiplier")).sum().alias(charge)


@lru_cache
def _rounded(charge: str, denominator: int) -> pl.Expr:
    return round_half_even_expr(pl.col(charge), pl.lit(denominator, dtype=pl.Int128))


def _charges_unbounded(rows: pl.DataFrame, numbers: pl.Series, pricing: Pricing) -> pl.Series:
    """One component in Python's integers, for prices or usage beyond 126 bits."""
    exact: dict[int, Fraction] = {}
    for number, used, case in rows.select(numbers, pricing.usage, "case").iter_rows():
        exact[number] = exact.get(number, Fraction(0)) + used * pricing.factors[case]
    charges = [round_half_even(charge) for charge in exact.values()]
    if max(charges, default=0) > MAX_NANOCENTS:
        raise _too_large(pricing.charge)
    return pl.Series(pricing.charge, charges, dtype=pl.Int128)


def _check_fits(table: pl.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if int(str(table[column].max() or 0)) > MAX_NANOCENTS:
            raise _too_large(column)


def _too_large(column: str) -> BoundExceeded:
    message = (
        f"a charge ({column}) exceeds {MAX_NANOCENTS} nanocents, the most that can be stored: "
        "nothing of the hour is published. Look for a wrong price or quantity."
    )
    return BoundExceeded(message)
