"""Which hours are stale, and why: inputs on disk against inputs in the newest manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hourtally import BUILD_VERSION
from hourtally.build.rates.rate_changes import RateChanges
from hourtally.errors import Damaged
from hourtally.model.hours import ALL_HOURS, HOUR_SECONDS, Hour, HourRange, hours_between
from hourtally.ratecard import RateCard
from hourtally.store import durable
from hourtally.store.batches import (
    BATCH_REMOVED,
    BATCH_WITHDRAWN,
    INGESTED_AGAIN,
    NEW_BATCH,
    Batches,
)
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest, fetch_current, is_built

NEVER_BUILT: Final = "never built"
RATES_CHANGED: Final = "rates changed"
NEW_BUILD_VERSION: Final = "build version"
DAMAGED_MANIFEST: Final = "damaged manifest"
FORCED: Final = "forced"
# Said after the others: the revision before held somebody.
WAS_HELD: Final = "held before"
# In the order in which they are told.
OF_BATCHES: Final = (NEW_BATCH, INGESTED_AGAIN, BATCH_WITHDRAWN, BATCH_REMOVED)
_AFTER_ALL: Final = "9999-12-31T24"
_HOUR_NAME = re.compile(r"(?:hour=)?(\d{4}-\d{2}-\d{2}T\d{2})", re.ASCII)


@dataclass(frozen=True)
class StaleHour:
    """An hour to build. reasons: why it is stale, at least one."""

    hour: Hour
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class IdleSummary:
    """The closed hours of a range in which none is stale, by number."""

    current: int
    without_events: int


def describe_reasons(reasons: Iterable[str]) -> str:
    """Reasons as a person reads them beside a built hour, where "never built" would be odd."""
    return ", ".join("first build" if why == NEVER_BUILT else why for why in reasons)


def build_inputs(card: RateCard | None, hour: Hour, batches: Batches) -> dict[str, Any]:
    """Everything that a build of the hour depends on, as its manifest records it.

    Without a card, which a build needs, but not who asks only what else has changed.
    """
    rates = None if card is None else card.digest(hour)
    return {"batches": batches.inputs(hour), "rates": rates, "build": BUILD_VERSION}


def stale_reasons(
    manifest: Manifest | None, inputs: dict[str, Any], batches: Batches, rates: RateChanges | None
) -> tuple[str, ...]:
    """Why an hour with these inputs, of these batches, is stale; empty if it is current.

    Without `rates`, why it is stale whatever a card says.
    """
    if manifest is None:
        return (NEVER_BUILT,)
    built = manifest.inputs
    changed = batches.reasons(built["batches"], inputs["batches"])
    reasons = {
        **{reason: reason in changed for reason in OF_BATCHES},
        RATES_CHANGED: rates is not None
        and rates.has_changed(manifest, may_read_slices=not changed),
        NEW_BUILD_VERSION: inputs["build"] != built["build"],
    }
    return tuple(reason for reason, applies in reasons.items() if applies)


def reasons_of(home: Home, card: RateCard, manifest: Manifest) -> tuple[str, ...]:
    """Why the hour of its newest manifest is stale under a card; empty if it is current.

    Raises:
        Damaged: a batch record, or a file that the card has to be compared with.
    """
    batches = Batches(home)
    inputs = build_inputs(card, manifest.hour, batches)
    return stale_reasons(manifest, inputs, batches, RateChanges(home, card))


def known_hours(home: Home, within: HourRange = ALL_HOURS) -> list[Hour]:
    """All hours of a range that have slices or revisions, in order."""
    names = {
        match[1]
        for folder in (home.events, home.hours)
        for name in durable.list_names(folder)
        if (match := _HOUR_NAME.fullmatch(name))
    }
    # Names sort as their hours do, and faster; so of years, only the range's are parsed.
    first = "" if within.first is None else within.first.name
    last = _AFTER_ALL if within.end is None else within.end.name
    if len(last) > len(_AFTER_ALL):  # The year 10000, in which the last hour ends.
        last = _AFTER_ALL
    return [Hour.parse(name) for name in sorted(names) if first <= name < last]


@durable.at_one_moment
def stale_hours(
    home: Home,
    card: RateCard,
    now_ms: int,
    settle_ms: int,
    within: HourRange = ALL_HOURS,
    *,
    force: bool = False,
) -> list[StaleHour]:
    """The closed hours of a range that have to be built, in order.

    Leaves out hours without events and without a revision: that nothing was metered may be an
    outage. Includes hours with a damaged manifest: building one fails with the reason, and the
    others go on.

    Args:
        home: the home folder.
        card: the rate card in use.
        now_ms: the current time.
        settle_ms: how long after its end an hour closes.
        within: the range of hours.
        force: include every closed hour. In a range with both bounds that also takes in hours
            without events, which are then published as hours without usage.
    """
    candidates = known_hours(home)
    if force and within.first and within.end:
        candidates = list(hours_between(within.first, within.end))
    closed = [hour for hour in candidates if hour in within and hour.is_closed(now_ms, settle_ms)]
    fetch_current(home, closed)
    batches, rates = Batches(home), RateChanges(home, card)
    stale = []
    for hour in closed:
        try:
            manifest = current_manifest(home, hour)
        except Damaged:
            stale.append(StaleHour(hour, (DAMAGED_MANIFEST,)))
            continue
        inputs = build_inputs(card, hour, batches)
        if manifest is None and not force and not batches.has_slices(hour, inputs["batches"]):
            continue
        reasons = stale_reasons(manifest, inputs, batches, rates)
        if reasons or force:
            stale.append(StaleHour(hour, reasons or (FORCED,)))
    return stale


@durable.at_one_moment
def idle_summary(home: Home, now_ms: int, settle_ms: int, first: Hour, end: Hour) -> IdleSummary:
    """Count the closed hours of `[first, end)`, none of which is stale.

    Looks only at hours that were built: a range may have a year of others.
    """
    end = min(end, Hour.containing(now_ms - settle_ms))
    closed = max(0, end.timestamp - first.timestamp) // HOUR_SECONDS
    # Names sort as their hours do, so none is parsed.
    built = [name for name in durable.list_names(home.hours) if _HOUR_NAME.fullmatch(name)]
    within = [name for name in built if first.name <= name < end.name]
    current = sum(is_built(home, name) for name in within)
    return IdleSummary(current, closed - current)
