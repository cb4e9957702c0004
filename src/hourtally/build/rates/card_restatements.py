"""Which hours a change of the card would restate, by the selection of their usage."""

from __future__ import annotations

from dataclasses import dataclass, field

from hourtally.build.rates.rate_changes import RateChanges
from hourtally.build.staleness import RATES_CHANGED, build_inputs, known_hours, stale_reasons
from hourtally.errors import Damaged
from hourtally.model.hours import ALL_HOURS, Hour, HourRange
from hourtally.ratecard import RateCard
from hourtally.store.batches import Batches
from hourtally.store.durable import at_one_moment
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest


@dataclass
class Restatements:
    """The published hours that select other prices under a new card.

    Attributes:
        restated: current under the old card: the change alone makes them stale.
        stale_already: stale under the old card too, each with the reason.
        damaged: how many have a damaged manifest; `hourtally verify` lists them.
    """

    restated: list[Hour] = field(default_factory=list)
    stale_already: list[tuple[Hour, str]] = field(default_factory=list)
    damaged: int = 0


@at_one_moment
def find_restatements(
    home: Home,
    cards: tuple[RateCard, RateCard],
    now_ms: int,
    settle_ms: int,
    within: HourRange = ALL_HOURS,
) -> Restatements:
    """The closed hours of a range that a new card restates.

    Args:
        home: the home folder.
        cards: the old one and the new one.
        now_ms: the current time.
        settle_ms: how long after its end an hour closes.
        within: the range.
    """
    found = Restatements()
    batches = Batches(home)
    old, new = cards
    changes = [RateChanges(home, card) for card in cards]
    for hour in known_hours(home):
        # Where no rate in force differs, no price can.
        if hour not in within or not hour.is_closed(now_ms, settle_ms):
            continue
        if old.currency == new.currency and old.digest(hour) == new.digest(hour):
            continue
        try:
            manifest = current_manifest(home, hour)
        except Damaged:
            found.damaged += 1
            continue
        if manifest is None:
            continue
        reasons = [
            stale_reasons(manifest, build_inputs(card, hour, batches), batches, rates)
            for card, rates in zip(cards, changes, strict=True)
        ]
        if RATES_CHANGED not in reasons[1]:
            continue
        if reasons[0]:
            found.stale_already.append((hour, ", ".join(reasons[0])))
        else:
            found.restated.append(hour)
    return found
