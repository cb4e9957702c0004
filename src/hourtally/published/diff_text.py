"""Why two revisions differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Final

from hourtally.published.diff import Causes
from hourtally.ratecard import Rate, format_price

MOST_RATES_SHOWN: Final = 20


def cause_sentences(causes: Causes, files: Mapping[str, str], *, is_next: bool) -> Iterator[str]:
    """Why two revisions differ, a sentence each.

    Args:
        causes: of the difference.
        files: the event file of each batch.
        is_next: whether the later revision follows the earlier one, with none in between.
    """
    for word, batches in (("added", causes.batches_added), ("removed", causes.batches_removed)):
        for batch in batches:
            yield f"batch {word}: {batch} {files.get(batch, '(batch record missing)')}"
    for number, (id_, old, new) in enumerate(causes.rates):
        if number == MOST_RATES_SHOWN:
            yield f"… and {len(causes.rates) - number} more rates"
            break
        yield _rate_change(id_, old, new)
    if causes.build[0] != causes.build[1]:
        yield f"build version {causes.build[0]} → {causes.build[1]}"
    if causes == Causes((), (), (), causes.build) and causes.build[0] == causes.build[1]:
        if is_next:
            yield "forced rebuild (--force) of the same inputs"
        else:
            # Such as a file that was ingested after the first and withdrawn before the second.
            yield "both revisions have the same inputs: any change in between was undone"


def void_sentences(voids: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """How the numbers of voids and voided slices changed, if they did."""
    if any(one["before"] != one["after"] for one in voids.values()):
        voids_, slices = (f"{one['before']} → {one['after']}" for one in voids.values())
        yield f"voids {voids_}, slices voided {slices}"


def _rate_change(id_: str, old: Rate | None, new: Rate | None) -> str:
    prices = [f"{format_price(r.price_cents)} per {r.per}" for r in (old, new) if r is not None]
    if old is None or new is None:
        return f"rate {'added' if old is None else 'removed'}: {id_}, {prices[0]}"
    if prices[0] != prices[1]:
        return f"rate changed: {id_}, {prices[0]} → {prices[1]}"
    differing = [
        field.name.removesuffix("_ms").replace("per_hours", "month_hours")
        for field in fields(Rate)
        if getattr(old, field.name) != getattr(new, field.name)
    ]
    return f"rate changed: {id_}, {', '.join(differing)}"
