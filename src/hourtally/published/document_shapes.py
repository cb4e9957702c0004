"""How the two documents are written: the markers of their parts, and their figures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from hourtally.model.components import BYOC_COMPONENTS, BYOC_HOURS, PAAS_COMPONENTS, PAAS_HOURS
from hourtally.model.money import (
    CENTS_DIGITS,
    CURRENCY_DIGITS,
    HOURS_DIGITS,
    format_decimal,
    parse_decimal,
)

Figures = tuple[int, ...]
"""Nanocents: the total, then the components. In the usage document then nano-hours."""

_PRICE: Final = b',"price":{'


class _Numbers(NamedTuple):
    """An object of numbers among the figures. digits: behind the point of each."""

    name: str
    keys: tuple[str, ...]
    digits: int


@dataclass(frozen=True)
class FigureMembers:
    """The members of an object that are its figures: `"price":{…}`, or that and `"usage":{…}`."""

    numbers: tuple[_Numbers, ...]

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        members = (
            f'"{one.name}":\\{{' + ",".join(f'"{key}":([0-9.]+)' for key in one.keys) + r"\}"
            for one in self.numbers
        )
        return re.compile(",".join(members).encode())

    @cached_property
    def _digits(self) -> tuple[int, ...]:
        return tuple(one.digits for one in self.numbers for _ in one.keys)

    def read(self, document: bytes, start: int) -> Figures:
        """The figures of the object that starts there: the next ones, before its children."""
        match = self._pattern.search(document, start)
        assert match is not None, "an object of a canonical document has figures"
        return tuple(map(parse_decimal, match.groups(), self._digits))

    def sum(self, several: Iterable[Figures]) -> Figures:
        """The sum of figures, one by one; of none, zeros."""
        return tuple(map(sum, zip((0,) * len(self._digits), *several, strict=True)))

    def write(self, figures: Figures) -> bytes:
        """The members as an object has them."""
        left = iter(figures)
        objects = []
        for one in self.numbers:
            numbers = (f'"{key}":{format_decimal(next(left), one.digits)}' for key in one.keys)
            objects.append(f'"{one.name}":{{{",".join(numbers)}}}')
        return ",".join(objects).encode()

    def span(self, document: bytes, start: int, end: int) -> tuple[int, int]:
        """Where the figures of the object `document[start:end]` begin and end, commas aside."""
        first = document.index(_PRICE, start, end)
        last = first
        for _ in self.numbers:
            last = document.index(b"}", last, end) + 1
        return first + 1, last


@dataclass(frozen=True)
class Shape:
    """One of the two documents.

    paas_start, byoc_start: what opens the two halves. paas, byoc: their figures. has_total: whether
    the total of both halves stands before them.
    """

    paas_start: bytes
    byoc_start: bytes
    paas: FigureMembers
    byoc: FigureMembers
    has_total: bool

    def with_total(self, head: bytes, byoc: bytes, paas: Figures) -> bytes:
        """What stands before the PaaS figures, with the total of these figures and BYOC's."""
        if not self.has_total:
            return head
        total = paas[0] + self.byoc.read(byoc, 0)[0]
        before = head.rindex(_TOTAL)
        text = format_decimal(total, CURRENCY_DIGITS).encode()
        return b"%b%b%b%b" % (head[:before], _TOTAL, text, self.paas_start)


_TOTAL: Final = b',"total":'
_PAAS_PRICES: Final = ("total", *PAAS_COMPONENTS)
_BYOC_PRICES: Final = ("total", *BYOC_COMPONENTS)
_PAAS_HOURS: Final = tuple(key for key, _ in PAAS_HOURS.values())
_BYOC_HOURS: Final = tuple(key for key, _ in BYOC_HOURS.values())


def _in_cents(prices: tuple[str, ...]) -> FigureMembers:
    return FigureMembers((_Numbers("price", prices, CENTS_DIGITS),))


def _with_hours(prices: tuple[str, ...], hours: tuple[str, ...]) -> FigureMembers:
    price = _Numbers("price", prices, CURRENCY_DIGITS)
    return FigureMembers((price, _Numbers("usage", hours, HOURS_DIGITS)))


IN_CENTS: Final = Shape(
    b',"paasUsage":{',
    b',"byocUsage":{',
    _in_cents(_PAAS_PRICES),
    _in_cents(_BYOC_PRICES),
    has_total=False,
)
WITH_USAGE: Final = Shape(
    b',"paas":{',
    b',"byoc":{',
    _with_hours(_PAAS_PRICES, _PAAS_HOURS),
    _with_hours(_BYOC_PRICES, _BYOC_HOURS),
    has_total=True,
)
_IS_USAGE: Final = re.compile(rb'\{"data":\{"timestamp":-?[0-9]+,"currency":')


def shape_of(document: bytes) -> Shape:
    """The shape of a canonical document."""
    return WITH_USAGE if _IS_USAGE.match(document) else IN_CENTS
