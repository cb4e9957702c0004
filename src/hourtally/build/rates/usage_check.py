"""A rate card against usage: what has no rate, what nothing selects, near misses of names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from hourtally.build.rates.preview_sums import GAPS, add_gaps, gaps_of, sum_gaps
from hourtally.build.rates.priced_hours import (
    PricingContext,
    for_each_group,
    hours_with_usage,
    price_usage,
)
from hourtally.errors import HourtallyError
from hourtally.model.components import ON_DEMAND
from hourtally.model.hours import Hour, HourRange
from hourtally.model.schemas import HOUR
from hourtally.ratecard import Rate, RateCard, SuggestedRate, Suggestions
from hourtally.ratecard.card import SELECTORS
from hourtally.ratecard.spelling import Spellings
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.stages.rate_lookup import Lookup
from hourtally.store.durable import at_one_moment
from hourtally.store.layout import Home
from hourtally.store.manifests import PendingRevision

# Why nothing selects a rate.
NO_MATCH: Final = "no usage matches"
NEVER_CHOSEN: Final = "for matching usage a more specific rate applies, or it is not in force then"
# Columns of usage, by selector.
_COLUMNS: Final = dict(zip(SELECTORS, ("customer_id", *SELECTORS[1:]), strict=True))
# Names of customers without end may be near to one selector.
MOST_NEAR_MISSES: Final = 1_000


class NearMiss(NamedTuple):
    """A name in usage that differs from a selector of the card by case or one edit only."""

    selector: str
    used: str
    card: str


@dataclass
class UsageCheck:
    """What the usage of some hours says about a card.

    Attributes:
        within: the hours that were looked at.
        hours: how many of them have usage.
        gaps: `preview_sums.GAPS`, sorted: usage without a rate.
        suggested: the rates that would close all gaps.
        unselected: rates that nothing selects, each with the reason; by id. Those that have ended
            before the hours are left out, and those that start after them are only held against
            their selectors.
        near_misses: sorted, at most 1,000. near_miss_count: all of them.
        failed: hours that could not be looked at, each with the reason.
    """

    within: HourRange
    hours: int = 0
    gaps: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GAPS))
    suggested: list[SuggestedRate] = field(default_factory=list)
    unselected: list[tuple[Rate, str]] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)
    near_miss_count: int = 0
    failed: list[tuple[Hour, HourtallyError]] = field(default_factory=list)


@at_one_moment
def check_usage(
    home: Home,
    card: RateCard,
    within: HourRange,
    settings: Settings,
    progress: Progress | None = None,
) -> UsageCheck:
    """Ask the card for the rates of all usage of a range, of hours that are still open too.

    Args:
        home: the home folder; nothing is written into it.
        card: the rate card.
        within: the range.
        settings: threads and memory.
        progress: called after each group of hours.

    Raises:
        StorageFault: the system refused a read.
    """
    found = UsageCheck(within)
    with tempfile.TemporaryDirectory(prefix="hourtally-check-") as scratch:
        context = PricingContext(home, Path(scratch), settings)
        check = _Check(context, card, found)
        found.failed = for_each_group(home, hours_with_usage(home, within), check.add, progress)
    check.finish()
    return found


class _Check:
    """Fills a `UsageCheck`."""

    def __init__(self, context: PricingContext, card: RateCard, found: UsageCheck) -> None:
        self._context = context
        self._card = card
        self._found = found
        self._suggestions = Suggestions(card)
        self._by_selectors = _by_selectors(card)
        self._selected: set[str] = set()
        self._matched: set[str] = set()
        self._names: dict[str, set[str]] = {name: set() for name in SELECTORS}

    def add(self, revisions: list[PendingRevision]) -> None:
        """Look at a group of hours."""
        if not revisions:
            return
        priced = price_usage(self._context, self._card, revisions)
        for lookup in priced.asked:
            self._add_lookup(lookup)
        timestamps = pl.concat([lookup.rows[HOUR] for lookup in priced.asked])
        self._found.hours += timestamps.n_unique()
        self._found.gaps = sum_gaps([self._found.gaps, gaps_of(priced.held)])
        add_gaps(self._suggestions, priced.held)

    def _add_lookup(self, lookup: Lookup) -> None:
        for component, rates in zip(lookup.components, lookup.rates, strict=True):
            used = lookup.rows.filter(pl.col(component.usage) > 0)
            chosen = [rates[case] for case in used["case"].unique()]
            self._selected.update(rate.id for rate in chosen if rate is not None)
            values = used.select(
                pl.col(column).alias(name) for name, column in _COLUMNS.items()
            ).unique()
            # As rates see it: usage that says nothing is on-demand.
            values = values.with_columns(pl.col("gpu_capacity").fill_null(ON_DEMAND))
            for name in SELECTORS:
                self._names[name].update(values[name].drop_nulls().unique())
            for selectors, rates_with in self._by_selectors.get(component.meter, {}).items():
                matched = rates_with.head(len(rates_with) if len(values) else 0)
                if selectors:
                    matched = matched.join(values, on=selectors, how="semi")
                self._matched.update(matched["id"])

    def finish(self) -> None:
        """Add what only all hours together tell."""
        found = self._found
        if not found.hours:
            return
        found.suggested = self._suggestions.rates()
        found.unselected = [
            (rate, NEVER_CHOSEN if rate.id in self._matched else NO_MATCH)
            for rate in self._card.rates
            if rate.id not in self._selected and self._is_expected(rate)
        ]
        misses = sorted(self._near_misses())
        found.near_misses, found.near_miss_count = misses[:MOST_NEAR_MISSES], len(misses)

    def _is_expected(self, rate: Rate) -> bool:
        """Whether usage of the range should select a rate, or later usage like it match it."""
        first, end = self._found.within.first, self._found.within.end
        if first and rate.active_until_ms is not None and rate.active_until_ms <= first.start_ms:
            return False
        return not (end and rate.active_from_ms >= end.start_ms and rate.id in self._matched)

    def _near_misses(self) -> Iterator[NearMiss]:
        for position, name in enumerate(SELECTORS):
            known = {rate.selectors[position] for rate in self._card.rates} - {None}
            spellings = Spellings(map(str, known))
            for used in self._names[name]:
                for near in spellings.near(used):
                    yield NearMiss(name, used, near)


def _by_selectors(card: RateCard) -> dict[str, dict[tuple[str, ...], pl.DataFrame]]:
    """The rates of each meter by which selectors they have: `id` and these selectors."""
    rows: dict[str, dict[tuple[str, ...], list[tuple[str, ...]]]] = {}
    for rate in card.rates:
        named = [
            (name, value)
            for name, value in zip(SELECTORS, rate.selectors, strict=True)
            if value is not None
        ]
        selectors = tuple(name for name, _ in named)
        of_meter = rows.setdefault(rate.meter, {})
        of_meter.setdefault(selectors, []).append((rate.id, *(value for _, value in named)))
    return {
        meter: {
            selectors: pl.DataFrame(
                found, dict.fromkeys(("id", *selectors), pl.String), orient="row"
            )
            for selectors, found in of_meter.items()
        }
        for meter, of_meter in rows.items()
    }
