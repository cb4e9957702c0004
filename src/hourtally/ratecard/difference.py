"""What differs between two cards, rate by rate, and from when until when it matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hourtally.ratecard.card import Rate, RateCard

Window = tuple[int, int | None]
"""Milliseconds since 1970, half-open; None: no end."""


@dataclass(frozen=True)
class RateChange:
    """A rate that one of two cards lacks, or that differs between them.

    windows: the instants at which the cards differ in this rate, in order. Only there can it change
    a price.
    """

    id: str
    old: Rate | None
    new: Rate | None
    windows: tuple[Window, ...]

    @property
    def rate(self) -> Rate:
        """The new rate; of a removed one, the old one."""
        rate = self.new or self.old
        assert rate is not None
        return rate

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


def changed_rates(old: RateCard, new: RateCard) -> list[RateChange]:
    """The rates that differ, by id.

    Ends are compared as they are resolved: a rate that now ends where a new one starts has changed.
    """
    before = {rate.id: rate for rate in old.rates}
    after = {rate.id: rate for rate in new.rates}
    return [
        RateChange(id_, was, now, tuple(_windows(was, now)))
        for id_ in sorted(before.keys() | after.keys())
        if (was := before.get(id_)) != (now := after.get(id_))
    ]


def _windows(old: Rate | None, new: Rate | None) -> Iterator[Window]:
    if old is None or new is None:
        rate = old or new
        assert rate is not None, "one of the cards has it"
        yield rate.active_from_ms, rate.active_until_ms
        return
    starts = sorted((old.active_from_ms, new.active_from_ms))
    ends = sorted((old.active_until_ms, new.active_until_ms), key=_end)
    moved = replace(old, active_from_ms=new.active_from_ms, active_until_ms=new.active_until_ms)
    are_apart = ends[0] is not None and ends[0] <= starts[1]
    if moved == new and not are_apart:
        # Only the window is another one: it matters where just one of them has the rate.
        if starts[0] < starts[1]:
            yield starts[0], starts[1]
        if ends[0] != ends[1]:
            assert ends[0] is not None, "two ends are None only together"
            yield ends[0], ends[1]
        return
    if are_apart:
        yield starts[0], ends[0]
        yield starts[1], ends[1]
        return
    yield starts[0], ends[1]


def _end(until_ms: int | None) -> float:
    return float("inf") if until_ms is None else until_ms
