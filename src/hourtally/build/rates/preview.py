"""Preview: what hours would cost under another card, and who would be held; nothing is written.

Three parts are told apart, customer by customer and hour by hour: what is compared; customers who
are held now, so that nothing is known of before; and those whom the card would hold, so that
nothing is known of after. An hour of one currency now and another one then has rows of each.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from hourtally.build.rates.preview_levels import (
    KEYS,
    Level,
    held_before,
    priced_amounts,
    published_amounts,
)
from hourtally.build.rates.preview_sums import (
    GAPS,
    PART_CUSTOMERS,
    WAS_HELD,
    WOULD_BE_HELD,
    add_gaps,
    gaps_of,
    part_customers,
    part_rows,
    row_schema,
    sum_customers,
    sum_gaps,
    sum_rows,
)
from hourtally.build.rates.priced_hours import (
    PricingContext,
    for_each_group,
    hours_with_usage,
    price_usage,
)
from hourtally.errors import HourtallyError
from hourtally.model.hours import Hour, HourRange
from hourtally.model.schemas import HOUR
from hourtally.ratecard import RateCard, SuggestedRate, Suggestions
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store.durable import at_one_moment
from hourtally.store.layout import Home
from hourtally.store.manifests import PendingRevision


@dataclass(frozen=True)
class PreviewRequest:
    """What is asked for.

    Attributes:
        card: the rate card to look at.
        within: the hours; both bounds are given.
        level: of the rows.
        customer: the only one to look at; None: all.
    """

    card: RateCard
    within: HourRange
    now_ms: int
    settle_ms: int
    level: Level = "customer"
    customer: str | None = None


@dataclass
class Preview:
    """What a card would do to the hours of a range.

    Attributes:
        rows: `preview_sums.row_schema` of the level. Nothing is known of `before` in the part
            `WAS_HELD`, nor of `after` in `WOULD_BE_HELD`: they are 0 there.
        customers: `PART_CUSTOMERS`.
        gaps: `GAPS`, sorted: what would be held.
        suggested: the rates that would close all gaps.
        unpublished: hours without a revision, which have nothing before.
        stale: hours that are stale for another reason, each with it.
        failed: hours that could not be priced, each with the reason.
        priced: how many hours were priced. not_closed: hours of the range that are not closed yet.
    """

    rows: pl.DataFrame
    customers: pl.DataFrame
    gaps: pl.DataFrame
    suggested: list[SuggestedRate] = field(default_factory=list)
    unpublished: list[Hour] = field(default_factory=list)
    stale: list[tuple[Hour, str]] = field(default_factory=list)
    failed: list[tuple[Hour, HourtallyError]] = field(default_factory=list)
    priced: int = 0
    not_closed: int = 0


@at_one_moment
def preview(
    home: Home, request: PreviewRequest, settings: Settings, progress: Progress | None = None
) -> Preview:
    """Price the closed hours of a range by a card, beside what is published of them.

    Memory is bounded by the largest hour and the rows of the level, not by the number of hours.

    Args:
        home: the home folder; nothing is written into it.
        request: which card, hours and level.
        settings: threads and memory.
        progress: called after each group of hours.

    Raises:
        StorageFault: the system refused a read.
    """
    hours = hours_with_usage(home, request.within)
    closed = [hour for hour in hours if hour.is_closed(request.now_ms, request.settle_ms)]
    with tempfile.TemporaryDirectory(prefix="hourtally-preview-") as scratch:
        context = PricingContext(home, Path(scratch), settings, request.customer)
        sums = _Sums(context, request)
        failed = for_each_group(home, closed, sums.add, progress)
    found = sums.result()
    found.failed = failed
    found.not_closed = len(hours) - len(closed)
    return found


class _Sums:
    """The sums over the hours so far."""

    def __init__(self, context: PricingContext, request: PreviewRequest) -> None:
        self._context = context
        self._request = request
        self._key = KEYS[request.level]
        self._suggestions = Suggestions(request.card)
        self._sums = Preview(
            rows=pl.DataFrame(schema=row_schema(self._key)),
            customers=pl.DataFrame(schema=PART_CUSTOMERS),
            gaps=pl.DataFrame(schema=GAPS),
        )

    def add(self, revisions: list[PendingRevision]) -> None:
        """Price a group of hours and add them, all or none of them."""
        if not revisions:
            return
        card, level = self._request.card, self._request.level
        priced = price_usage(self._context, card, revisions)
        would_be_held = priced.held_customers
        was_held = held_before(revisions, self._context.customer)
        currencies = _currencies(revisions)
        # Which hour an amount is of matters only for these; summed up, there are far fewer rows.
        hours_apart = bool(
            len(was_held) or len(would_be_held) or currencies["currency"].n_unique() > 1
        )
        before = published_amounts(self._context, revisions, level, hours_apart=hours_apart).join(
            currencies, on=HOUR, how="left", validate="m:1"
        )
        after = priced_amounts(priced.rated, level, hours_apart=hours_apart)
        after = after.with_columns(currency=pl.lit(card.currency))
        # From here on nothing fails: a group that failed is priced once more, hour by hour.
        sums = self._sums
        parts = [
            part_rows(before, "before", would_be_held, WOULD_BE_HELD),
            part_rows(after, "after", was_held, WAS_HELD),
        ]
        sums.rows = sum_rows([sums.rows, *parts], self._key)
        held = [part_customers(was_held, WAS_HELD), part_customers(would_be_held, WOULD_BE_HELD)]
        sums.customers = sum_customers([sums.customers, *held])
        sums.gaps = sum_gaps([sums.gaps, gaps_of(priced.held)])
        add_gaps(self._suggestions, priced.held)
        sums.priced += len(revisions)
        sums.unpublished += [one.hour for one in revisions if one.parent is None]
        sums.stale += [
            (one.hour, ", ".join(one.reasons)) for one in revisions if one.parent and one.reasons
        ]

    def result(self) -> Preview:
        """The whole range."""
        self._sums.suggested = self._suggestions.rates()
        return self._sums


def _currencies(revisions: list[PendingRevision]) -> pl.DataFrame:
    """The currency of each hour's newest revision."""
    rows = [
        (one.hour.timestamp, str(one.parent.record["currency"]))
        for one in revisions
        if one.parent is not None
    ]
    return pl.DataFrame(rows, {HOUR: pl.Int64, "currency": pl.String}, orient="row")
