"""Rate cards as text, for tests: a rate that is right, of which a test names what differs."""

from __future__ import annotations

import pytest

from hourtally.errors import RateCardError
from hourtally.ratecard import RateCard, parse_rate_card

# Field → its value as TOML. Open from 2025 on, without selectors.
RIGHT = {
    "id": '"a"',
    "meter": '"paas.cpu"',
    "price_cents": '"1200"',
    "per": '"vcpu-month"',
    "active_from": "2025-01-01T00:00:00Z",
}


def rate_text(**fields: str | None) -> str:
    """A `[[rate]]` with these fields, written as TOML, in place of the right ones; None: absent."""
    written = {key: value for key, value in {**RIGHT, **fields}.items() if value is not None}
    return "\n[[rate]]\n" + "".join(f"{key} = {value}\n" for key, value in written.items())


def card_text(*rates: str, head: str = 'currency = "USD"') -> str:
    """A card of such rates."""
    return head + "\n" + "".join(rates)


def card_of(*rates: str) -> RateCard:
    """The same, read."""
    return parse_rate_card(card_text(*rates), "rates.toml")


def problems_of(text: str) -> list[str]:
    """What is wrong with a card, in the order in which it is told."""
    with pytest.raises(RateCardError) as caught:
        parse_rate_card(text, "rates.toml")
    return caught.value.problems
