"""The card that is shipped: every price as it is published, in force since 2025."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.ratecard import RateCard, load_rate_card, parse_rate_card, rates_in_force_rows

PATH = Path(__file__).parents[2] / "data" / "rates.toml"
SINCE_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z: 20,089 days of 86,400,000 ms

# Meter, GPU model, cents, unit.
PRICES = [
    ("paas.cpu", None, 1200, "vcpu-month"),
    ("paas.memory", None, 600, "gib-month"),
    ("paas.storage", None, 15, "gib-month"),
    ("paas.gpu", "l4", 80, "gpu-hour"),
    ("paas.gpu", "a100-40", 142, "gpu-hour"),
    ("paas.gpu", "a100-80", 176, "gpu-hour"),
    ("paas.gpu", "h100", 274, "gpu-hour"),
    ("paas.gpu", "h200", 314, "gpu-hour"),
    ("paas.gpu", "b200", 587, "gpu-hour"),
    ("byoc.vcpu", None, 1000, "vcpu-month"),
    ("byoc.memory", None, 100, "gib-month"),
    ("byoc.gpu_memory", None, 200, "gib-month"),
    ("byoc.cluster", None, 7300, "cluster-month"),
]


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card(PATH)


def test_the_prices_are_these_and_no_others(card: RateCard) -> None:
    shipped = {(r.meter, r.gpu_model, r.price_cents, r.per) for r in card.rates}
    assert shipped == {(meter, gpu, Fraction(cents), per) for meter, gpu, cents, per in PRICES}
    assert len(card.rates) == len(PRICES)


def test_they_are_in_dollars_and_months_of_720_hours(card: RateCard) -> None:
    assert (card.currency, card.month_hours) == ("USD", 720)


def test_every_rate_holds_from_the_first_instant_of_2025_on_for_everyone(card: RateCard) -> None:
    for rate in card.rates:
        assert (rate.active_from_ms, rate.active_until_ms) == (SINCE_MS, None)
        assert (rate.customer, rate.region, rate.resource_type) == (None, None, None)
    assert card.in_force(Hour.parse("2024-12-31T23")) == ()
    assert card.in_force(Hour.parse("2025-01-01T00")) == card.rates


def test_the_cluster_fee_is_said_to_be_an_example() -> None:
    before_it = PATH.read_text().partition('id = "byoc-cluster-2025"')[0].splitlines()
    assert before_it[-2:] == [
        "# The fee of a cluster is not public: this price is an example.",
        "[[rate]]",
    ]


def test_the_rates_in_its_comments_can_be_used_as_they_are() -> None:
    text = PATH.read_text()
    examples = re.findall(r"(?m)^#   (\[\[rate\]\]|\w+ = .*)$", text)
    card = parse_rate_card(text + "\n".join(["", *examples]), "rates.toml")

    in_2027 = rates_in_force_rows(card, parse_instant_ms("2027-01-01T00:00:00Z"))
    in_2026 = rates_in_force_rows(card, parse_instant_ms("2026-12-31T23:59:59.999Z"))
    cpu = [[(r.id, r.price) for r in rows if r.meter == "paas.cpu"] for rows in (in_2026, in_2027)]
    assert cpu == [
        [
            ("paas-cpu-2025", "1200 cents per vcpu-month"),
            ("paas-cpu-acme-2026", "1000 cents per vcpu-month"),
        ],
        [("paas-cpu-2027", "1300 cents per vcpu-month")],
    ]
    assert ("paas-memory-asia-2026", "region = 'asia-southeast1'") in [
        (row.id, row.selectors) for row in in_2027
    ]
