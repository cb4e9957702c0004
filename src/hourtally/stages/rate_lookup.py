"""Rate lookup: the price of each kind of usage in each rate period, or none.

Few things determine a rate, so usage is looked up once for each combination of them, not once a
row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

import polars as pl

from hourtally.model.components import (
    BYOC_COMPONENTS,
    BYOC_PRICES,
    CLUSTER_EVENT,
    PAAS_COMPONENTS,
    PAAS_PRICES,
    RESOURCE_EVENT,
)
from hourtally.model.schemas import CUSTOMER_KEY, Schema
from hourtally.ratecard import Attributes, Rate, RatesInForce

RATE_CUSTOMER: Final = "rate_customer"
# What determines the rate, besides the instant. `rate_customer` is the customer where a rate in
# force in the hour names it.
# In the order of `ratecard.Attributes`.
SELECTED_BY: Final = (RATE_CUSTOMER, "resource_type", "region", "gpu_model", "gpu_capacity")
CASE: Final = (*SELECTED_BY, "period")
NAMED_CUSTOMERS: Final[Schema] = {CUSTOMER_KEY[0]: pl.Int64, CUSTOMER_KEY[1]: pl.String}
"""Grain: one customer that some rate in force in the hour names."""


@dataclass(frozen=True)
class Component:
    """A price component: its meter, its usage column and its charge column."""

    meter: str
    usage: str
    charge: str


def _components(meters: Iterable[tuple[str, str]], prices: Iterable[str]) -> tuple[Component, ...]:
    return tuple(
        Component(meter, f"{quantity}_ms", f"{price}_nanocents")
        for (meter, quantity), price in zip(meters, prices, strict=True)
    )


COMPONENTS: Final = {
    RESOURCE_EVENT: _components(PAAS_COMPONENTS.values(), PAAS_PRICES[1:]),
    CLUSTER_EVENT: _components(BYOC_COMPONENTS.values(), BYOC_PRICES[1:]),
}


@dataclass(frozen=True)
class Lookup:
    """The prices of the usage of one type of event.

    rows: of `schemas.USAGE`, with `rate_customer` and `case`, the index of the row's case. cases:
    the distinct `CASE` of the rows. rates: of each component, the rate of each case, or None.
    """

    event_type: str
    rows: pl.DataFrame
    cases: pl.DataFrame
    rates: list[list[Rate | None]]

    @cached_property
    def factors(self) -> list[list[Fraction | None]]:
        """As `rates`: exact nanocents for a unit and millisecond; None without a rate."""
        return [
            [None if rate is None else rate.nanocents_per_unit_ms for rate in of_component]
            for of_component in self.rates
        ]

    @property
    def components(self) -> tuple[Component, ...]:
        """The components, in the order of `factors`."""
        return COMPONENTS[self.event_type]

    def unrated(self) -> list[tuple[Component, pl.DataFrame]]:
        """The rows with usage above zero of a component that has no rate, if there are any."""
        found = []
        for component, factors in zip(self.components, self.factors, strict=True):
            if None in factors:
                has_none = pl.Series([factor is None for factor in factors], dtype=pl.Boolean)
                is_missing = has_none.gather(self.rows["case"])
                rows = self.rows.filter(is_missing & (self.rows[component.usage] > 0))
                if len(rows):
                    found.append((component, rows))
        return found

    def without(self, held: pl.DataFrame) -> Lookup:
        """The same without these customers, `CUSTOMER_KEY`."""
        rows = self.rows.join(held, on=CUSTOMER_KEY, how="anti", maintain_order="left")
        return Lookup(self.event_type, rows, self.cases, self.rates)


def named_customers(rates: Iterable[tuple[int, Iterable[Rate]]]) -> pl.DataFrame:
    """`NAMED_CUSTOMERS` of hours: the timestamp of each, and the rates in force in it.

    By hour, so that an hour comes out the same beside any others.
    """
    named = {(timestamp, rate.customer) for timestamp, of_hour in rates for rate in of_hour}
    rows = sorted((timestamp, customer) for timestamp, customer in named if customer is not None)
    return pl.DataFrame(rows, NAMED_CUSTOMERS, orient="row")


def with_rate_customer(usage: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Usage with `rate_customer`; in the same order."""
    if named.is_empty():
        return usage.with_columns(pl.lit(None, pl.String).alias(RATE_CUSTOMER))
    own = named.with_columns(pl.col("customer_id").alias(RATE_CUSTOMER))
    return usage.join(own, on=CUSTOMER_KEY, how="left", validate="m:1", maintain_order="left")


def look_up(
    usage: pl.DataFrame, rates: Iterable[Rate], periods: Sequence[tuple[int, int]]
) -> list[Lookup]:
    """Look up the rates of the usage of hours; resources first, then clusters.

    Args:
        usage: `schemas.USAGE` with `rate_customer`, sorted by hour and `RESOURCE_ORDER`.
        rates: those in force in these hours.
        periods: the hours cut where a rate starts or ends, `(start_ms, end_ms)` each.
    """
    index = RatesInForce(rates)
    lookups = []
    for event_type, components in COMPONENTS.items():
        rows = usage.filter(pl.col("event_type") == event_type)
        cases = rows.select(CASE).unique()
        # Joined once: what depends on the case is then gathered by its index.
        rows = rows.join(
            cases.with_row_index("case"),
            on=CASE,
            how="left",
            nulls_equal=True,
            validate="m:1",
            maintain_order="left",
        )
        chosen = [_chosen(index, component.meter, cases, periods) for component in components]
        lookups.append(Lookup(event_type, rows, cases, chosen))
    return lookups


def _chosen(
    index: RatesInForce, meter: str, cases: pl.DataFrame, periods: Sequence[tuple[int, int]]
) -> list[Rate | None]:
    return [
        index.select(meter, Attributes(*selected_by), periods[period][0])
        for *selected_by, period in cases.iter_rows()
    ]


def held_customers(lookups: Iterable[Lookup]) -> pl.DataFrame:
    """`CUSTOMER_KEY` of those with usage above zero that has no rate, sorted."""
    of_gaps = [rows.select(CUSTOMER_KEY) for lookup in lookups for _, rows in lookup.unrated()]
    if not of_gaps:
        return pl.DataFrame(schema=NAMED_CUSTOMERS)
    return pl.concat(of_gaps).unique().sort(CUSTOMER_KEY)
