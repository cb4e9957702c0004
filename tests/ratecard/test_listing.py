"""The rates of a card as people and programs read them."""

from __future__ import annotations

import pytest

from hourtally.model.hours import parse_instant_ms
from hourtally.ratecard import (
    describe_rate,
    meters_without_rate,
    pauses,
    rate_state,
    rates_at,
)
from tests.support.ratecard.card_texts import card_of, rate_text

JULY, AUGUST = "2025-07-01T00:00:00Z", "2025-08-01T00:00:00Z"
IN_JULY = rate_text(id='"july"', active_from=JULY, active_until=AUGUST)


@pytest.mark.parametrize(
    ("instant", "state"),
    [
        ("2025-06-30T23:59:59.999Z", "future"),
        (JULY, "in force"),
        ("2025-07-31T23:59:59.999Z", "in force"),
        (AUGUST, "past"),
    ],
)
def test_a_rate_is_in_force_from_its_first_instant_until_its_end(instant: str, state: str) -> None:
    [rate] = card_of(IN_JULY).rates
    assert rate_state(rate, parse_instant_ms(instant)) == state
    assert rates_at(card_of(IN_JULY), parse_instant_ms(instant)) == (
        [rate] if state == "in force" else []
    )


def test_a_meter_has_no_rate_while_none_of_its_rates_is_in_force() -> None:
    card = card_of(IN_JULY, rate_text(id='"eu"', region='"eu"', meter='"byoc.vcpu"'))
    others = ["paas.memory", "paas.storage", "paas.gpu", "byoc.memory", "byoc.gpu_memory"]
    others.append("byoc.cluster")
    assert meters_without_rate(card, parse_instant_ms(JULY)) == others
    assert meters_without_rate(card, parse_instant_ms(AUGUST)) == ["paas.cpu", *others]


def test_a_pause_lies_between_rates_of_one_meter_and_the_same_selectors() -> None:
    a_second_late = rate_text(id='"late"', active_from="2025-08-01T00:00:01Z")
    of_others = [
        rate_text(id='"eu"', active_from="2026-01-01T00:00:00Z", region='"eu"'),
        rate_text(id='"vcpu"', active_from="2026-01-01T00:00:00Z", meter='"byoc.vcpu"'),
    ]
    card = card_of(IN_JULY, a_second_late, *of_others)
    assert [(one.id, other.id) for one, other in pauses(card)] == [("july", "late")]
    on_time = rate_text(id='"on time"', active_from=AUGUST)
    assert pauses(card_of(IN_JULY, on_time, *of_others)) == []


def test_a_rate_is_described_with_its_price_as_exact_text_and_all_selectors() -> None:
    [rate] = card_of(rate_text(price_cents='"5/3"', customer='"acme"', active_from=JULY)).rates
    assert describe_rate(rate) == {
        "id": "a",
        "meter": "paas.cpu",
        "price_cents": "5/3",
        "per": "vcpu-month",
        "active_from": JULY,
        "active_until": None,
        "customer": "acme",
        "gpu_model": None,
        "gpu_capacity": None,
        "resource_type": None,
        "region": None,
    }
