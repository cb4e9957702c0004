"""Which rate prices what, looked up by the contract's own words (section 3), in fractions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS, RESOURCE_EVENT
from hourtally.model.hours import HOUR_MS, Hour, format_instant
from hourtally.ratecard import Rate, RateCard
from hourtally.verify.slices import Usage

_NANOCENTS: Final = 10**9
# How many of a quantity make one of what a rate's unit counts.
_UNIT: Final = {"cpu": 1000, "gpu": 1000, "vcpu": 1000, "cluster": 1}
_UNIT_OF_MIB: Final = 1024

_PAAS_METERS: Final = tuple(meter for meter, _ in PAAS_COMPONENTS.values())
_BYOC_METERS: Final = tuple(meter for meter, _ in BYOC_COMPONENTS.values())


class Pricing:
    """The rates of one hour. gaps: what usage has no rate, each once, in words."""

    def __init__(self, card: RateCard, hour: Hour) -> None:
        self._hour = hour
        rates = defaultdict(list)
        for rate in card.rates:
            if rate.active_from_ms < hour.end_ms and not _has_ended(rate, hour.start_ms):
                rates[rate.meter, rate.customer].append(rate)
        self._rates = dict(rates)
        self._customers = {customer for _, customer in self._rates}
        self._known: dict[tuple[object, ...], tuple[Fraction | None, ...]] = {}
        self.gaps: dict[str, None] = {}

    def stretches(self) -> list[tuple[int, int]]:
        """The hour in half-open pieces of milliseconds, in none of which a rate changes."""
        start, end = self._hour.start_ms, self._hour.end_ms
        instants = {start, end}
        for rates in self._rates.values():
            for rate in rates:
                until = rate.active_until_ms
                instants |= {rate.active_from_ms, end if until is None else until}
        return list(pairwise(sorted(instant for instant in instants if start <= instant <= end)))

    def charges(self, row: Usage, usage: Sequence[int]) -> list[Fraction]:
        """Exact nanocents of one row, by component in the order of the document."""
        meters = _PAAS_METERS if row.event_type == RESOURCE_EVENT else _BYOC_METERS
        exact = []
        for meter, used, price in zip(meters, usage, self._prices(row, meters), strict=True):
            if used and price is None:
                self.gaps[_gap(meter, row)] = None
            exact.append(used * (price or Fraction(0)) if used else Fraction(0))
        return exact

    def _prices(self, row: Usage, meters: Sequence[str]) -> tuple[Fraction | None, ...]:
        """Nanocents of one unit in one millisecond, for each meter; None without a rate."""
        customer = row.customer_id if row.customer_id in self._customers else None
        case = (meters, customer, row.resource_type, row.region, row.gpu_model, row.from_ms)
        known = self._known.get(case)
        if known is None:
            known = self._known[case] = tuple(self._price(meter, row) for meter in meters)
        return known

    def _price(self, meter: str, row: Usage) -> Fraction | None:
        best: tuple[bool, ...] = ()
        price = None
        own = self._rates.get((meter, row.customer_id), [])
        for rate in own + self._rates.get((meter, None), []):
            if (
                rate.active_from_ms > row.from_ms
                or _has_ended(rate, row.from_ms)
                or rate.gpu_model not in {None, row.gpu_model}
                or rate.resource_type not in {None, row.resource_type}
                or rate.region not in {None, row.region}
            ):
                continue
            weight = (
                rate.customer is not None,
                rate.gpu_model is not None,
                rate.resource_type is not None,
                rate.region is not None,
            )
            if weight > best:
                best = weight
                unit = _UNIT.get(meter.partition(".")[2], _UNIT_OF_MIB)
                price = rate.price_cents * _NANOCENTS / (unit * rate.per_hours * HOUR_MS)
        return price


def _has_ended(rate: Rate, instant_ms: int) -> bool:
    return rate.active_until_ms is not None and rate.active_until_ms <= instant_ms


def _gap(meter: str, row: Usage) -> str:
    return (
        f"usage of {meter} from {format_instant(row.from_ms)} on by resource_type "
        f"{row.resource_type!r}, region {row.region!r}, gpu_model {row.gpu_model!r}"
    )
