"""Reports of what was ingested, passed over and withdrawn, on standard output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hourtally.cli.output.text_table import (
    console,
    counted,
    counts,
    lines_of,
    print_lines,
    print_text,
    texts,
)
from hourtally.ingest.discovery import Tally, path_text
from hourtally.ingest.files import IngestReport
from hourtally.ingest.remarks import remarks

if TYPE_CHECKING:
    from hourtally.ingest.inbox import Inbox
    from hourtally.ingest.receipts import IngestReceipt
    from hourtally.ingest.withdrawal import WithdrawalReceipt


def print_ingest(report: IngestReport) -> None:
    """One row per file: its batch and what became of its lines; then what is not in the table."""
    out = console()
    if report.files:
        columns = [
            texts("batch", [receipt.batch for receipt in report.files]),
            counts("lines", [receipt.lines for receipt in report.files]),
            counts("accepted", [receipt.accepted for receipt in report.files]),
            counts("duplicates", [receipt.duplicates for receipt in report.files]),
            counts("quarantined", [receipt.quarantined for receipt in report.files]),
        ]
        notes = [_note(receipt) for receipt in report.files]
        if any(notes):
            columns.append(texts("note", notes))
        names = ["file", *(one.file for one in report.files)]
        print_lines(out, lines_of(names, columns, out.width))
    for line in report.remarks():
        print_text(out, line)


def ingest_json(report: IngestReport) -> dict[str, Any]:
    """The same facts for programs, with keys as in records."""
    return {
        "files": [
            {
                "file": receipt.file,
                "batch": receipt.batch,
                "number": receipt.number,
                "skipped": receipt.skipped,
                "again": receipt.again,
                "lines": receipt.lines,
                "accepted": receipt.accepted,
                "duplicates": receipt.duplicates,
                "quarantined": receipt.quarantined,
                "rules": dict(receipt.rules),
                "quarantine": f"quarantine/{receipt.record}.ndjson"
                if receipt.quarantined
                else None,
                "conflicts": {
                    "identities": receipt.conflicts,
                    "slices_not_counted": receipt.conflict_losers,
                },
                "hours": list(receipt.hour_names),
                **asdict(receipt.observations),
            }
            for receipt in report.files
        ],
        "rejected": [
            {"file": path_text(refusal.path), "reason": refusal.reason}
            for refusal in report.refused
        ],
        "passed_over": tally_json(report.passed_over),
        "quarantined_earlier": tally_json(report.earlier_quarantined),
        "withdrawn": tally_json(report.withdrawn),
    }


def tally_json(tally: Tally) -> dict[str, Any]:
    """A number of files and the first few of them."""
    return {"count": tally.count, "examples": tally.examples}


def withdrawal_json(receipt: WithdrawalReceipt) -> dict[str, Any]:
    """The facts of a withdrawal; `hours` are those that lose events."""
    return asdict(receipt) | {"hours": list(receipt.hours), "status": "withdrawn"}


def inbox_lines(inbox: Inbox) -> Iterator[str]:
    """What there is to say of the inbox, a line each."""
    return remarks(inbox.passed_over, inbox.quarantined, inbox.withdrawn)


def inbox_json(inbox: Inbox) -> dict[str, Any]:
    """The same facts for programs."""
    return {
        "passed_over": tally_json(inbox.passed_over),
        "quarantined": tally_json(inbox.quarantined),
        "withdrawn": tally_json(inbox.withdrawn),
    }


def _note(receipt: IngestReceipt) -> str:
    notes = []
    if receipt.skipped:
        changed = "judged again, unchanged" if receipt.again else "already ingested, skipped"
        notes.append(changed)
    elif receipt.again:
        notes.append(f"ingested again as record {receipt.number}")
    if receipt.quarantined:
        notes.append(f"see quarantine/{receipt.record}.ndjson")
    return "; ".join(notes)


def print_withdrawal(receipt: WithdrawalReceipt) -> None:
    """What was withdrawn, and what is to be done."""
    out = console()
    batch = f"{receipt.file} (batch {receipt.batch})"
    if receipt.already:
        text = f"{batch} was withdrawn at {receipt.withdrawn_at} already ({receipt.reason})."
        print_text(out, f"{text} Nothing was written.")
        return
    events = counted(receipt.accepted, "event")
    if not receipt.hours:
        print_text(out, f"{batch} withdrawn: it has no events in any hour.")
        return
    hours = receipt.hours
    span = hours[0] if len(hours) == 1 else f"{hours[0]} to {hours[-1]}"
    count = "counts" if receipt.accepted == 1 else "count"
    print_text(
        out,
        f"{batch} withdrawn: {events} in {counted(len(hours), 'hour')} ({span}) no longer "
        f"{count}. `hourtally run` rebuilds what that changes.",
    )
