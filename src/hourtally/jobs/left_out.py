"""What the built hours left out, as sentences: duplicates, conflicts, voided slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hourtally.build.publish import BuildReceipt
from hourtally.ingest.remarks import in_conflict


def left_out(receipts: Sequence[BuildReceipt]) -> str:
    """Duplicates and conflicts of hours: `0 duplicate slices ignored, 0 identities in conflict`.

    An identity that is in conflict in two hours is counted in each.
    """
    duplicates = sum(receipt.duplicates for receipt in receipts)
    identities = sum(receipt.conflicts for receipt in receipts)
    losers = sum(receipt.conflict_losers for receipt in receipts)
    slices = "1 duplicate slice" if duplicates == 1 else f"{duplicates} duplicate slices"
    return f"{slices} ignored, {in_conflict(identities, losers)}"


def void_sentences(receipts: Sequence[BuildReceipt]) -> Iterator[str]:
    """What voids did in the hours, and which did nothing, or only in hours of their own."""
    if not any(receipt.voids["count"] for receipt in receipts):
        return
    sums = {
        name: sum(receipt.voids[name] for receipt in receipts)
        for name in ("slices_voided", "unmatched", "other_intervals")
    }
    slices = sums["slices_voided"]
    yield f"{slices} slice{' is' if slices == 1 else 's are'} voided."
    if sums["unmatched"]:
        hour, void = _example(receipts, "unmatched_example")
        yield (
            f"Voids that match no event (yet): {sums['unmatched']}, for example in {hour} "
            f"{_void(void)}."
        )
    if sums["other_intervals"]:
        hour, void = _example(receipts, "other_interval_example")
        yield (
            "Voided events with another interval than their void, which cancels them in its own "
            f"hours only: {sums['other_intervals']}, for example in {hour} {_void(void)} from "
            f"{void['start']} until {void['end']}; the event is from {void['event_start']} until "
            f"{void['event_end']}."
        )


def _example(receipts: Sequence[BuildReceipt], name: str) -> tuple[str, Mapping[str, Any]]:
    """The first example, with its hour."""
    return next((r.hour, r.voids[name]) for r in receipts if r.voids[name])


def _void(void: Mapping[str, Any]) -> str:
    return f"{void['source']} {void['id']} of {void['voided_source']} {void['voided_id']}"
