"""What differs between two cards, and from when until when."""

from __future__ import annotations

import pytest

from hourtally.model.hours import parse_instant_ms
from hourtally.ratecard import changed_rates
from tests.support.ratecard.card_texts import card_of, rate_text

JULY, AUGUST, SEPTEMBER, OCTOBER = (f"2025-{month:02d}-01T00:00:00Z" for month in (7, 8, 9, 10))


def window(from_: str, until: str | None = None) -> tuple[int, int | None]:
    return parse_instant_ms(from_), None if until is None else parse_instant_ms(until)


def rate(**fields: str | None) -> str:
    return rate_text(**{"active_from": JULY, "active_until": OCTOBER, **fields})


def test_equal_cards_have_no_changes_whatever_the_order() -> None:
    one, other = rate(), rate(id='"b"', region='"eu"')
    assert changed_rates(card_of(one, other), card_of(other, one)) == []


def test_an_added_or_removed_rate_matters_in_its_window() -> None:
    with_b = card_of(rate(), rate(id='"b"', region='"eu"', active_until=None))
    [added] = changed_rates(card_of(rate()), with_b)
    assert (added.id, added.kind, added.windows) == ("b", "added", (window(JULY),))
    [removed] = changed_rates(with_b, card_of(rate()))
    assert (removed.id, removed.kind, removed.windows) == ("b", "removed", (window(JULY),))


@pytest.mark.parametrize(
    ("fields", "windows"),
    [
        ({"price_cents": '"1300"'}, [window(JULY, OCTOBER)]),
        ({"region": '"eu"'}, [window(JULY, OCTOBER)]),
        ({"active_from": AUGUST}, [window(JULY, AUGUST)]),
        ({"active_until": SEPTEMBER}, [window(SEPTEMBER, OCTOBER)]),
        ({"active_until": None}, [window(OCTOBER)]),
        ({"active_from": AUGUST, "active_until": None}, [window(JULY, AUGUST), window(OCTOBER)]),
        # Another price and another window: wherever either of them has a rate.
        ({"active_until": None, "price_cents": '"1"'}, [window(JULY)]),
        # No instant in common.
        ({"active_from": OCTOBER, "active_until": None}, [window(JULY, OCTOBER), window(OCTOBER)]),
    ],
)
def test_a_changed_rate_matters_where_the_cards_differ(
    fields: dict[str, str | None], windows: list[tuple[int, int | None]]
) -> None:
    [change] = changed_rates(card_of(rate()), card_of(rate(**fields)))
    assert (change.kind, list(change.windows)) == ("changed", windows)


def test_a_rate_that_the_next_one_ends_has_changed_from_then_on() -> None:
    old = rate_text(active_from=JULY)
    new = card_of(old, rate_text(id='"b"', active_from=OCTOBER))
    changes = {one.id: (one.kind, one.windows) for one in changed_rates(card_of(old), new)}
    assert changes == {
        "a": ("changed", (window(OCTOBER),)),
        "b": ("added", (window(OCTOBER),)),
    }
