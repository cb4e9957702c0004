"""A preview as rows and sentences: the command line and the flow show the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import polars as pl

from hourtally.build.rates.preview import Preview, PreviewRequest
from hourtally.build.rates.preview_levels import KEYS
from hourtally.build.rates.preview_sums import COMPARED, WAS_HELD, WOULD_BE_HELD
from hourtally.model.hours import Hour, runs_of_hours
from hourtally.model.printable import counted

SIDES: Final = {COMPARED: ("before", "after"), WAS_HELD: ("after",), WOULD_BE_HELD: ("before",)}
"""What is known of the charges of a part."""
# Runs of hours in a sentence; there is no end to how they may lie.
_MOST_RUNS: Final = 20
_UNKNOWN_RATE: Final = "(rate not known)"


def sorted_rows(found: Preview, part: str) -> pl.DataFrame:
    """The rows of a part with `difference`: the largest first, then by key."""
    rows = found.rows.filter(pl.col("part") == part).drop("part")
    rows = rows.with_columns(difference=pl.col("after") - pl.col("before"))
    size = (pl.col("difference") if part == COMPARED else pl.col("before") + pl.col("after")).abs()
    key = [name for name in rows.columns if name not in {"before", "after", "difference"}]
    return rows.sort(size, *key, descending=[True, *(False for _ in key)])


def totals(rows: pl.DataFrame) -> list[tuple[str, int, int]]:
    """Currency, before and after of all rows of a currency; currencies are never added up."""
    summed = rows.group_by("currency").agg(pl.col("before", "after").sum()).sort("currency")
    return [(currency, int(before), int(after)) for currency, before, after in summed.iter_rows()]


def row_label(row: Mapping[str, Any], request: PreviewRequest) -> str:
    """What a row is about, as `acme/web/shop`."""
    ids = [row[name] for name in KEYS[request.level] if row[name] is not None]
    return "/".join(ids) or _UNKNOWN_RATE


def preview_heading(found: Preview, request: PreviewRequest) -> str:
    """How many hours were priced, of which range and whom."""
    whose = "" if request.customer is None else f", customer {request.customer}"
    return (
        f"{counted(found.priced, 'closed hour')} of {request.within.first} to "
        f"{request.within.end} (UTC){whose}; cents, {request.card.currency}"
    )


def preview_notes(found: Preview, request: PreviewRequest) -> Iterator[str]:
    """What to know of the hours before trusting the figures."""
    if not found.priced and not found.failed:
        yield "No closed hour of the range has usage or a revision."
    elif found.priced and found.rows.is_empty() and found.customers.is_empty():
        whose = "" if request.customer is None else " Ids must match the events exactly."
        yield f"No charges before or after.{whose}"
    if found.unpublished:
        hours = _listed(str(run) for run in runs_of_hours((one, "") for one in found.unpublished))
        yield f"Without a revision, so with nothing before: {hours}."
    if found.stale:
        stale = _listed(f"{run}, {run.what}" for run in runs_of_hours(found.stale))
        yield f"Stale for another reason, so the difference is not the card's alone: {stale}."
    if found.not_closed:
        yield f"Left out, as not closed yet: {counted(found.not_closed, 'hour')}."
    others = sorted(set(found.rows["currency"]) - {request.card.currency})
    if others:
        yield (
            f"Published in {', '.join(others)}, and the card is in {request.card.currency}: the "
            "amounts cannot be compared."
        )


def held_customers(found: Preview, part: str) -> list[tuple[str, int, Hour, Hour]]:
    """Id, number of hours, the first and the last of them, of the customers of a part."""
    customers = found.customers.filter(pl.col("part") == part).sort("customer_id")
    return [
        (customer, hours, Hour(first), Hour(last))
        for _, customer, hours, first, last in customers.iter_rows()
    ]


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = [f"… and {len(every) - _MOST_RUNS} more"] if len(every) > _MOST_RUNS else []
    return "; ".join([*every[:_MOST_RUNS], *more])
