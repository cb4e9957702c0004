"""The rate card: what is in force at an instant, what starts later and what has ended."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from hourtally.errors import InvalidArgument
from hourtally.model.hours import Hour, format_instant, parse_instant_ms
from hourtally.ratecard import (
    meters_without_rate,
    pauses,
    rate_row,
    rate_state,
    rates_in_force_rows,
)
from hourtally.ratecard.listing import FUTURE, PAST
from hourtally.server.pages.page_requests import PageRequest
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources
from hourtally.server.parameters import bad_parameter

_MOST_LISTED: Final = 500


def rates(sources: PageSources, request: PageRequest) -> Page:
    """The card as it is, at an instant; by default now.

    Raises:
        HttpError: the instant is none.
        RateCardError: the card is wrong.
    """
    request.allow("at")
    instant_ms = _instant(request.query.get("at", ""), sources.now_ms())
    card = sources.card()
    in_force = rates_in_force_rows(card, instant_ms)
    content: dict[str, Any] = {
        "title": "Rates",
        "section": "Rates",
        "at": format_instant(instant_ms),
        "currency": card.currency,
        "in_force": in_force[:_MOST_LISTED],
        "count": len(in_force),
        "others": [
            (title, [rate_row(one) for one in card.rates if rate_state(one, instant_ms) == state])
            for state, title in ((FUTURE, "Starting later"), (PAST, "Ended"))
        ],
        "lacking": meters_without_rate(card, instant_ms),
        "pauses": [(rate_row(one), rate_row(other)) for one, other in pauses(card)],
        "most": _MOST_LISTED,
    }
    return Page("rates", content)


def _instant(text: str, now_ms: int) -> int:
    """Milliseconds of an instant, or of the first one of an hour or date, as `rates at` has it."""
    if not text:
        return now_ms
    with contextlib.suppress(ValueError):
        return parse_instant_ms(text)
    try:
        return Hour.parse(text).start_ms
    except InvalidArgument:
        message = f"{text!r} is not an instant: use 2026-11-22T13:00:00Z, an hour or a date."
        raise bad_parameter(message) from None
