"""Status for programs: one JSON document, or rows of CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import Any, Final

from hourtally.build.batch_summary import BatchSummary
from hourtally.build.status import STATES, DayStatus, HourStatus, Span
from hourtally.build.status_report import StatusReport
from hourtally.cli.output.ingest_report import inbox_json
from hourtally.cli.output.json_text import Cents, print_json
from hourtally.cli.output.status import state_counts
from hourtally.ingest.inbox import Inbox
from hourtally.model.hours import format_instant
from hourtally.model.money import format_cents

_MOST_BATCHES: Final = 1_000
_HOUR_COLUMNS: Final = (
    *("hour", "hours", "state", "why", "held", "revision", "customers", "cents", "currency"),
    *("conflicts", "published_at"),
)
_DAY_COLUMNS: Final = (
    *("first", "last", "hours", *STATES),
    *("why", "held_hours", "cents", "currency", "conflicts"),
)


def status_document(report: StatusReport, batches: BatchSummary, now_ms: int) -> dict[str, Any]:
    """The facts that `print_status` prints."""
    totals = report.totals
    last = totals.last_published
    rows = (
        {"hours": [_hour_entry(span) for span in report.hours]}
        if report.by_hour
        else {"days": [_day_entry(day) for day in report.days]}
    )
    return {
        "now": format_instant(now_ms),
        "from": totals.first and totals.first.name,
        "to": totals.end and totals.end.name,
        "states": state_counts(totals.states),
        "held_hours": totals.held,
        "conflicts": totals.conflicts,
        **rows,
        "older_rows_left_out": report.left_out,
        "last_published": last
        and {"hour": last.hour.name, "revision": last.revision, "published_at": last.published_at},
        "batches": _batches_entry(batches),
    }


def _hour_entry(span: Span) -> dict[str, Any]:
    one = span.status
    return {
        "hour": one.hour.name,
        "hours": span.hours,
        "state": one.state,
        "why": list(one.why),
        "held": one.held,
        "revision": one.revision,
        "customers": one.customers,
        "cents": Cents(one.total_nanocents) if one.revision else None,
        "currency": one.currency or None,
        "conflicts": one.conflicts,
        "published_at": one.published_at or None,
    }


def _day_entry(day: DayStatus) -> dict[str, Any]:
    return {
        "first": day.first,
        "last": day.last,
        "hours": day.hours,
        "states": state_counts(day.states),
        "why": dict(day.why),
        "held_hours": day.held,
        "cents": {currency: Cents(total) for currency, total in sorted(day.nanocents.items())},
        "conflicts": day.conflicts,
    }


def _batches_entry(batches: BatchSummary) -> dict[str, Any]:
    future = batches.future
    return {
        "count": batches.count,
        "withdrawn": batches.withdrawn,
        "damaged": batches.damaged,
        "quarantined": batches.quarantined,
        "with_quarantine": [
            {"batch": batch, "file": file, "rules": rules}
            for batch, file, rules in batches.with_quarantine[:_MOST_BATCHES]
        ],
        "with_quarantine_count": len(batches.with_quarantine),
        "last_file": batches.last_file or None,
        "last_ingested_at": batches.last_ingested_at or None,
        "latest_start": future
        and {"batch": future.batch, "file": future.file, "latest_start": future.latest_start},
    }


def print_status_csv(report: StatusReport) -> None:
    """The rows only; an amount has a column beside it for its currency."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    if report.by_hour:
        out.writerow(_HOUR_COLUMNS)
        out.writerows(_hour_cells(span) for span in report.hours)
    else:
        out.writerow(_DAY_COLUMNS)
        out.writerows(row for day in report.days for row in _day_cells(day))


def _hour_cells(span: Span) -> tuple[Any, ...]:
    one: HourStatus = span.status
    cents = format_cents(one.total_nanocents) if one.revision else ""
    return (
        *(one.hour.name, span.hours, one.state, ", ".join(one.why), one.held, one.revision),
        *(one.customers, cents, one.currency, one.conflicts, one.published_at),
    )


def _day_cells(day: DayStatus) -> Iterator[tuple[Any, ...]]:
    """A row; several where the hours of a day were built in several currencies."""
    why = ", ".join(f"{hours} {reason}" for reason, hours in day.why.items())
    states = state_counts(day.states).values()
    for currency, total in sorted(day.nanocents.items()) or [("", 0)]:
        cents = format_cents(total) if currency else ""
        yield (
            *(day.first, day.last, day.hours, *states, why, day.held),
            *(cents, currency, day.conflicts),
        )


def print_status_json(
    report: StatusReport, batches: BatchSummary, inbox: Inbox, now_ms: int
) -> None:
    """Print the report as one JSON document."""
    print_json(status_document(report, batches, now_ms) | {"inbox": inbox_json(inbox)})
