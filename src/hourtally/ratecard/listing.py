"""The rates of a card as people and programs read them: at an instant, and past and future ones."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any, Final, NamedTuple

from hourtally.model.hours import format_instant
from hourtally.ratecard.card import (
    METERS,
    SELECTORS,
    Rate,
    RateCard,
    format_price,
    format_selectors,
)

IN_FORCE: Final = "in force"
FUTURE: Final = "future"
PAST: Final = "past"


class RateRow(NamedTuple):
    """One rate as a row of a printed table; its fields are the columns."""

    id: str
    meter: str
    price: str
    selectors: str
    active_from: str
    active_until: str


def rates_at(card: RateCard, instant_ms: int) -> list[Rate]:
    """The rates in force at an instant, sorted by meter, then by id."""
    active = [rate for rate in card.rates if rate.is_active(instant_ms)]
    return sorted(active, key=lambda rate: (rate.meter, rate.id))


def rates_in_force_rows(card: RateCard, now_ms: int) -> list[RateRow]:
    """The same as rows."""
    return [rate_row(rate) for rate in rates_at(card, now_ms)]


def meters_without_rate(card: RateCard, instant_ms: int) -> list[str]:
    """The meters that have no rate at all at an instant: usage of them holds its customer."""
    covered = {rate.meter for rate in card.rates if rate.is_active(instant_ms)}
    return [meter for meter in METERS if meter not in covered]


def pauses(card: RateCard) -> list[tuple[Rate, Rate]]:
    """Rates of one meter and the same selectors between which there is a pause; by start.

    Each with the next one. In the pause a less specific rate applies, or none.
    """
    groups: defaultdict[tuple[str, tuple[str | None, ...]], list[Rate]] = defaultdict(list)
    for rate in sorted(card.rates, key=lambda rate: rate.active_from_ms):
        groups[rate.meter, rate.selectors].append(rate)
    return [
        (rate, following)
        for group in groups.values()
        for rate, following in pairwise(group)
        if rate.active_until_ms is not None and rate.active_until_ms < following.active_from_ms
    ]


def rate_state(rate: Rate, now_ms: int) -> str:
    """Whether a rate is `IN_FORCE`, starts later (`FUTURE`), or has ended (`PAST`)."""
    if rate.is_active(now_ms):
        return IN_FORCE
    return FUTURE if now_ms < rate.active_from_ms else PAST


def rate_row(rate: Rate) -> RateRow:
    """A rate as a row."""
    return RateRow(
        id=rate.id,
        meter=rate.meter,
        price=f"{format_price(rate.price_cents)} cents per {rate.per}",
        selectors=format_selectors(rate) or "all",
        active_from=format_instant(rate.active_from_ms),
        active_until=format_end(rate.active_until_ms),
    )


def describe_rate(rate: Rate) -> dict[str, Any]:
    """A rate as JSON. The price is text, as in a card: it may be a fraction."""
    until_ms = rate.active_until_ms
    return {
        "id": rate.id,
        "meter": rate.meter,
        "price_cents": format_price(rate.price_cents),
        "per": rate.per,
        "active_from": format_instant(rate.active_from_ms),
        "active_until": None if until_ms is None else format_instant(until_ms),
        **dict(zip(SELECTORS, rate.selectors, strict=True)),
    }


def format_end(until_ms: int | None) -> str:
    """The end of a window; `open` where it has none."""
    return "open" if until_ms is None else format_instant(until_ms)
