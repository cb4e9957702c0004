"""What the usage of hours asks of the rate card, and whom the card leaves without a price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from hourtally.build.metered_hours import MeteredHours
from hourtally.model.hours import Hour
from hourtally.ratecard import HourRates, RateCard, RatesByHour, encode_cases
from hourtally.stages.cases import UsedSlices, find_cases
from hourtally.stages.holding import find_held
from hourtally.stages.metering import SliceCounts
from hourtally.stages.rate_lookup import (
    Lookup,
    held_customers,
    look_up,
    named_customers,
    with_rate_customer,
)
from hourtally.stages.rollup import NAMING
from hourtally.store.addressed import digest_of


@dataclass(frozen=True)
class AskedRates:
    """The usage of hours with its prices.

    Attributes:
        counts: of the slices of each hour.
        lookups: of all usage but that of customers who are held; resources first, then clusters.
        held_customers: `CUSTOMER_KEY`, sorted.
        held: `holding.HELD_ROWS`, sorted.
        cases: of each hour, the text that is stored.
        selections: of each hour, the digest of what the card says to its cases.
    """

    counts: list[SliceCounts]
    lookups: list[Lookup]
    held_customers: pl.DataFrame
    held: pl.DataFrame
    cases: list[bytes]
    selections: list[str]

    @property
    def inputs(self) -> list[dict[str, str]]:
        """What the manifest of each hour records among its inputs."""
        return [
            {"cases": digest_of(cases), "selection": selection}
            for cases, selection in zip(self.cases, self.selections, strict=True)
        ]

    @property
    def resources(self) -> pl.DataFrame:
        """The ids and names of the usage of resources, from `schemas.USAGE`, sorted."""
        return self.lookups[0].rows.select(NAMING)

    def without_usage(self) -> AskedRates:
        """The same without lookups: 0.3 GB of a million resources."""
        return replace(self, lookups=[])


def look_up_rates(usage: pl.DataFrame, rates: RatesByHour, hours: Sequence[Hour]) -> list[Lookup]:
    """Look up the rates of the usage of hours.

    Args:
        usage: `schemas.USAGE` of the hours, and other columns; cut by the periods of `rates`.
        rates: those of the hours.
        hours: in order.
    """
    of_hours = [(hour.timestamp, rates.in_force(hour)) for hour in hours]
    periods = [period for hour in hours for period in rates.periods(hour)]
    # Hours of one card share its rates; to compare two of them takes longer than all the rest.
    every_rate = {id(rate): rate for _, of_hour in of_hours for rate in of_hour}
    with_customer = with_rate_customer(usage, named_customers(of_hours))
    return look_up(with_customer, every_rate.values(), periods)


def ask_rates(of: MeteredHours, card: RateCard, hours: Sequence[Hour]) -> AskedRates:
    """Look up the rates of metered hours, in order."""
    metered = of.metered
    lookups = look_up_rates(metered.usage.hstack(metered.keys), card, hours)
    held = held_customers(lookups)
    held_rows = find_held(of.connection, of.slices, lookups)
    slices = UsedSlices(of.hours, metered.not_counted, of.connection, of.slices)
    cases = find_cases(slices, lookups)
    of_hours = [cases.get(hour.timestamp, []) for hour in hours]
    if len(held):
        lookups = [lookup.without(held) for lookup in lookups]
    return AskedRates(
        counts=metered.counts,
        lookups=lookups,
        held_customers=held,
        held=held_rows,
        cases=[encode_cases(of_hour) for of_hour in of_hours],
        selections=[
            HourRates.of(card, hour).selection(of_hour)
            for hour, of_hour in zip(hours, of_hours, strict=True)
        ],
    )
