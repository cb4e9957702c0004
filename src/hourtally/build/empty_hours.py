"""Closed hours without events: perhaps an outage of whoever sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hourtally.build.staleness import known_hours
from hourtally.model.hours import HOUR_SECONDS, Hour
from hourtally.store.batches import Batches
from hourtally.store.durable import at_one_moment
from hourtally.store.layout import Home
from hourtally.store.manifests import is_built

_LOOKED_BACK: Final = 31 * 24


@dataclass(frozen=True)
class EmptyHours:
    """The closed hours of the last 31 days that have no slices and no revision.

    Hours before the first one that has any do not count: the home is younger than they are.

    Attributes:
        hours: their names, in order.
        last_with_events: the newest closed hour that is not empty; None if there is none.
        since_last: how many closed hours come after it, also where they are over 31 days.
    """

    hours: tuple[str, ...] = ()
    last_with_events: str | None = None
    since_last: int = 0

    @property
    def newest_is_empty(self) -> bool:
        """Whether the newest closed hour has no events; so it is in a home without any."""
        return self.since_last > 0 or self.last_with_events is None


@at_one_moment
def find_empty_hours(home: Home, now_ms: int, settle_ms: int) -> EmptyHours:
    """The closed hours of the last 31 days without events; few files are looked at."""
    end = Hour.containing(now_ms - settle_ms)
    batches = Batches(home)
    known = [hour for hour in known_hours(home) if hour < end]
    filled: set[Hour] = set()
    last: Hour | None = None
    start = Hour(end.timestamp - _LOOKED_BACK * HOUR_SECONDS)
    for hour in reversed(known):
        if hour < start and last is not None:
            break
        if is_built(home, hour.name) or batches.has_slices(hour, batches.inputs(hour)):
            filled.add(hour)
            last = last or hour
    if last is None:
        return EmptyHours()
    first = start if known[0] < start else min(filled)
    hours = (Hour(second) for second in range(first.timestamp, end.timestamp, HOUR_SECONDS))
    return EmptyHours(
        tuple(hour.name for hour in hours if hour not in filled),
        last.name,
        (end.timestamp - last.following.timestamp) // HOUR_SECONDS,
    )
