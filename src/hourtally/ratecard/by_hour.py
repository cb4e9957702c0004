"""The rates of hours: of a card, or those that revisions were built with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from hourtally.model.hours import Hour
from hourtally.ratecard.card import Rate
from hourtally.ratecard.snapshot import read_rates_snapshot
from hourtally.store.layout import Home


class RatesByHour(Protocol):
    """What prices hours; `RateCard` is one."""

    def in_force(self, hour: Hour) -> Sequence[Rate]:
        """The rates active at any instant of the hour."""

    def periods(self, hour: Hour) -> Sequence[tuple[int, int]]:
        """The hour in half-open `(start_ms, end_ms)` pieces, in none of which a rate changes."""


class KeptRates:
    """The rates that the revisions of some hours were built with, clipped to their hours."""

    def __init__(self, home: Home, digests: Mapping[Hour, str]) -> None:
        """Read them.

        Args:
            home: the home folder.
            digests: for each hour the digest of its rates, from the manifest.

        Raises:
            Damaged: a file of rates is missing or differs from what was written.
        """
        self._rates = {
            hour: read_rates_snapshot(home, digest, hour) for hour, digest in digests.items()
        }

    def in_force(self, hour: Hour) -> Sequence[Rate]:
        """The rates that the hour was built with, sorted by id."""
        return self._rates[hour]

    def periods(self, hour: Hour) -> Sequence[tuple[int, int]]:
        """The hour, cut where one of its rates starts or ends."""
        edges = {hour.start_ms, hour.end_ms}
        for rate in self._rates[hour]:
            edges |= {rate.active_from_ms, rate.active_until_ms or hour.end_ms}
        return tuple(pairwise(sorted(edges)))
