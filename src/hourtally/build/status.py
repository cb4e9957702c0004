"""The state of every hour of a range, as hours or summed up by day.

Only hours that something is stored for are looked at, and of those only the closed ones. All
others come as spans, so neither the work nor the output grows with the length of the range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hourtally.build.rates.rate_changes import RateChanges
from hourtally.build.staleness import (
    DAMAGED_MANIFEST,
    NEVER_BUILT,
    build_inputs,
    known_hours,
    stale_reasons,
)
from hourtally.errors import Damaged
from hourtally.model.hours import ALL_HOURS, HOUR_SECONDS, Hour, HourRange
from hourtally.ratecard import RateCard
from hourtally.store.batches import Batches
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest, fetch_current

OPEN: Final = "open"
MISSING: Final = "missing"
EMPTY: Final = "empty"
STALE: Final = "stale"
HELD: Final = "held"
CURRENT: Final = "current"
STATES: Final = (OPEN, MISSING, EMPTY, STALE, HELD, CURRENT)
"""The first that applies is an hour's state."""

ReadManifest = Callable[[Home, Hour], Manifest | None]

_DAY_HOURS: Final = 24
_DAY_SECONDS: Final = _DAY_HOURS * HOUR_SECONDS


@dataclass(frozen=True)
class HourStatus:
    """One hour. why: why it is missing or stale. The rest is about its newest revision, if any.

    held: how many customers it holds, whatever its state. total_nanocents: of all other customers.
    conflicts: identities with several contents. published_at: an RFC 3339 instant.
    """

    hour: Hour
    state: str
    why: tuple[str, ...] = ()
    held: int = 0
    revision: int | None = None
    customers: int = 0
    total_nanocents: int = 0
    currency: str = ""
    conflicts: int = 0
    published_at: str = ""


@dataclass(frozen=True)
class Span:
    """Hours in a row that share a status: a single one, or several without anything built.

    status: of the first of them. hours: how many.
    """

    status: HourStatus
    hours: int = 1

    @property
    def first(self) -> Hour:
        """The first of the hours."""
        return self.status.hour

    @property
    def end(self) -> Hour:
        """The hour after the last."""
        return _hours_after(self.first, self.hours)

    def part(self, skipped: int, hours: int) -> Span:
        """Some of these hours, after some that are left out."""
        if not skipped and hours == self.hours:
            return self
        return Span(HourStatus(_hours_after(self.first, skipped), self.status.state), hours)

    def is_in(self, states: Iterable[str]) -> bool:
        """Whether a filter takes it: a stale hour that holds somebody is `held` as well."""
        return self.status.state in states or (HELD in states and self.status.held > 0)


@dataclass
class DayStatus:
    """One day, or several days in a row whose states and reasons are equal.

    Attributes:
        first, last: the days, such as 2026-11-22.
        hours: how many hours of the range they have.
        states: hours by state. why: hours by reason.
        held: hours that hold somebody, in whatever state.
        nanocents: of all customers, by currency.
    """

    first: str
    last: str
    hours: int = 0
    states: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    held: int = 0
    nanocents: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0

    def add(self, span: Span) -> None:
        """Add hours of one of the days."""
        status = span.status
        self.hours += span.hours
        self.states[status.state] += span.hours
        self.why.update(status.why)
        self.held += status.held > 0
        if status.currency:
            self.nanocents[status.currency] += status.total_nanocents
        self.conflicts += status.conflicts

    @property
    def is_uniform(self) -> bool:
        """Whether all the hours are in the same state for the same reasons."""
        return all(
            number in {0, self.hours}
            for number in (*self.states.values(), *self.why.values(), self.held)
        )

    def times(self, days: int) -> DayStatus:
        """So many days in a row that are all equal to this one."""
        last = Hour.parse(self.first).timestamp + (days - 1) * _DAY_SECONDS
        states = Counter({state: hours * days for state, hours in self.states.items()})
        return DayStatus(self.first, _day(Hour(last)), self.hours * days, states)

    def __add__(self, other: DayStatus) -> DayStatus:
        """These days and those after them."""
        return DayStatus(
            self.first,
            other.last,
            self.hours + other.hours,
            self.states + other.states,
            self.why + other.why,
            self.held + other.held,
            self.nanocents + other.nanocents,
            self.conflicts + other.conflicts,
        )


