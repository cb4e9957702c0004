"""What a run did, as Markdown that also reads well as plain text, and as table rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from hourtally.build.builder import BuildReport
from hourtally.build.publish import BuildReceipt
from hourtally.build.staleness import describe_reasons
from hourtally.errors import Damaged, HourtallyError
from hourtally.ingest.files import IngestReport
from hourtally.jobs.left_out import left_out, void_sentences
from hourtally.jobs.report import JobReport
from hourtally.jobs.sentences import empty_sentence, held_sentence, restated_sentence
from hourtally.model.hours import Hour
from hourtally.model.money import format_cents
from hourtally.model.printable import printable_message
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest

# A month of hours; longer ranges are shown by day.
_MAX_ROWS: Final = 31 * 24
_MAX_PROBLEMS: Final = 50
_HEADER: Final = (
    "hour",
    "revision",
    "why",
    "customers",
    "total, cents",
    "duplicate slices",
    "conflicts",
    "slices in conflict",
    "slices voided",
)


def summary_of(report: JobReport, ended_by: HourtallyError | None = None) -> str:
    """The files ingested, the hours built with their totals, and everything that failed.

    ended_by: the error that ended the run early, so that not even the remaining work is known.
    """
    ingested, built = report.ingested, report.built
    parts = [] if ended_by is None else [f"Ended early: {printable_message(str(ended_by))}"]
    if built.built or built.failed or built.undone or ended_by is None:
        parts.append(_sums(built))
    sentences = [restated_sentence(built), empty_sentence(report.empty) if report.empty else ""]
    parts += filter(None, sentences)
    if ingested.files:
        parts.append(_ingested(ingested))
    if 0 < len(built.built) <= _MAX_ROWS:
        parts.append(_table([_HEADER, *(_cells(receipt) for receipt in built.built)]))
    if report.interrupted:
        parts.append(
            f"Interrupted: {built.undone} hours and {ingested.undone} files are left for the "
            "next run."
        )
    quarantined = [one for one in ingested.files if one.quarantined and not one.known]
    parts += _listed(
        "Lines in quarantine:",
        (
            f"{one.file}: {one.quarantined}, see quarantine/{one.record}.ndjson"
            for one in quarantined
        ),
    )
    parts += [printable_message(remark) for remark in ingested.remarks()]
    problems = [*ingested.refused, *(error for _, error in built.failed)]
    if isinstance(report.exported, Exception):
        problems.append(report.exported)
    if report.held.hours:
        blocks = "\n\n".join(one.block for one in report.held.suggested[:_MAX_PROBLEMS])
        parts.append(f"Held: {held_sentence(report.held)}.\n\n```toml\n{blocks}\n```")
    parts += _listed("Failed:", map(str, problems))
    return "\n\n".join(parts)


def _sums(built: BuildReport) -> str:
    if not built.built:
        return "No hour was built." if built.failed or built.undone else "No closed hour was stale."
    sums = _row_of("", built.built)
    voids = "".join(f" {sentence}" for sentence in void_sentences(built.built))
    return (
        f"Hours built: {len(built.built)}, restated: {sums['restated']}, failed: "
        f"{len(built.failed)}. Total: {sums['total, cents']} cents; "
        f"{left_out(built.built)}.{printable_message(voids)}"
    )


def _ingested(report: IngestReport) -> str:
    new = [receipt for receipt in report.files if not receipt.skipped]
    accepted = sum(receipt.accepted for receipt in new)
    duplicates = sum(receipt.duplicates for receipt in new)
    return (
        f"New files: {len(new)}. Events accepted: {accepted}, duplicate lines: {duplicates}, "
        f"lines in quarantine: {sum(receipt.quarantined for receipt in new)}."
    )


def _listed(heading: str, lines: Iterable[str]) -> list[str]:
    """A list under a heading, short enough to read; nothing if it is empty."""
    every = list(lines)
    shown = [f"- {printable_message(line)}" for line in every[:_MAX_PROBLEMS]]
    if len(every) > _MAX_PROBLEMS:
        shown.append(f"- and {len(every) - _MAX_PROBLEMS} more")
    return [f"{heading}\n\n" + "\n".join(shown)] if every else []


def hour_rows(report: JobReport) -> list[dict[str, Any]]:
    """Table rows: the sums, then a row per hour, or per day if there are too many hours.

    Amounts are text, because a JSON number would be read as a binary double.
    """
    built = report.built
    sums = _row_of("all", built.built) | {
        "failed": len(built.failed),
        "lines quarantined": report.ingested.quarantined,
    }
    if len(built.built) <= _MAX_ROWS:
        rows = [_row_of(receipt.hour, [receipt]) for receipt in built.built]
    else:
        days = groupby(built.built, key=lambda receipt: receipt.hour[:10])
        rows = [_row_of(day, list(receipts)) for day, receipts in days]
    return [sums, *rows]


def _row_of(name: str, receipts: Sequence[BuildReceipt]) -> dict[str, Any]:
    """The sums of some hours; `customers` is the largest number in any of them."""
    return {
        "hours": name,
        "built": len(receipts),
        "restated": sum(receipt.revision > 1 for receipt in receipts),
        "why": describe_reasons(sorted({why for receipt in receipts for why in receipt.reasons})),
        "customers": max((receipt.customers for receipt in receipts), default=0),
        "total, cents": format_cents(sum(receipt.total_nanocents for receipt in receipts)),
        "duplicate slices": sum(receipt.duplicates for receipt in receipts),
        "conflicts": sum(receipt.conflicts for receipt in receipts),
        "slices in conflict": sum(receipt.conflict_losers for receipt in receipts),
        "slices voided": sum(receipt.voids["slices_voided"] for receipt in receipts),
    }


def day_rows(home: Home, day: str) -> list[dict[str, Any]]:
    """Where each published hour of a day (2026-11-22) is stored, and its total."""
    rows: list[dict[str, Any]] = []
    for number in range(24):
        hour = Hour.parse(f"{day}T{number:02d}")
        try:
            manifest = current_manifest(home, hour)
        except Damaged as damage:
            rows.append({"hour": hour.name, "documents": str(damage)})
            continue
        if manifest is None:
            continue
        record = manifest.record
        rows.append(
            {
                "hour": hour.name,
                "revision": manifest.revision,
                "why": describe_reasons(record["reasons"]),
                "customers": record["rows"]["customers"],
                "total, cents": format_cents(record["totals"]["total"]),
                "documents": str(manifest.folder / "documents.ndjson"),
                "sha256": record["files"]["documents.ndjson"]["sha256"],
            }
        )
    return rows


def _cells(receipt: BuildReceipt) -> tuple[str, ...]:
    return (
        receipt.hour,
        str(receipt.revision),
        describe_reasons(receipt.reasons),
        str(receipt.customers),
        format_cents(receipt.total_nanocents),
        str(receipt.duplicates),
        str(receipt.conflicts),
        str(receipt.conflict_losers),
        str(receipt.voids["slices_voided"]),
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up in plain text."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(c.ljust(width) for c, width in zip(row, widths, strict=True)) + " |"
        for row in [rows[0], rule, *rows[1:]]
    )
