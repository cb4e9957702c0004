"""The hours whose newest revision holds somebody, and the rates that would release them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hourtally.errors import Damaged
from hourtally.model.hours import ALL_HOURS, Hour, HourRange
from hourtally.published.held import read_gaps
from hourtally.published.reader import published_hours
from hourtally.ratecard import Gap, RateCard, SuggestedRate, suggest_rates
from hourtally.store.durable import at_one_moment
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest, fetch_current


@dataclass
class HeldHours:
    """Who is held in the newest revisions of a range.

    Attributes:
        hours: their names, in order.
        customers: ids.
        suggested: the rates that would release them all.
    """

    hours: list[str] = field(default_factory=list)
    customers: set[str] = field(default_factory=set)
    suggested: list[SuggestedRate] = field(default_factory=list)


@at_one_moment
def find_held(
    home: Home,
    card: RateCard,
    within: HourRange = ALL_HOURS,
    read: Callable[[Home, Hour], Manifest | None] = current_manifest,
) -> HeldHours:
    """Find the held customers of a range; damaged hours are left to `verify`.

    `read` finds the newest manifest of an hour.
    """
    held = HeldHours()
    gaps: list[Gap] = []
    hours = published_hours(home, within.first, within.end)
    fetch_current(home, hours)
    for hour in hours:
        try:
            manifest = read(home, hour)
            found = [] if manifest is None else read_gaps(manifest)
        except Damaged:
            continue
        if found:
            held.hours.append(hour.name)
            held.customers.update(gap.customer_id for gap in found)
            gaps += found
    held.suggested = suggest_rates(card, gaps)
    return held
