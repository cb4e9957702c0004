"""What an hour asks of a rate card, and what the card says: cases and the selection.

A case is usage that shares everything a rate can select on. An hour's cases are stored once for
all hours that have the same ones, with instants counted from the hour's start. Asked of a card,
they give the selection: the exact price, or none, at every instant at which a case has usage. Two
cards with the same selection give the hour the same charges, whatever else differs in them.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from hourtally.errors import Damaged
from hourtally.model.hours import HOUR_MS, Hour
from hourtally.ratecard.card import Rate, RateCard
from hourtally.ratecard.selection import Attributes, RatesInForce
from hourtally.store.addressed import read_addressed
from hourtally.store.layout import Home

Span = tuple[int, int]
"""Milliseconds from the start of the hour, half-open."""
WHOLE_HOUR: Final[tuple[Span, ...]] = ((0, HOUR_MS),)


class Case(NamedTuple):
    """Usage above zero that shares all that a rate selects on.

    customer: None for all whom no rate in force in the hour names. used: when it has usage:
    ascending, and apart from each other.
    """

    meter: str
    customer: str | None
    resource_type: str | None
    region: str | None
    gpu_model: str | None
    gpu_capacity: str | None
    used: tuple[Span, ...]


class Part(NamedTuple):
    """A part of the hour in which a case has one price, or none; as long as can be."""

    from_ms: int
    until_ms: int
    price: Fraction | None


def encode_cases(cases: Iterable[Case]) -> bytes:
    """The canonical text of an hour's cases, a line each."""
    return "\n".join(json.dumps(case, separators=(",", ":")) for case in in_order(cases)).encode()


def in_order(cases: Iterable[Case]) -> list[Case]:
    """Cases in their canonical order."""
    return sorted(cases, key=_order)


def _order(case: Case) -> tuple[str, ...]:
    # `None` and an empty text are different, and so are their orders.
    return tuple("" if value is None else f"={value}" for value in case[:-1])


def decode_cases(content: bytes) -> tuple[Case, ...]:
    """The cases of such a text."""
    # As one array: a call for each line would take most of the time of a year's hours.
    lines = json.loads(b"[" + content.replace(b"\n", b",") + b"]")
    return tuple(
        Case._make([*selected_by, tuple(map(tuple, used))]) for *selected_by, used in lines
    )


def read_cases(home: Home, digest: str) -> tuple[Case, ...]:
    """The cases with this digest.

    Raises:
        Damaged: the file is missing or differs from what was written.
    """
    path = home.cases_file(digest)
    content = read_addressed(path)
    if content is None:
        reason = (
            "it is missing, or its SHA-256 is not its name; `hourtally run` builds its hours again "
            "once the rates have changed"
        )
        raise Damaged(path, reason)
    return decode_cases(content)


class HourRates:
    """The rates in force in one hour, to be asked about cases.

    start_ms: of the hour. changes: when a rate starts or ends, strictly inside the hour, ascending.
    """

    def __init__(self, rates: RatesInForce, start_ms: int, changes: Sequence[int]) -> None:
        self.rates = rates
        self._start_ms = start_ms
        self._changes = changes

    @classmethod
    def kept(cls, rates: Sequence[Rate], hour: Hour) -> HourRates:
        """The rates in force in an hour, clipped to it, as they are kept with a revision."""
        ends = {rate.active_from_ms for rate in rates} | {rate.active_until_ms for rate in rates}
        changes = {end_ms - hour.start_ms for end_ms in ends if end_ms is not None}
        inside = sorted(change for change in changes if 0 < change < HOUR_MS)
        return cls(RatesInForce(rates), hour.start_ms, inside)

    @classmethod
    def of(cls, card: RateCard, hour: Hour) -> HourRates:
        """The rates of a card in an hour."""
        changes = [end_ms - hour.start_ms for _, end_ms in card.periods(hour)][:-1]
        return cls(RatesInForce(card.in_force(hour)), hour.start_ms, changes)

    def parts(self, case: Case, customer: str | None = None) -> Iterator[Part]:
        """The selection of one case; as usage of `customer`, if one is given."""
        last: Part | None = None
        for first, end in case.used:
            begin = bisect_right(self._changes, first)
            cuts = self._changes[begin : bisect_left(self._changes, end)]
            for from_ms, until_ms in zip([first, *cuts], [*cuts, end], strict=True):
                price = self._price(case, from_ms, customer or case.customer)
                if last is not None and (last.until_ms, last.price) == (from_ms, price):
                    last = last._replace(until_ms=until_ms)
                    continue
                if last is not None:
                    yield last
                last = Part(from_ms, until_ms, price)
        if last is not None:
            yield last

    def _price(self, case: Case, at_ms: int, customer: str | None) -> Fraction | None:
        attributes = Attributes(
            customer, case.resource_type, case.region, case.gpu_model, case.gpu_capacity
        )
        chosen = self.rates.select(case.meter, attributes, self._start_ms + at_ms)
        return None if chosen is None else chosen.nanocents_per_unit_ms

    def selection(self, cases: Iterable[Case]) -> str:
        """The SHA-256, in hex, of the selection of cases."""
        digest = hashlib.sha256()
        for case in in_order(cases):
            parts = [
                (part.from_ms, part.until_ms, None if part.price is None else str(part.price))
                for part in self.parts(case)
            ]
            digest.update(json.dumps([*case[:-1], parts]).encode() + b"\n")
        return digest.hexdigest()
