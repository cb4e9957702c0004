"""Sentences about a job that the command line and Prefect both show."""

from __future__ import annotations

from typing import Final

from hourtally.build.builder import BuildReport
from hourtally.build.empty_hours import EmptyHours
from hourtally.build.publish import BuildReceipt
from hourtally.build.rates.held_hours import HeldHours
from hourtally.ingest.receipts import IngestReceipt
from hourtally.model.money import format_cents
from hourtally.model.printable import counted, printable

_MAX_NAMED: Final = 3


def ingested_sentence(receipt: IngestReceipt) -> str:
    """What became of an event file."""
    what = "was ingested before" if receipt.skipped else "ingested"
    text = (
        f"{printable(receipt.file)} {what} as batch {receipt.batch}: "
        f"{counted(receipt.lines, 'line')}, {receipt.accepted} accepted, "
        f"{counted(receipt.duplicates, 'duplicate')}, {receipt.quarantined} in quarantine."
    )
    if receipt.quarantined:
        text += f" See quarantine/{receipt.record}.ndjson."
    return text


def built_sentence(receipt: BuildReceipt) -> str:
    """What was published of an hour."""
    return (
        f"Hour {receipt.hour}: revision {receipt.revision} published "
        f"({', '.join(receipt.reasons)}), {counted(receipt.customers, 'customer')}, "
        f"{counted(receipt.resources, 'resource')}, {format_cents(receipt.total_nanocents)} cents, "
        f"{counted(receipt.duplicates, 'duplicate slice')}, "
        f"{counted(receipt.conflicts, 'conflict')}."
    )


def restated_sentence(built: BuildReport) -> str:
    """What restatements changed, such as `14 hours restated, 3 of them changed, +858.02 cents.`.

    Empty if nothing was restated.
    """
    restated = [receipt for receipt in built.built if receipt.revision > 1]
    if not restated:
        return ""
    changed = sum(receipt.changed for receipt in restated)
    deltas = [one.delta_nanocents for one in restated if one.delta_nanocents is not None]
    total = sum(deltas)
    text = (
        f"{counted(len(restated), 'hour')} restated, {changed} of them changed, "
        f"{'+' if total > 0 else ''}{format_cents(total)} cents"
    )
    others = len(restated) - len(deltas)
    return (
        f"{text} without {counted(others, 'hour')} of another currency." if others else f"{text}."
    )


def empty_sentence(empty: EmptyHours) -> str:
    """Which closed hours have no events: empty if every one has."""
    if empty.last_with_events is None:
        return "No events yet."
    if not empty.hours:
        return ""
    verb = "has" if len(empty.hours) == 1 else "have"
    text = (
        f"{counted(len(empty.hours), 'closed hour')} {verb} no events, the last {empty.hours[-1]}"
    )
    if empty.since_last:
        return (
            f"{text}; {counted(empty.since_last, 'closed hour')} since the last one with events, "
            f"{empty.last_with_events}."
        )
    return f"{text}."


def held_sentence(held: HeldHours) -> str:
    """Who is held, where, and what to do."""
    customers, hours = len(held.customers), len(held.hours)
    named = ", ".join(map(repr, sorted(held.customers)[:_MAX_NAMED]))
    who = f"customer {named} is" if customers == 1 else f"{customers} customers are"
    examples = "" if customers == 1 else f" (for example {named})"
    where = held.hours[0] if hours == 1 else f"{hours} hours, {held.hours[0]} to {held.hours[-1]}"
    return (
        f"{who} held in {where}{examples}: some usage has no rate. Fill in the prices of the rates "
        "that are suggested, add them to the rate card, then run the same command again"
    )