def hour_spans(
    home: Home,
    card: RateCard | None,
    now_ms: int,
    settle_ms: int,
    within: HourRange = ALL_HOURS,
    read: ReadManifest = current_manifest,
) -> Iterator[Span]:
    """Every hour of a range, in order; equal ones that nothing was built for come together.

    A missing bound is taken from the hours that have events or a revision; the end is then at
    least that of the last closed hour. Without a card nothing is stale because of its rates.
    `read` finds the newest manifest of an hour; a server has read most of them before.
    """
    known = known_hours(home, within if within.first and within.end else ALL_HOURS)
    open_from = Hour.containing(now_ms - settle_ms)
    start = within.first or (known[0] if known else None)
    stop = within.end or (max(known[-1].following, open_from) if known else open_from)
    if start is None or stop <= start:
        return
    closed_end = max(start, min(stop, open_from))
    closed = _ClosedHours(home, card, read)
    position = start
    fetch_current(home, [hour for hour in known if start <= hour < closed_end])
    for hour in known:
        if start <= hour < closed_end:
            yield from _unbuilt(position, hour, EMPTY)
            yield Span(closed.status(hour))
            position = hour.following
    yield from _unbuilt(position, closed_end, EMPTY)
    # These are never looked at: an event may lie thousands of years ahead.
    yield from _unbuilt(closed_end, stop, OPEN)


def _unbuilt(first: Hour, end: Hour, state: str) -> Iterator[Span]:
    hours = (end.timestamp - first.timestamp) // HOUR_SECONDS
    if hours > 0:
        yield Span(HourStatus(first, state), hours)


class _ClosedHours:
    """The hours that have closed, as their inputs are at one moment."""

    def __init__(self, home: Home, card: RateCard | None, read: ReadManifest) -> None:
        self._home, self._card, self._read = home, card, read
        self._batches = Batches(home)
        self._rates = None if card is None else RateChanges(home, card)

    def status(self, hour: Hour) -> HourStatus:
        batches = self._batches
        try:
            manifest = self._read(self._home, hour)
        except Damaged:
            return HourStatus(hour, STALE, (DAMAGED_MANIFEST,))
        if manifest is None:
            # An hour with nothing but voids is empty.
            if batches.has_slices(hour, batches.inputs(hour)):
                return HourStatus(hour, MISSING, (NEVER_BUILT,))
            return HourStatus(hour, EMPTY)
        inputs = build_inputs(self._card, hour, batches)
        return _built_status(manifest, stale_reasons(manifest, inputs, batches, self._rates))


def _built_status(manifest: Manifest, reasons: tuple[str, ...]) -> HourStatus:
    record = manifest.record
    held = manifest.held_customers
    return HourStatus(
        hour=manifest.hour,
        state=STALE if reasons else HELD if held else CURRENT,
        why=reasons,
        held=held,
        revision=manifest.revision,
        customers=record["rows"]["customers"],
        total_nanocents=record["totals"]["total"],
        currency=record["currency"],
        conflicts=record["conflicts"]["count"],
        published_at=record["published_at"],
    )


def day_statuses(spans: Iterable[Span]) -> Iterator[DayStatus]:
    """The hours of a range summed up by day; days that equal the one before are added to it."""
    row: DayStatus | None = None
    equal: DayStatus | None = None
    for day, number in _single_days(spans):
        days = day.times(number) if number > 1 else day
        if row and equal and _follows(row, day) and _is_equal(equal, day):
            row += days
            continue
        if row:
            yield row
        row, equal = days, day
    if row:
        yield row


def _follows(row: DayStatus, day: DayStatus) -> bool:
    return Hour.parse(day.first).timestamp - Hour.parse(row.last).timestamp == _DAY_SECONDS


def _is_equal(one: DayStatus, other: DayStatus) -> bool:
    """Whether the hours are equal, if need be without regard to their number.

    The first and the last day of a range are often shorter than those between them.
    """
    if one.is_uniform and other.is_uniform:
        return (one.states.keys(), one.why.keys(), one.held > 0) == (
            other.states.keys(),
            other.why.keys(),
            other.held > 0,
        )
    return (one.states, one.why, one.held) == (other.states, other.why, other.held)


def _single_days(spans: Iterable[Span]) -> Iterator[tuple[DayStatus, int]]:
    """Each day that has hours, and how many days in a row are equal to it by one span alone."""
    day: DayStatus | None = None
    for span in spans:
        rest = span
        while rest.hours:
            of_day = _DAY_HOURS - rest.first.timestamp // HOUR_SECONDS % _DAY_HOURS
            whole = rest.hours // _DAY_HOURS if of_day == _DAY_HOURS else 0
            name = _day(rest.first)
            if day and (whole or day.first != name):
                yield day, 1
                day = None
            hours = min(rest.hours, of_day)
            day = day or DayStatus(name, name)
            day.add(rest.part(0, hours))
            if whole:
                yield day, whole
                day = None
                hours = whole * _DAY_HOURS
            rest = rest.part(hours, rest.hours - hours)
    if day:
        yield day, 1


def _hours_after(hour: Hour, hours: int) -> Hour:
    return Hour(hour.timestamp + hours * HOUR_SECONDS)


def _day(hour: Hour) -> str:
    return hour.name.partition("T")[0]
