"""All hours of the home by day and state, and what was set aside: what `status` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hourtally.build.batch_summary import summarize_batches
from hourtally.build.rates.held_hours import HeldHours, find_held
from hourtally.build.status import HourStatus
from hourtally.build.status_report import StatusTotals
from hourtally.errors import HourtallyError
from hourtally.ingest.inbox import search_inbox
from hourtally.ingest.remarks import remarks
from hourtally.model.hours import Hour, HourRange
from hourtally.server.pages.addresses import DAY_HOURS, Addresses, hours_before
from hourtally.server.pages.heat_map import (
    HourCell,
    heat_map,
    later_window,
    sums_of,
    window_end,
    window_start,
)
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources, single_hours

_MOST_LISTED: Final = 10


def overview(sources: PageSources, until: Hour | None) -> Page:
    """The operator's first page; until: the end of the five weeks that are shown."""
    addresses, now_ms = Addresses(), sources.now_ms()
    end = window_end(now_ms, until)
    within = HourRange(window_start(end), end)
    revisions = sources.revisions(within)
    totals = StatusTotals()
    cells = []
    for span in sources.spans(within, revisions):
        totals.add(span)
        cells += [status_cell(one) for one in single_hours([span])]
    batches, inbox = (
        summarize_batches(sources.home, now_ms, sources.record),
        search_inbox(sources.home),
    )
    content: dict[str, Any] = {
        "title": "Hours",
        "section": "Hours",
        "map": heat_map(cells, addresses.hour),
        "first": within.first,
        "last": hours_before(end, 1),
        "totals": totals,
        "voids": _voids(one.manifest.record for one in revisions.values()),
        "batches": batches,
        "inbox": list(remarks(inbox.passed_over, inbox.quarantined, inbox.withdrawn)),
        "refused": inbox.refused,
        "most": _MOST_LISTED,
        "held": _held(sources, within),
        "earlier": addresses.window(window_start(end)),
        "later": None if until is None else later_window(addresses, end, now_ms),
    }
    return Page("overview", content)


def status_cell(status: HourStatus) -> HourCell:
    """An hour of the home as a cell: its total is that of all customers."""
    return HourCell(
        status.hour,
        status.state,
        ", ".join(status.why),
        None if status.revision is None else status.total_nanocents,
        status.currency,
        restated=(status.revision or 1) > 1,
        held=status.held > 0,
    )


def _held(sources: PageSources, within: HourRange) -> HeldHours | str | None:
    """Who is held, and the rates to add; a message where the card cannot be read."""
    try:
        card = sources.card()
    except HourtallyError as error:
        return str(error)
    held = find_held(sources.home, card, within, sources.usage.revisions.read)
    return held if held.hours else None


def _voids(records: Any) -> Mapping[str, int]:
    """Sums of what manifests count of voids; those of build version 1 know none."""
    sums = {"count": 0, "slices_voided": 0, "unmatched": 0}
    for record in records:
        for name in sums:
            sums[name] += (record.get("voids") or {}).get(name, 0)
    return sums


def day(sources: PageSources, hour: Hour) -> Page:
    """The hours of a day, of all customers."""
    addresses = Addresses()
    first = Hour.parse(hour.name[:10])
    within = HourRange(first, hours_before(first, -DAY_HOURS))
    cells = [status_cell(one) for one in single_hours(sources.spans(within))]
    content = {
        "title": first.name[:10],
        "day": first.name[:10],
        "cells": [(one, addresses.hour(one.hour)) for one in cells],
        "totals": sums_of(cells),
        "held": sum(one.held for one in cells),
        **addresses.days_beside(first),
    }
    return Page("day", content)
