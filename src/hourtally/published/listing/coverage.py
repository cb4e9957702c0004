"""Which hours of a range are not published, so that no sum over it counts them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hourtally.model.hours import HOUR_SECONDS, Hour, HourRange
from hourtally.store.batches import Batches
from hourtally.store.durable import list_names
from hourtally.store.layout import Home

_FOLDER: Final = re.compile(r"hour=(\d{4}-\d{2}-\d{2}T\d{2})", re.ASCII)


@dataclass(frozen=True)
class Missing:
    """The hours of a range that are not published. with_events: how many have slices."""

    hours: int
    first: Hour
    last: Hour
    with_events: int


def missing_hours(home: Home, hours: HourRange, published: Sequence[Hour]) -> Missing | None:
    """The hours of a range that are not among the published ones; None if all are.

    Without a bound the range begins with the first published hour, or ends after the last one.
    The range may be long, so its hours are not walked through.
    """
    first = hours.first or (published[0] if published else None)
    end = hours.end or (published[-1].following if published else None)
    if first is None or end is None or end <= first:
        return None
    number = (end.timestamp - first.timestamp) // HOUR_SECONDS - len(published)
    if number <= 0:
        return None
    batches = Batches(home)
    there = set(published)
    within = HourRange(first, end)
    with_events = sum(
        hour in within and hour not in there and bool(batches.inputs(hour))
        for name in list_names(home.events)
        if (match := _FOLDER.fullmatch(name))
        for hour in [Hour.parse(match[1])]
    )
    return Missing(number, _first_gap(first, published), _last_gap(end, published), with_events)


def _first_gap(first: Hour, published: Sequence[Hour]) -> Hour:
    """The first hour from `first` on that is not published; there is one."""
    # The published hours before the gap follow one another.
    place = bisect_left(
        range(len(published)),
        True,  # noqa: FBT003 - what the key is searched for
        key=lambda n: published[n].timestamp != first.timestamp + n * HOUR_SECONDS,
    )
    return Hour(first.timestamp + place * HOUR_SECONDS)


def _last_gap(end: Hour, published: Sequence[Hour]) -> Hour:
    """The last hour before `end` that is not published; there is one."""
    backwards = published[::-1]
    last = end.timestamp - HOUR_SECONDS
    place = bisect_left(
        range(len(backwards)),
        True,  # noqa: FBT003 - what the key is searched for
        key=lambda n: backwards[n].timestamp != last - n * HOUR_SECONDS,
    )
    return Hour(last - place * HOUR_SECONDS)
