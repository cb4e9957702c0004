"""What a run did, as Markdown: the artifact of a flow run, readable as plain text too."""

from __future__ import annotations

from collections.abc import Sequence

from hourtally.money import format_cents
from hourtally.pipeline import BuildReport, IngestReport

_HEADER = ("hour", "revision", "why", "customers", "total, cents", "duplicates", "conflicts")


def summary_of(ingested: IngestReport | None, built: BuildReport) -> str:
    """The files ingested, the hours built with their totals, and what could not be done."""
    parts = [] if ingested is None else [_ingested(ingested)]
    if built.built:
        rows = [
            (
                receipt.hour,
                str(receipt.revision),
                ", ".join(receipt.reasons),
                str(receipt.customers),
                format_cents(receipt.total_nanocents),
                str(receipt.duplicates),
                str(receipt.conflicts),
            )
            for receipt in built.built
        ]
        parts.append(_table([_HEADER, *rows]))
    else:
        parts.append("No hour was built." if built.failed else "No closed hour was stale.")
    refused = [] if ingested is None else ingested.refused
    problems = [f"- {refusal}" for refusal in refused]
    problems += [f"- {error}" for _, error in built.failed]
    if problems:
        parts.append("Could not be done:\n\n" + "\n".join(problems))
    return "\n\n".join(parts)


def _ingested(report: IngestReport) -> str:
    new = [receipt for receipt in report.files if not receipt.skipped]
    accepted = sum(receipt.accepted for receipt in new)
    duplicates = sum(receipt.duplicates for receipt in new)
    return (
        f"New files: {len(new)}. Events accepted: {accepted}, duplicates: {duplicates}, "
        f"lines in quarantine: {report.quarantined}."
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned in plain text too."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(c.ljust(width) for c, width in zip(row, widths, strict=True)) + " |"
        for row in [rows[0], rule, *rows[1:]]
    )
