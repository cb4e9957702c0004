"""What a job did, as the JSON document of `run --json` and `backfill --json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hourtally.build.builder import BuildReport
from hourtally.build.empty_hours import EmptyHours
from hourtally.build.estimate import Estimate
from hourtally.build.publish import BuildReceipt
from hourtally.build.rates.held_hours import HeldHours
from hourtally.build.staleness import IdleSummary, StaleHour
from hourtally.cli.output.ingest_report import ingest_json
from hourtally.cli.output.json_text import Cents
from hourtally.cli.requests import requests_made
from hourtally.errors import HourtallyError
from hourtally.jobs.job import Job
from hourtally.jobs.report import JobReport
from hourtally.model.hours import format_instant
from hourtally.ratecard import SuggestedRate

if TYPE_CHECKING:
    from hourtally.published.export import ExportReport

_NANOCENTS = "_nanocents"


def run_document(job: Job, report: JobReport, exit_status: int) -> dict[str, Any]:
    """What a run ingested, built and exported; also the requests to object stores."""
    requests = requests_made()
    return {
        "ingest": ingest_json(report.ingested),
        **_job_document(job, report, exit_status),
        **({"requests": requests} if requests else {}),
    }


def backfill_document(
    job: Job, report: JobReport, rest: IdleSummary | None, exit_status: int
) -> dict[str, Any]:
    """What a backfill built; `rest` counts the closed hours of the range if none was."""
    return {**_job_document(job, report, exit_status), "idle_hours": rest and asdict(rest)}


def plan_document(
    stale: Sequence[StaleHour], expected: Estimate | None, rest: IdleSummary | None
) -> dict[str, Any]:
    """What a backfill would build, and in how many seconds; `rest` as of a backfill."""
    return {
        "dry_run": True,
        "hours": [{"hour": one.hour.name, "reasons": list(one.reasons)} for one in stale],
        "estimated_seconds": expected and round(expected.seconds, 3),
        "idle_hours": rest and asdict(rest),
    }


def _job_document(job: Job, report: JobReport, exit_status: int) -> dict[str, Any]:
    built = report.built
    return {
        "hours": [_receipt_entry(receipt) for receipt in built.built],
        "failed": [{"hour": hour, "error": str(error)} for hour, error in built.failed],
        **_sums(built),
        "hours_left": built.undone,
        "files_left": report.ingested.undone,
        "held": _held_entry(report.held),
        "empty_hours": report.empty and _empty_entry(report.empty),
        "export": _export_entry(job, report.exported),
        "interrupted": report.interrupted,
        "exit_status": exit_status,
    }


def _receipt_entry(receipt: BuildReceipt) -> dict[str, Any]:
    """A receipt with its fields, amounts in cents."""
    entry = {}
    for name, value in asdict(receipt).items():
        if name.endswith(_NANOCENTS):
            cents = None if value is None else Cents(value)
            entry[f"{name.removesuffix(_NANOCENTS)}_cents"] = cents
        else:
            entry[name] = value
    return entry


def _sums(built: BuildReport) -> dict[str, Any]:
    restated = [receipt for receipt in built.built if receipt.revision > 1]
    # Restatements in another currency than before have no difference.
    deltas = (receipt.delta_nanocents or 0 for receipt in restated)
    return {
        "built": len(built.built),
        "restated": len(restated),
        "changed": sum(receipt.changed for receipt in restated),
        "delta_cents": Cents(sum(deltas)),
        "total_cents": Cents(sum(receipt.total_nanocents for receipt in built.built)),
    }


def _held_entry(held: HeldHours) -> dict[str, Any]:
    """Who is held, where, and the rates that would release them."""
    return {
        "customers": sorted(held.customers),
        "hours": held.hours,
        "suggested_rates": [suggested_entry(one) for one in held.suggested],
    }


def suggested_entry(one: SuggestedRate) -> dict[str, Any]:
    """A rate that closes gaps, and what it closes."""
    gap = asdict(one.example)
    del gap["from_ms"], gap["until_ms"]
    spellings = [
        {"selector": name, "used": used, "card": card} for name, used, card in one.spellings
    ]
    return {
        "block": one.block,
        "customers": one.customers,
        "hours": one.hours,
        "from": format_instant(one.from_ms),
        "until": format_instant(one.until_ms),
        "example": gap,
        "nearest_spellings": spellings,
    }


def _empty_entry(empty: EmptyHours) -> dict[str, Any]:
    return {
        "count": len(empty.hours),
        "hours": list(empty.hours),
        "last": empty.hours[-1] if empty.hours else None,
        "last_with_events": empty.last_with_events,
        "since_last_with_events": empty.since_last,
    }


def _export_entry(
    job: Job, exported: ExportReport | HourtallyError | None
) -> dict[str, Any] | None:
    if exported is None:
        return None
    folder = {"folder": str(job.export)}
    if isinstance(exported, HourtallyError):
        return {**folder, "error": str(exported)}
    return folder | asdict(exported)
