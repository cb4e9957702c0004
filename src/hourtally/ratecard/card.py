"""Rates and when they are in force. Windows are half-open: `[active_from, active_until)`."""

from __future__ import annotations

import decimal
import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Final

from hourtally.model.components import UNIT_SIZES
from hourtally.model.hours import HOUR_MS, Hour
from hourtally.model.money import NANOCENTS_PER_CENT
from hourtally.ratecard.focus_names import FocusNames

# Of each meter: the noun of its units ("vcpu" gives vcpu-hour and vcpu-month), and how many
# of the quantity that events carry (millicores, MiB, gpuMilli, clusters) make one of it.
METERS: Final = {
    "paas.cpu": ("vcpu", UNIT_SIZES["cpu_millicores"]),
    "paas.memory": ("gib", UNIT_SIZES["memory_mib"]),
    "paas.storage": ("gib", UNIT_SIZES["storage_mib"]),
    "paas.gpu": ("gpu", UNIT_SIZES["gpu_milli"]),
    "byoc.vcpu": ("vcpu", UNIT_SIZES["vcpu_millicores"]),
    "byoc.memory": ("gib", UNIT_SIZES["memory_mib"]),
    "byoc.gpu_memory": ("gib", UNIT_SIZES["gpu_memory_mib"]),
    "byoc.cluster": ("cluster", UNIT_SIZES["cluster_count"]),
}
# The most specific first: each outweighs all that follow it together.
SELECTORS: Final = ("customer", "gpu_model", "gpu_capacity", "resource_type", "region")
# The meter whose usage has a capacity: on-demand or spot.
GPU_METER: Final = "paas.gpu"

_PRICE_DIGITS = 64
# Later than every instant that can be expressed.
_NEVER_MS = 2**63


@dataclass(frozen=True)
class Rate:
    """One price of one meter, in a window, for the usage that its selectors match.

    `per_hours` is the length of `per`: 1, or the card's `month_hours`. `active_until_ms` is
    resolved: None only where the rate has no end. A selector that is None matches everything.
    """

    id: str
    meter: str
    price_cents: Fraction
    per: str
    per_hours: int
    active_from_ms: int
    active_until_ms: int | None = None
    customer: str | None = None
    resource_type: str | None = None
    region: str | None = None
    gpu_model: str | None = None
    gpu_capacity: str | None = None

    @property
    def selectors(self) -> tuple[str | None, ...]:
        """The selectors in the order of `SELECTORS`."""
        return (
            self.customer,
            self.gpu_model,
            self.gpu_capacity,
            self.resource_type,
            self.region,
        )

    @property
    def nanocents_per_unit_ms(self) -> Fraction:
        """Exact nanocents for one millicore, MiB, gpuMilli or cluster during one millisecond.

        1200 cents a vcpu-month of 720 hours: 1200 * 10^9 / (1000 * 720 * 3,600,000) = 25/54.
        """
        unit = METERS[self.meter][1]
        return self.price_cents * NANOCENTS_PER_CENT / (unit * self.per_hours * HOUR_MS)

    def is_active(self, instant_ms: int) -> bool:
        """Whether the instant lies in the window."""
        if self.active_until_ms is not None and instant_ms >= self.active_until_ms:
            return False
        return self.active_from_ms <= instant_ms


