"""Rating: usage and rates to charges, exact and rounded once per resource and component.

For one component all rates in use are brought to a common denominator D. The charge of a resource
is then `round_half_even(sum(usage x multiplier) / D)`, in 128-bit integers where the hour's own
maxima prove that they suffice, else in Python's unbounded integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final

import polars as pl

from hourtally.errors import BoundExceeded, RateGap, UnratedUsage
from hourtally.model.components import (
    BYOC_COMPONENTS,
    BYOC_PRICES,
    CLUSTER_EVENT,
    PAAS_COMPONENTS,
    PAAS_PRICES,
    RESOURCE_EVENT,
)
from hourtally.model.hours import Hour, format_instant
from hourtally.model.money import MAX_NANOCENTS, MAX_NUMERATOR, round_half_even
from hourtally.model.money_expressions import round_half_even_expr
from hourtally.model.schemas import CHARGES, CLUSTERS, HOUR, RESOURCE_KEY, conform, hourly
from hourtally.ratecard import Rate, RatesInForce
from hourtally.stages.display_names import latest_names
from hourtally.stages.rollup import parent_numbers

# What determines the rate, besides the instant.
_SELECTED_BY: Final = ("rate_customer", "resource_type", "region", "gpu_model", "period")
_GAP_EXAMPLES: Final = 3
_KINDS: Final = (
    (RESOURCE_EVENT, tuple(PAAS_COMPONENTS.values()), PAAS_PRICES),
    (CLUSTER_EVENT, tuple(BYOC_COMPONENTS.values()), BYOC_PRICES),
)


@dataclass(frozen=True)
class Rated:
    """charges: `schemas.CHARGES`. clusters: `schemas.CLUSTERS`. Hourly; sorted by their keys."""

    charges: pl.DataFrame
    clusters: pl.DataFrame


def rate(
    usage: pl.DataFrame,
    rates: Iterable[Rate],
    periods: Sequence[tuple[int, int]],
) -> Rated:
    """Price the usage of hours.

    Args:
        usage: `schemas.USAGE`, sorted by hour and `RESOURCE_ORDER`.
        rates: those in force in these hours.
        periods: the hours cut where a rate starts or ends, `(start_ms, end_ms)` each.

    Raises:
        UnratedUsage: some usage above zero has no rate; says it of the first such hour.
        BoundExceeded: a charge does not fit its column.
    """
    index = RatesInForce(rates)
    priced: list[pl.DataFrame] = []
    gaps: list[tuple[Hour, RateGap]] = []
    for event_type, components, prices in _KINDS:
        rows = usage.filter(pl.col("event_type") == event_type).with_columns(
            pl.when(pl.col("customer_id").is_in(list(index.customers)))
            .then("customer_id")
            .alias("rate_customer")
        )
        most = pl.col(f"{quantity}_ms" for _, quantity in components).max()
        used = rows.group_by(_SELECTED_BY).agg(most)
        cases = used.select(_SELECTED_BY)
        pricings = []
        for (meter, quantity), price in zip(components, prices[1:], strict=True):
            factors = _factors(index, meter, cases, periods)
            if None in factors:
                has_none = pl.Series([factor is None for factor in factors])
                unrated = cases.filter(has_none & (used[f"{quantity}_ms"] > 0))
                if len(unrated):
                    gaps += _gaps(rows, unrated, meter, quantity, periods)
            known = [factor or Fraction(0) for factor in factors]
            pricings.append(_Pricing(f"{quantity}_ms", f"{price}_nanocents", known))
        priced.append(_charges(rows, cases, pricings))
    if gaps:
        hour = min(hour for hour, _ in gaps)
        raise UnratedUsage(hour.name, [gap for of, gap in gaps if of == hour])
    charges, clusters = priced
    clusters = clusters.rename({"resource_id": "cluster_id", "resource_name": "cluster_name"})
    return Rated(
        charges=conform(charges.select(HOUR, *CHARGES), hourly(CHARGES)),
        clusters=conform(clusters.select(HOUR, *CLUSTERS), hourly(CLUSTERS)),
    )


def _factors(
    index: RatesInForce, meter: str, cases: pl.DataFrame, periods: Sequence[tuple[int, int]]
) -> list[Fraction | None]:
    """Nanocents for a unit and millisecond in each case; None without a rate."""
    factors: list[Fraction | None] = []
    for customer, resource_type, region, gpu_model, period in cases.iter_rows():
        chosen = index.select(
            meter=meter,
            customer=customer,
            resource_type=resource_type,
            region=region,
            gpu_model=gpu_model,
            instant_ms=periods[period][0],
        )
        factors.append(None if chosen is None else chosen.nanocents_per_unit_ms)
    return factors


def _gaps(
    rows: pl.DataFrame,
    missing: pl.DataFrame,
    meter: str,
    quantity: str,
    periods: Sequence[tuple[int, int]],
) -> list[tuple[Hour, RateGap]]:
    """The missing rates: cases without a rate that have usage above zero, each with its hour."""
    unrated = (
        rows.filter(pl.col(f"{quantity}_ms") > 0)
        .join(missing, on=_SELECTED_BY, how="semi", nulls_equal=True)
        .group_by("resource_type", "region", "gpu_model", "period")
        .agg(
            resources=pl.struct(RESOURCE_KEY).n_unique(),
            customers=pl.col("customer_id").unique().sort().head(_GAP_EXAMPLES),
        )
        .sort("period", "resource_type", "region", "gpu_model")
    )
    gaps = []
    for row in unrated.iter_rows(named=True):
        from_ms, until_ms = periods[row["period"]]
        gap = RateGap(
            meter=meter,
            resource_type=row["resource_type"],
            region=row["region"],
            gpu_model=row["gpu_model"],
            from_instant=format_instant(from_ms),
            until_instant=format_instant(until_ms),
            resources=row["resources"],
            customers=tuple(row["customers"]),
        )
        gaps.append((Hour.containing(from_ms), gap))
    return gaps


@dataclass(frozen=True)
class _Pricing:
    """One component: its usage column, its charge column, and the factor of each case.

    A case without a rate has factor 0: either its usage is zero too, or the hour has a gap and is
    not published.
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
        """Whether every sum fits 128 bits; one resource has at most all the rows."""
        most_usage = rows[self.usage].max() or 0
        bound = int(str(most_usage)) * max(self.multipliers, default=0) * max(len(rows), 1)
        return max(bound, self.denominator) < MAX_NUMERATOR


