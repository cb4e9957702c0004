"""The status of a home: rows of bounded number, and sums over all hours of the range."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hourtally.build.status import (
    STATES,
    DayStatus,
    HourStatus,
    Span,
    day_statuses,
)
from hourtally.model.hours import Hour, parse_instant_ms

MOST_ROWS: Final = 10_000
"""Of hours or days: a year of hours. Older ones are left out, and counted."""
_MOST_CONFLICTS: Final = 10
# A month; more equal hours in a row, without anything built, are one row.
_MOST_SINGLE_HOURS: Final = 31 * 24


@dataclass
class StatusTotals:
    """Sums over all hours of a range, whatever is listed of them.

    Attributes:
        first, end: the range; None without any hour.
        states: hours by state.
        held: hours that hold somebody, in whatever state.
        conflicts: identities. conflicting: the last hours that have some; conflicting_hours: how
            many have.
        last_published: the hour whose newest revision was committed last.
    """

    first: Hour | None = None
    end: Hour | None = None
    states: Counter[str] = field(default_factory=Counter)
    held: int = 0
    conflicts: int = 0
    conflicting_hours: int = 0
    conflicting: deque[HourStatus] = field(default_factory=lambda: deque(maxlen=_MOST_CONFLICTS))
    currencies: set[str] = field(default_factory=set)
    last_published: HourStatus | None = None
    _last_ms: int = 0

    @property
    def hours(self) -> int:
        """How many hours the range has."""
        return sum(self.states.values())

    def add(self, span: Span) -> None:
        """Add the next hours."""
        status = span.status
        self.first = self.first or span.first
        self.end = span.end
        self.states[status.state] += span.hours
        self.held += status.held > 0
        if status.currency:
            self.currencies.add(status.currency)
        if status.conflicts:
            self.conflicts += status.conflicts
            self.conflicting_hours += 1
            self.conflicting.append(status)
        if status.published_at:
            published_ms = parse_instant_ms(status.published_at)
            if self.last_published is None or published_ms >= self._last_ms:
                self.last_published, self._last_ms = status, published_ms


@dataclass(frozen=True)
class StatusReport:
    """What `status` shows.

    Attributes:
        by_hour: whether `hours` are the rows and not `days`; the other list is empty.
        left_out: how many older rows are left out.
        filtered: the states that were asked for; empty if all were.
    """

    by_hour: bool
    days: tuple[DayStatus, ...]
    hours: tuple[Span, ...]
    left_out: int
    filtered: tuple[str, ...]
    totals: StatusTotals


def status_report(
    spans: Iterable[Span], *, by_hour: bool, states: tuple[str, ...] = ()
) -> StatusReport:
    """The newest rows of a range, and sums over all of it.

    Args:
        spans: the whole range, in order.
        by_hour: a row an hour and not a day.
        states: list only hours in these states; empty: all.
    """
    totals = StatusTotals()
    wanted = _filtered(spans, totals, states or STATES)
    rows: deque[Span | DayStatus] = deque(maxlen=MOST_ROWS)
    number = 0
    for row in _single_hours(wanted) if by_hour else day_statuses(wanted):
        rows.append(row)
        number += 1
    days = tuple(row for row in rows if isinstance(row, DayStatus))
    hours = tuple(row for row in rows if isinstance(row, Span))
    return StatusReport(by_hour, days, hours, number - len(rows), states, totals)


def _filtered(
    spans: Iterable[Span], totals: StatusTotals, states: tuple[str, ...]
) -> Iterator[Span]:
    for span in spans:
        totals.add(span)
        if span.is_in(states):
            yield span


def _single_hours(spans: Iterable[Span]) -> Iterator[Span]:
    """A row for each hour, or for very many in a row for which nothing is built."""
    for span in spans:
        if span.hours > _MOST_SINGLE_HOURS:
            yield span
        else:
            for number in range(span.hours):
                yield span.part(number, 1)
