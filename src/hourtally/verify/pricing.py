"""Rate lookup by the words of the contract (section 3), in exact integers.

The prices of an hour are fractions. Brought to their common denominator, usage is priced by
multiplying integers, which takes a tenth of the time and is as exact.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS, RESOURCE_EVENT
from hourtally.model.hours import HOUR_MS, Hour
from hourtally.ratecard import Rate
from hourtally.verify.slices import Usage

_NANOCENTS_PER_CENT: Final = 10**9
# How much of a quantity makes one unit of a rate: 1000 millicores a vCPU, 1024 MiB a GiB.
_UNITS: Final = {"cpu": 1000, "gpu": 1000, "vcpu": 1000, "cluster": 1}
_MIB_PER_GIB: Final = 1024

_PAAS_METERS: Final = tuple(meter for meter, _ in PAAS_COMPONENTS.values())
_BYOC_METERS: Final = tuple(meter for meter, _ in BYOC_COMPONENTS.values())


class Pricing:
    """The rates of one hour.

    denominator: of all its prices and charges. has_gap: whether some usage priced had no rate; may
    be reset.
    """

    def __init__(self, rates: Iterable[Rate], hour: Hour) -> None:
        self._hour = hour
        by_meter = defaultdict(list)
        for rate in rates:
            if rate.active_from_ms < hour.end_ms and not _has_ended(rate, hour.start_ms):
                by_meter[rate.meter, rate.customer].append(rate)
        self._rates = dict(by_meter)
        self._customers = {customer for _, customer in self._rates}
        prices = [_unit_price(rate) for rates in self._rates.values() for rate in rates]
        self.denominator = math.lcm(*(price.denominator for price in prices))
        self._cache: dict[tuple[object, ...], tuple[int | None, ...]] = {}
        self.has_gap = False

    def rate_periods(self) -> list[tuple[int, int]]:
        """The half-open parts of the hour, in milliseconds, within which no rate changes."""
        start, end = self._hour.start_ms, self._hour.end_ms
        instants = {start, end}
        for rates in self._rates.values():
            for rate in rates:
                until = rate.active_until_ms
                instants |= {rate.active_from_ms, end if until is None else until}
        return list(pairwise(sorted(instant for instant in instants if start <= instant <= end)))

    def charges(self, row: Usage, quantities_ms: Sequence[int]) -> list[int]:
        """Exact nanocents of one row times the denominator, by component in document order."""
        meters = _PAAS_METERS if row.event_type == RESOURCE_EVENT else _BYOC_METERS
        charges = []
        for used, price in zip(quantities_ms, self._prices(row, meters), strict=True):
            if used and price is None:
                self.has_gap = True
            charges.append(used * price if price else 0)
        return charges

    def unrated_meters(self, row: Usage) -> Iterator[tuple[str, str]]:
        """The meters that have no rate for a row, each with the column of its quantity."""
        is_resource = row.event_type == RESOURCE_EVENT
        components = (PAAS_COMPONENTS if is_resource else BYOC_COMPONENTS).values()
        prices = self._prices(row, _PAAS_METERS if is_resource else _BYOC_METERS)
        for (meter, quantity), price in zip(components, prices, strict=True):
            if price is None:
                yield meter, quantity

    def _prices(self, row: Usage, meters: Sequence[str]) -> tuple[int | None, ...]:
        """Nanocents per unit and millisecond times the denominator; None without a rate."""
        customer = row.customer_id if row.customer_id in self._customers else None
        key = (
            *(meters, customer, row.resource_type, row.region, row.gpu_model, row.gpu_capacity),
            row.period_start_ms,
        )
        prices = self._cache.get(key)
        if prices is None:
            prices = self._cache[key] = tuple(self._price(meter, row) for meter in meters)
        return prices

    def _price(self, meter: str, row: Usage) -> int | None:
        best: tuple[bool, ...] = ()
        price = None
        own_rates = self._rates.get((meter, row.customer_id), [])
        for rate in own_rates + self._rates.get((meter, None), []):
            if (
                rate.active_from_ms > row.period_start_ms
                or _has_ended(rate, row.period_start_ms)
                or rate.gpu_model not in {None, row.gpu_model}
                or rate.gpu_capacity not in {None, row.gpu_capacity or "on-demand"}
                or rate.resource_type not in {None, row.resource_type}
                or rate.region not in {None, row.region}
            ):
                continue
            # The most specific rate wins; selectors weigh in this order.
            specificity = (
                rate.customer is not None,
                rate.gpu_model is not None,
                rate.gpu_capacity is not None,
                rate.resource_type is not None,
                rate.region is not None,
            )
            if specificity > best:
                best = specificity
                price = int(_unit_price(rate) * self.denominator)
        return price


def _unit_price(rate: Rate) -> Fraction:
    """Nanocents per unit and millisecond."""
    unit = _UNITS.get(rate.meter.partition(".")[2], _MIB_PER_GIB)
    return rate.price_cents * _NANOCENTS_PER_CENT / (unit * rate.per_hours * HOUR_MS)


def _has_ended(rate: Rate, instant_ms: int) -> bool:
    return rate.active_until_ms is not None and rate.active_until_ms <= instant_ms