@dataclass(frozen=True)
class RateCard:
    """All rates, sorted by id; no two of one meter and equal selectors share an instant."""

    currency: str
    month_hours: int
    rates: tuple[Rate, ...]
    focus: FocusNames = field(default_factory=FocusNames)
    _digests: dict[tuple[int, ...], str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def _changes_ms(self) -> list[int]:
        """Every instant at which some rate starts or ends, in order."""
        starts = {rate.active_from_ms for rate in self.rates}
        ends = {rate.active_until_ms for rate in self.rates if rate.active_until_ms is not None}
        return sorted(starts | ends)

    @cached_property
    def _windows(self) -> list[tuple[int, int, Rate, str]]:
        """Start, end, the rate and its part of the digest of an hour that lies in its window."""
        return [
            (
                rate.active_from_ms,
                _NEVER_MS if rate.active_until_ms is None else rate.active_until_ms,
                rate,
                _snapshot_line(rate, 0, HOUR_MS),
            )
            for rate in self.rates
        ]

    def in_force(self, hour: Hour) -> tuple[Rate, ...]:
        """The rates active at any instant of the hour, sorted by id."""
        start, end = hour.start_ms, hour.end_ms
        return tuple(
            rate for begins, ends, rate, _ in self._windows if begins < end and ends > start
        )

    def periods(self, hour: Hour) -> tuple[tuple[int, int], ...]:
        """The hour in half-open `(start_ms, end_ms)` pieces, in none of which a rate changes.

        It is cut at every instant strictly inside it at which a rate starts or ends, so most
        hours are one piece.
        """
        _, changes = self._changes_inside(hour)
        return tuple(pairwise((hour.start_ms, *changes, hour.end_ms)))

    def digest(self, hour: Hour) -> str:
        """SHA-256, in hex, of the currency and the rates in force, clipped to the hour.

        Windows count in milliseconds from the start of the hour, so changes outside of the hour do
        not affect the digest, and hours between two changes of the card share one.
        """
        segment, changes = self._changes_inside(hour)
        key = (segment, *[change - hour.start_ms for change in changes])
        digest = self._digests.get(key)
        if digest is None:
            digest = self._digests[key] = hashlib.sha256(self.snapshot(hour)).hexdigest()
        return digest

    def snapshot(self, hour: Hour) -> bytes:
        """The text that `digest` is the SHA-256 of; `snapshot.read_rates_snapshot` parses it."""
        return "\n".join([json.dumps(self.currency), *self._snapshot_lines(hour)]).encode()

    def _changes_inside(self, hour: Hour) -> tuple[int, list[int]]:
        """How many changes lie before or at the hour's start, and those strictly inside it."""
        first = bisect_right(self._changes_ms, hour.start_ms)
        end = bisect_left(self._changes_ms, hour.end_ms, first)
        return first, self._changes_ms[first:end]

    def _snapshot_lines(self, hour: Hour) -> Iterator[str]:
        start, end = hour.start_ms, hour.end_ms
        for begins, ends, rate, whole in self._windows:
            if begins <= start and ends >= end:
                yield whole
            elif begins < end and ends > start:
                yield _snapshot_line(rate, max(begins, start) - start, min(ends, end) - start)


def _snapshot_line(rate: Rate, from_ms: int, until_ms: int) -> str:
    """The parts of a rate that can change a charge or its explanation, as canonical JSON.

    The capacity comes last, and only where a rate has one: other lines stay what they were before
    rates could have one, and so do the digests in manifests.
    """
    selectors = [rate.customer, rate.gpu_model, rate.resource_type, rate.region]
    if rate.gpu_capacity is not None:
        selectors.append(rate.gpu_capacity)
    record = (
        rate.id,
        rate.meter,
        str(rate.price_cents),
        rate.per,
        rate.per_hours,
        selectors,
        from_ms,
        until_ms,
    )
    return json.dumps(record, separators=(",", ":"))


def format_selectors(rate: Rate) -> str:
    """The selectors that a rate has, such as `customer = 'acme', region = 'eu'`."""
    named = zip(SELECTORS, rate.selectors, strict=True)
    return ", ".join(f"{name} = {value!r}" for name, value in named if value is not None)


def format_price(price_cents: Fraction) -> str:
    """The price as a decimal if 64 digits hold it exactly, else as a fraction."""
    with decimal.localcontext(prec=_PRICE_DIGITS):
        quotient = decimal.Decimal(price_cents.numerator) / price_cents.denominator
    return f"{quotient:f}" if Fraction(quotient) == price_cents else str(price_cents)