def _charges(rows: pl.DataFrame, cases: pl.DataFrame, pricings: list[_Pricing]) -> pl.DataFrame:
    """Charges, their total, their usage and the name; one row per resource, sorted.

    rows: sorted by hour and resource, so that resources can be numbered: numbers group faster.
    """
    bounded = [pricing for pricing in pricings if pricing.is_bounded(rows)]
    multipliers = [
        pl.Series(f"{pricing.usage}_multiplier", pricing.multipliers, dtype=pl.Int128)
        for pricing in bounded
    ]
    key = (HOUR, *RESOURCE_KEY)
    numbers = parent_numbers(rows, key)
    table = (
        rows.join(
            cases.with_columns(multipliers),
            on=_SELECTED_BY,
            how="left",
            nulls_equal=True,
            validate="m:1",
            maintain_order="left",
        )
        .group_by(numbers, maintain_order=True)
        .agg(
            pl.col(key).first(),
            *(_used(p.usage) for p in pricings),
            *(_priced(p.usage, p.charge) for p in bounded),
        )
        .with_columns(_rounded(p.charge, p.denominator) for p in bounded)
    )
    if len(bounded) < len(pricings):
        table = table.with_columns(
            _charges_unbounded(rows, numbers, cases, p) for p in pricings if p not in bounded
        )
    parts = [pricing.charge for pricing in pricings]
    # Check the parts first: adding four numbers below 2^126 may wrap, four that fit 63 bits cannot.
    _check_fits(table, parts)
    table = table.with_columns(pl.sum_horizontal(parts).alias("total_nanocents"))
    _check_fits(table, ["total_nanocents"])
    return table.with_columns(
        pl.col("total_nanocents", *parts).cast(pl.Int64),
        latest_names(rows, numbers, "resource_name", "resource_id"),
    )


@cache
def _used(usage: str) -> pl.Expr:
    return pl.col(usage).sum().cast(pl.Decimal(38, 0))


@cache
def _priced(usage: str, charge: str) -> pl.Expr:
    return (pl.col(usage) * pl.col(f"{usage}_multiplier")).sum().alias(charge)


@lru_cache
def _rounded(charge: str, denominator: int) -> pl.Expr:
    return round_half_even_expr(pl.col(charge), pl.lit(denominator, dtype=pl.Int128))


def _charges_unbounded(
    rows: pl.DataFrame, numbers: pl.Series, cases: pl.DataFrame, pricing: _Pricing
) -> pl.Series:
    """One component in Python's integers, for prices or usage beyond 126 bits."""
    factor_of = dict(zip(cases.iter_rows(), pricing.factors, strict=True))
    exact: dict[int, Fraction] = {}
    for number, used, *case in rows.select(numbers, pricing.usage, *_SELECTED_BY).iter_rows():
        exact[number] = exact.get(number, Fraction(0)) + used * factor_of[tuple(case)]
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
