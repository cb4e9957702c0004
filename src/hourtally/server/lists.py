"""Lists of periods: hours, days, months, or all of a window in one (contract, section 9).

The figures of an hour are those of its view under the same filters; a period's are their exact
sums, of one currency each.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from hourtally.model.hours import HOUR_SECONDS, Granularity, Hour
from hourtally.model.money import format_currency
from hourtally.published.document_shapes import IN_CENTS, WITH_USAGE, Figures
from hourtally.published.reader import read_current
from hourtally.server.cursors import Position, write_cursor
from hourtally.server.hour_figures import Asked, FiguresOfHours, HourFigures
from hourtally.server.requests import ListRequest
from hourtally.server.responses import Response, customer_response, etag_of
from hourtally.server.revisions import CurrentRevisions

# The one period of `total`, which starts where the window does.
_WHOLE: Final = 0
# Of the year 1.
_FIRST_SECOND: Final = -62_135_596_800


class _Entry(NamedTuple):
    """A period's figures in one currency. timestamp: of the period within the window."""

    position: Position
    timestamp: int
    paas: Figures
    byoc: Figures


class _Window(NamedTuple):
    """What a list is of, in Unix seconds; None where nothing is asked for and published."""

    start: int | None
    end: int | None


class UsageLists:
    """Lists of a home; safe to share between threads."""

    def __init__(self, revisions: CurrentRevisions, figures: FiguresOfHours) -> None:
        self._revisions = revisions
        self._figures = figures

    def page(self, customer: str, request: ListRequest) -> Response:
        """A page of periods, newest first.

        Raises:
            HttpError: the newer generation is asked for, and an hour has no quantities.
            Damaged: a published file is missing or has changed.
        """
        with self._revisions.one_listing():
            return read_current(lambda: self._read_page(customer, request))

    def _read_page(self, customer: str, request: ListRequest) -> Response:
        hours = list(self._hours(request))
        window = self._window(request)
        page: list[_Entry] = []
        is_last = True
        for entry in self._entries(customer, request, hours, window):
            if len(page) == request.per_page:
                is_last = False
                break
            page.append(entry)
        pagination: dict[str, object] = {"hasNextPage": not is_last, "count": len(page)}
        if not is_last:
            position = page[-1].position
            pagination["cursor"] = write_cursor(position, request.granularity, request.filters)
        body = b'{"data":{%b"usage":[%b]},%b"pagination":%b}' % (
            _head(customer, request, window) if request.newer else b"",
            b",".join(map(_newer_entry if request.newer else _entry, page)),
            self._held_json(customer, hours),
            _json(pagination),
        )
        return customer_response(body, etag_of(body))

    def _hours(self, request: ListRequest) -> Iterator[Hour]:
        """The hours of the window that have a folder, newest first.

        Only whole hours count; an older list of hours has those that start in the window.
        """
        end = request.end
        if end is not None and (request.newer or request.granularity != "hour"):
            end = max(end - HOUR_SECONDS + 1, _FIRST_SECOND)
        return self._revisions.hours(request.start, end)

    def _window(self, request: ListRequest) -> _Window:
        """What was asked for, else from the first to the last published hour.

        An older list of hours neither shows it nor needs it.
        """
        start, end = request.start, request.end
        is_of_hours = request.granularity == "hour" and not request.newer
        if (start is not None and end is not None) or is_of_hours:
            return _Window(start, end)
        if start is None:
            first = self._first_published(newest_first=False)
            start = None if first is None else first.timestamp
        last = self._first_published(newest_first=True)
        if last is not None and start is not None:
            end = max(start, last.following.timestamp)
        return _Window(start, start if end is None else end)

    def _first_published(self, *, newest_first: bool) -> Hour | None:
        hours = self._revisions.hours(None, None, newest_first=newest_first)
        return next((hour for hour in hours if self._revisions.current(hour.timestamp)), None)

    def _entries(
        self, customer: str, request: ListRequest, hours: list[Hour], window: _Window
    ) -> Iterator[_Entry]:
        """The entries after the cursor, newest period first, then by currency."""
        after = request.after
        shape = WITH_USAGE if request.newer else IN_CENTS

        def period_of(hour: Hour) -> int:
            return _period(hour, request.granularity)

        for period, of_period in groupby(hours, period_of):
            if after is not None and period > after.period:
                continue
            by_currency: defaultdict[str, list[HourFigures]] = defaultdict(list)
            for figures in self._figures_of(customer, request, of_period):
                by_currency[figures.currency].append(figures)
            timestamp = window.start or 0
            if request.granularity != "total":
                timestamp = period if window.start is None else max(period, window.start)
            for currency, several in sorted(by_currency.items()):
                position = Position(period, currency)
                if after is not None and period == after.period and currency <= after.currency:
                    continue
                paas = shape.paas.sum(one.paas for one in several)
                byoc = shape.byoc.sum(one.byoc for one in several)
                yield _Entry(position, timestamp, paas, byoc)

    def _figures_of(
        self, customer: str, request: ListRequest, hours: Iterable[Hour]
    ) -> Iterator[HourFigures]:
        """The figures of the published ones of these hours that do not hold the customer."""
        found = (self._revisions.current(hour.timestamp) for hour in hours)
        revisions = [one for one in found if one is not None and not one.holds(customer)]
        return self._figures.of(Asked(customer, request.filters, request.newer), revisions)

    def _held_json(self, customer: str, hours: list[Hour]) -> bytes:
        """The hours of the window, of any page, that hold the customer; nothing if none does."""
        held = [hour.timestamp for hour in hours if self._revisions.hold(hour, customer)]
        if not held:
            return b""
        return b'"held":{"hours":%d,"first":%d,"last":%d},' % (len(held), held[-1], held[0])


def _period(hour: Hour, granularity: Granularity) -> int:
    """The first second of the period, in UTC, that an hour lies in."""
    if granularity == "hour":
        return hour.timestamp
    if granularity == "total":
        return _WHOLE
    length = len("2026-11-22") if granularity == "day" else len("2026-11")
    first_day = hour.name[:length] if granularity == "day" else f"{hour.name[:length]}-01"
    return Hour.parse(first_day).timestamp


def _head(customer: str, request: ListRequest, window: _Window) -> bytes:
    """What stands before the entries of the newer generation."""
    head = {
        "granularity": request.granularity,
        "scope": {"entityType": "team", "entityId": customer},
        "window": window._asdict(),
    }
    return _json(head)[1:-1] + b","


def _entry(entry: _Entry) -> bytes:
    return b'{"timestamp":%d,"paasUsage":{%b},"byocUsage":{%b}}' % (
        entry.timestamp,
        IN_CENTS.paas.write(entry.paas),
        IN_CENTS.byoc.write(entry.byoc),
    )


def _newer_entry(entry: _Entry) -> bytes:
    return b'{"timestamp":%d,"currency":%b,"total":%b,"paas":{%b},"byoc":{%b}}' % (
        entry.timestamp,
        _json(entry.position.currency.lower()),
        format_currency(entry.paas[0] + entry.byoc[0]).encode(),
        WITH_USAGE.paas.write(entry.paas),
        WITH_USAGE.byoc.write(entry.byoc),
    )


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
