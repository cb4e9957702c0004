"""A card of 10,000 rates: loading it, the digests of a year, thousands of questions."""

from __future__ import annotations

import time

import pytest

from hourtally.model.hours import Hour, hours_between
from hourtally.ratecard import Attributes, RatesInForce, parse_rate_card
from tests.support.ratecard.card_texts import card_text, problems_of, rate_text

pytestmark = pytest.mark.bench

RATES = 10_000


def own_rates(*, active_until: str | None = None, customers: int = RATES) -> str:
    """A rate a customer and month of 2026, for as many rates and customers as asked for."""
    return card_text(
        *(
            rate_text(
                id=f'"rate-{number:05d}"',
                active_from=f"2026-{number // customers % 12 + 1:02d}-01T00:00:00Z",
                active_until=active_until,
                customer=f'"customer-{number % customers:05d}"',
            )
            for number in range(RATES)
        )
    )


def test_10_000_rates_load_in_a_second_and_a_half() -> None:
    text = own_rates()
    start = time.process_time()
    card = parse_rate_card(text, "rates.toml")
    assert time.process_time() - start < 1.5
    assert len(card.rates) == RATES


def test_10_000_rates_that_all_overlap_are_refused_in_two_seconds() -> None:
    text = own_rates(active_until="2027-01-01T00:00:00Z", customers=1)
    start = time.process_time()
    assert len(problems_of(text)) == RATES - 1
    assert time.process_time() - start < 2


def test_the_digests_of_the_8_760_hours_of_a_year_take_a_third_of_a_second() -> None:
    card = parse_rate_card(own_rates(customers=1_000), "rates.toml")
    year = list(hours_between(Hour.parse("2026-01-01T00"), Hour.parse("2027-01-01T00")))
    start = time.process_time()
    digests = {card.digest(hour) for hour in year}
    assert time.process_time() - start < 0.3
    assert (len(year), len(digests)) == (8_760, 10)  # rates change on the first of ten months


def test_10_000_questions_to_the_rates_of_an_hour_take_a_tenth_of_a_second() -> None:
    hour = Hour.parse("2026-06-01T00")
    rates = parse_rate_card(own_rates(), "rates.toml").in_force(hour)
    start = time.process_time()
    index = RatesInForce(rates)
    found = [
        index.select(
            "paas.cpu",
            Attributes(f"customer-{number:05d}", "job", "eu", None, None),
            hour.start_ms,
        )
        for number in range(RATES)
    ]
    assert time.process_time() - start < 0.1
    assert None not in found
