"""A preview for programs: one JSON document, or its rows as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from hourtally.build.rates.preview import Preview, PreviewRequest
from hourtally.build.rates.preview_levels import KEYS
from hourtally.build.rates.preview_sums import COMPARED, WAS_HELD, WOULD_BE_HELD
from hourtally.cli.output.job_data import suggested_entry
from hourtally.cli.output.json_text import Cents, print_json
from hourtally.jobs.preview_notes import SIDES, held_customers, sorted_rows, totals
from hourtally.model.hours import Hour, HourRun, format_instant, runs_of_hours
from hourtally.model.money import format_cents


def print_preview_json(
    found: Preview, request: PreviewRequest, card: Path, exit_status: int
) -> None:
    """The facts that `print_preview` prints, as one JSON document."""
    print_json(_document(found, request, card, exit_status))


def _document(
    found: Preview, request: PreviewRequest, card: Path, exit_status: int
) -> dict[str, Any]:
    within = request.within
    compared = sorted_rows(found, COMPARED)
    return {
        "card": str(card),
        "currency": request.card.currency,
        "from": within.first and within.first.name,
        "to": within.end and within.end.name,
        "by": request.level,
        "customer": request.customer,
        "hours": {
            "priced": found.priced,
            "not_closed": found.not_closed,
            "without_revision": [run_entry(one) for one in _runs(found.unpublished)],
            "stale_for_another_reason": [
                run_entry(one) | {"reason": one.what} for one in runs_of_hours(found.stale)
            ],
            "failed": [{"hour": one.name, "error": str(error)} for one, error in found.failed],
        },
        "totals": [
            {
                "currency": currency,
                "before_cents": Cents(before),
                "after_cents": Cents(after),
                "difference_cents": Cents(after - before),
            }
            for currency, before, after in totals(compared)
        ],
        "rows": _entries(compared, request, COMPARED),
        "would_be_held": {
            **_apart(found, request, WOULD_BE_HELD),
            "gaps": gap_entries(found.gaps),
            "suggested_rates": [suggested_entry(one) for one in found.suggested],
        },
        "held_before": _apart(found, request, WAS_HELD),
        "exit_status": exit_status,
    }


def print_preview_csv(found: Preview, request: PreviewRequest) -> None:
    """The rows of all parts; a part that holds lacks the side of which nothing is known."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    key = KEYS[request.level]
    out.writerow(("part", *key, "meter", "currency", "before", "after", "difference"))
    for part, known in SIDES.items():
        for row in sorted_rows(found, part).iter_rows(named=True):
            cents = [
                format_cents(row[side]) if side in known else "" for side in ("before", "after")
            ]
            difference = format_cents(row["difference"]) if part == COMPARED else ""
            ids = ["" if row[name] is None else row[name] for name in key]
            out.writerow((part, *ids, row["meter"], row["currency"], *cents, difference))


def _apart(found: Preview, request: PreviewRequest, part: str) -> dict[str, Any]:
    return {
        "customers": [
            {"customer_id": customer, "hours": hours, "first": first.name, "last": last.name}
            for customer, hours, first, last in held_customers(found, part)
        ],
        "rows": _entries(sorted_rows(found, part), request, part),
    }


def _entries(rows: pl.DataFrame, request: PreviewRequest, part: str) -> list[dict[str, Any]]:
    entries = []
    for row in rows.iter_rows(named=True):
        entry = {name: row[name] for name in (*KEYS[request.level], "meter", "currency")}
        entry |= {f"{side}_cents": Cents(row[side]) for side in SIDES[part]}
        if part == COMPARED:
            entry["difference_cents"] = Cents(row["difference"])
        entries.append(entry)
    return entries


def gap_entries(gaps: pl.DataFrame) -> list[dict[str, Any]]:
    """`preview_sums.GAPS` as JSON."""
    return [
        {name: value for name, value in row.items() if not name.endswith("_ms")}
        | {"from": format_instant(row["from_ms"]), "until": format_instant(row["until_ms"])}
        for row in gaps.iter_rows(named=True)
    ]


def _runs(hours: Iterable[Hour]) -> list[HourRun]:
    return runs_of_hours((hour, "") for hour in hours)


def run_entry(one: HourRun) -> dict[str, Any]:
    """Hours in a row as JSON."""
    return {"first": one.first.name, "last": one.last.name, "hours": one.hours}
