"""Choose the rate for usage: of those that match, the one with the most specific selectors."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import compress
from typing import NamedTuple

from hourtally.model.components import ON_DEMAND
from hourtally.ratecard.card import Rate

# Which selectors a rate has, in the order of `card.SELECTORS`. Of two masks the greater tuple is
# the more specific, because each selector outweighs all that follow it.
_Mask = tuple[bool, ...]


class Attributes(NamedTuple):
    """What rates select usage by.

    One that the usage lacks is None (a cluster has neither resource_type nor gpu_model): no rate
    that selects on it matches. Only a gpu_capacity of None is on-demand.
    """

    customer: str | None
    resource_type: str | None
    region: str | None
    gpu_model: str | None
    gpu_capacity: str | None


class RatesInForce:
    """An index over checked rates: one lookup for each combination of selectors in use.

    Attributes:
        customers: those that some rate names. All others share the same rates, so their rates
            are those of the customer None.
    """

    def __init__(self, rates: Iterable[Rate]) -> None:
        windows = defaultdict(list)
        for rate in rates:
            windows[_index_key(rate)].append(rate)
        for group in windows.values():
            group.sort(key=_active_from_ms)
        self._windows = dict(windows)
        self._masks = sorted({mask for _, mask, _ in windows}, reverse=True)
        self.customers = frozenset(
            rate.customer for group in windows.values() for rate in group if rate.customer
        )

    def select(self, meter: str, attributes: Attributes, instant_ms: int) -> Rate | None:
        """The rate of usage of a meter at an instant; None if no rate matches."""
        customer, resource_type, region, gpu_model, gpu_capacity = attributes
        usage = (customer, gpu_model, gpu_capacity or ON_DEMAND, resource_type, region)
        for mask in self._masks:
            windows = self._windows.get((meter, mask, tuple(compress(usage, mask))))
            if windows:
                # Windows of one key do not overlap: only the last to start can be active.
                position = bisect_right(windows, instant_ms, key=_active_from_ms) - 1
                if position >= 0 and windows[position].is_active(instant_ms):
                    return windows[position]
        return None


def _index_key(rate: Rate) -> tuple[str, _Mask, tuple[str | None, ...]]:
    mask = tuple(selector is not None for selector in rate.selectors)
    return rate.meter, mask, tuple(compress(rate.selectors, mask))


def _active_from_ms(rate: Rate) -> int:
    return rate.active_from_ms
