"""What jobs have done, as tables on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hourtally.export import ExportReport
from hourtally.money import format_cents
from hourtally.pipeline import BuildReport, IngestReport
from hourtally.staleness import StaleHour
from hourtally.tables import console, table, visible
from hourtally.verify import MOST_NAMED, Findings

AFTER_DIFFERENCES = (
    "what is published or stored is not what it must be. Of files that have changed restore a "
    "copy; where only a revision is wrong, `hourtally backfill --force` over its hour publishes "
    "it anew, and the wrong revision stays for `hourtally diff`."
)


def print_ingest(report: IngestReport) -> None:
    """One row a file: its batch and what became of its lines."""
    if not report.files:
        return
    headings = ["file", "batch", "<lines", "<accepted", "<duplicates", "<quarantined"]
    noted = any(receipt.skipped or receipt.quarantined for receipt in report.files)
    made = table(*headings, *(["note"] if noted else []))
    for receipt in report.files:
        note = "ingested before, skipped" if receipt.skipped else ""
        if receipt.quarantined and not receipt.skipped:
            note = f"see quarantine/{receipt.batch}.ndjson"
        made.add_row(
            visible(receipt.file),
            receipt.batch,
            *(str(n) for n in (receipt.lines, receipt.accepted, receipt.duplicates)),
            str(receipt.quarantined),
            *([note] if noted else []),
        )
    console().print(made)


def print_built(report: BuildReport) -> None:
    """One row a published revision, and a line of sums."""
    if not report.built:
        if not report.failed:
            console().print("Every closed hour is current; nothing was written.")
        return
    made = table("hour", "<revision", "why", "<customers", "<resources", "<cents")
    for receipt in report.built:
        made.add_row(
            receipt.hour,
            str(receipt.revision),
            ", ".join(receipt.reasons),
            str(receipt.customers),
            str(receipt.resources),
            format_cents(receipt.total_nanocents),
        )
    console().print(made)
    total = format_cents(sum(receipt.total_nanocents for receipt in report.built))
    restated = sum(receipt.revision > 1 for receipt in report.built)
    conflicts = sum(receipt.conflicts for receipt in report.built)
    duplicates = sum(receipt.duplicates for receipt in report.built)
    console().print(
        f"{len(report.built)} hours built, {restated} of them restated, {total} cents together; "
        f"{duplicates} duplicate slices left out, {conflicts} conflicts decided."
    )


def print_stale(stale: Sequence[StaleHour]) -> None:
    """What a backfill would build, and why."""
    if not stale:
        console().print("Every closed hour of the range is current; nothing would be built.")
        return
    made = table("hour", "why")
    for one in stale:
        made.add_row(one.hour.name, ", ".join(one.reasons))
    console().print(made)
    console().print(f"{len(stale)} hours would be built.")


def print_export(report: ExportReport, directory: Path) -> None:
    """How many files were brought into step."""
    console().print(
        f"{report.written} files written to {visible(str(directory))}, {report.removed} removed; "
        f"{report.hours} hours exported, {report.current} were in step."
    )


def print_verified(findings: Findings) -> None:
    """What was verified, the first differences, and the hours that could not be re-derived."""
    out = console()
    for difference in findings.named:
        out.print(visible(str(difference)))
    if findings.differences > len(findings.named):
        out.print(f"… and {findings.differences - len(findings.named)} more")
    for hour, reasons in findings.digests_only[:MOST_NAMED]:
        out.print(f"{hour}: stale: {reasons}; digests checked only")
    if len(findings.digests_only) > MOST_NAMED:
        out.print(f"… and {len(findings.digests_only) - MOST_NAMED} more stale hours")
    out.print(
        f"{findings.hours} hours verified, {findings.documents} documents and "
        f"{findings.charges} charges re-derived: {findings.differences or 'no'} differences."
    )
