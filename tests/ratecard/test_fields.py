from __future__ import annotations

import json
from fractions import Fraction

import pytest

from hourtally.ratecard import parse_rate_card
from tests.support.ratecard.card_texts import card_of, card_text, problems_of, rate_text

PRICE_FORM = 'decimal text in quotes, such as "1200" or "0.5", or a fraction, such as "5/3"'
INSTANT_FORM = "a date-time with an offset and without quotes, such as 2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("meter", "units"),
    [
        ("paas.cpu", ("vcpu-hour", "vcpu-month")),
        ("byoc.vcpu", ("vcpu-hour", "vcpu-month")),
        ("paas.memory", ("gib-hour", "gib-month")),
        ("paas.storage", ("gib-hour", "gib-month")),
        ("byoc.memory", ("gib-hour", "gib-month")),
        ("byoc.gpu_memory", ("gib-hour", "gib-month")),
        ("paas.gpu", ("gpu-hour", "gpu-month")),
        ("byoc.cluster", ("cluster-hour", "cluster-month")),
    ],
)
def test_a_meter_has_two_units_and_refuses_all_others(meter: str, units: tuple[str, str]) -> None:
    nouns = ("vcpu", "gib", "gpu", "cluster")
    for unit in [f"{noun}-{length}" for noun in nouns for length in ("hour", "month")]:
        text = card_text(rate_text(meter=json.dumps(meter), per=json.dumps(unit)))
        if unit in units:
            assert parse_rate_card(text, "x").rates[0].per == unit
        else:
            assert problems_of(text) == [
                f"rate 'a': per '{unit}' is a unit of other meters: "
                f"'{meter}' has '{units[0]}' or '{units[1]}'"
            ]


@pytest.mark.parametrize(
    ("price", "cents"),
    [
        ("0", Fraction(0)),
        ("0.0", Fraction(0)),
        ("1200", Fraction(1200)),
        ("1200.50", Fraction(2401, 2)),
        ("007", Fraction(7)),
        ("5/3", Fraction(5, 3)),
        ("0/7", Fraction(0)),
        ("1" + 40 * "0", Fraction(10**40)),
        ("0." + 61 * "0" + "1", Fraction(1, 10**62)),  # 64 characters
    ],
)
def test_a_price_is_exact(price: str, cents: Fraction) -> None:
    assert card_of(rate_text(price_cents=f'"{price}"')).rates[0].price_cents == cents


# Field, what stands there, the sentence. TOML cannot say null: None leaves the field out.
REFUSED = [
    ("id", None, "[[rate]] number 1: id is missing"),
    ("id", '""', "[[rate]] number 1: id is empty"),
    ("id", "7", "[[rate]] number 1: id is an integer: write a string"),
    ("id", r'"a\nb"', r"rate 'a\nb': id has a control character: 'a\nb'"),
    ("id", f'"{129 * "é"}"', f"rate '{129 * 'é'}': id is longer than 256 bytes: '{64 * 'é'}'…"),
    ("id", f'"{257 * "x"}"', f"[[rate]] number 1: id is longer than 256 bytes: '{64 * 'x'}'…"),
    ("meter", None, "rate 'a': meter is missing"),
    ("meter", '"paas.cpus"', "rate 'a': unknown meter 'paas.cpus', did you mean 'paas.cpu'?"),
    (
        "meter",
        '"x"',
        "rate 'a': unknown meter 'x'; known: paas.cpu, paas.memory, paas.storage, paas.gpu, "
        "byoc.vcpu, byoc.memory, byoc.gpu_memory, byoc.cluster",
    ),
    ("meter", "true", "rate 'a': meter is a boolean: write a string"),
    ("per", None, "rate 'a': per is missing"),
    (
        "per",
        '"vcpu-day"',
        "rate 'a': per 'vcpu-day' is not a unit: 'paas.cpu' has 'vcpu-hour' or 'vcpu-month'",
    ),
    ("per", "{}", "rate 'a': per is a table: write a string"),
    ("price_cents", None, "rate 'a': price_cents is missing"),
    (
        "price_cents",
        "0.5",
        f"rate 'a': price_cents is a float, which is not exact: write {PRICE_FORM}",
    ),
    (
        "price_cents",
        "nan",
        f"rate 'a': price_cents is a float, which is not exact: write {PRICE_FORM}",
    ),
    ("price_cents", "1200", f"rate 'a': price_cents is an integer: write {PRICE_FORM}"),
    ("price_cents", "true", f"rate 'a': price_cents is a boolean: write {PRICE_FORM}"),
    ("price_cents", '["1"]', f"rate 'a': price_cents is an array: write {PRICE_FORM}"),
    ("price_cents", '"-1"', "rate 'a': price_cents is negative: '-1'"),
    ("price_cents", '"-5/3"', "rate 'a': price_cents is negative: '-5/3'"),
    ("price_cents", '"5/0"', "rate 'a': price_cents is divided by 0: '5/0'"),
    (
        "price_cents",
        f'"{65 * "1"}"',
        f"rate 'a': price_cents is 65 characters long, at most 64 are allowed: '{64 * '1'}'…",
    ),
    (
        "price_cents",
        '"1e40"',
        f"rate 'a': price_cents is '1e40': write {PRICE_FORM}",
    ),
    ("active_from", None, "rate 'a': active_from is missing"),
    (
        "active_from",
        "2025-01-01T00:00:00",
        f"rate 'a': active_from is a date-time without an offset: write {INSTANT_FORM}",
    ),
    (
        "active_from",
        "2025-01-01",
        f"rate 'a': active_from is a date without a time of day: write {INSTANT_FORM}",
    ),
    (
        "active_from",
        "10:00:00",
        f"rate 'a': active_from is a time without a date: write {INSTANT_FORM}",
    ),
    (
        "active_from",
        '"2025-01-01T00:00:00Z"',
        f"rate 'a': active_from is '2025-01-01T00:00:00Z': write {INSTANT_FORM}",
    ),
    (
        "active_from",
        "2025-01-01T00:00:00.0005Z",
        "rate 'a': active_from is finer than a millisecond: 2025-01-01T00:00:00.000500+00:00",
    ),
    (
        "active_from",
        "0001-01-01T00:00:00+01:00",
        "rate 'a': active_from lies outside the years 0001 to 9999 in UTC: "
        "0001-01-01T00:00:00+01:00",
    ),
    (
        "active_until",
        "2026-01-01",
        f"rate 'a': active_until is a date without a time of day: write {INSTANT_FORM}",
    ),
    (
        "active_until",
        "2025-01-01T00:00:00Z",
        "rate 'a': active_until 2025-01-01T00:00:00Z is not after active_from 2025-01-01T00:00:00Z",
    ),
    (
        "active_until",
        "2024-12-31T23:59:59.999Z",
        "rate 'a': active_until 2024-12-31T23:59:59.999Z is not after "
        "active_from 2025-01-01T00:00:00Z",
    ),
    ("customer", '""', "rate 'a': customer is empty: leave it out to match everything"),
    ("region", "5", "rate 'a': region is an integer: write a string"),
    ("gpu_model", "1.5", "rate 'a': gpu_model is a float: write a string"),
    (
        "active_from",
        "[]",
        f"rate 'a': active_from is an array: write {INSTANT_FORM}",
    ),
    (
        "region",
        "2025-01-01T00:00:00Z",
        "rate 'a': region is a date-time: write a string",
    ),
    (
        "resource_type",
        '"services"',
        "rate 'a': unknown resource_type 'services', did you mean 'service'?",
    ),
    ("custommer", '"x"', "rate 'a': unknown key 'custommer', did you mean 'customer'?"),
    (
        "discount",
        "1",
        "rate 'a': unknown key 'discount'; known: id, meter, price_cents, per, active_from, "
        "active_until, customer, gpu_model, gpu_capacity, resource_type, region",
    ),
]


@pytest.mark.parametrize(("field", "value", "sentence"), REFUSED)
def test_a_wrong_field_is_refused_in_a_sentence(
    field: str, value: str | None, sentence: str
) -> None:
    assert problems_of(card_text(rate_text(**{field: value}))) == [sentence]


@pytest.mark.parametrize(
    "price",
    [
        *(" 1", "1 ", "5 /3", "+1", "-", "--1", "1/2/3", "1.5/2", "5/-3", "5/", "/3", "1,5"),
        *(".5", "5.", "1_000", "1e3", "0x10", "NaN", "inf", "٣", "²"),
    ],
)
def test_what_is_no_price_is_refused(price: str) -> None:
    (problem,) = problems_of(card_text(rate_text(price_cents=f'"{price}"')))
    assert problem.startswith("rate 'a': price_cents is '")
    assert problem.endswith(f"': write {PRICE_FORM}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the card: currency is missing"),
        ("currency = 5", "is an integer: write three capital letters, such as"),
        ('currency = ""', "the card: currency is '': write three capital letters"),
        ('currency = "usd"', "the card: currency is 'usd': write three capital letters"),
        ('currency = "USDT"', "the card: currency is 'USDT': write three capital letters"),
        ('currency = "USD"\nmonth_hours = 0', "the card: month_hours is not from 1 to 1,000,000"),
        ('currency = "USD"\nmonth_hours = -1', "the card: month_hours is not from 1 to 1,000,000"),
        ('currency = "USD"\nmonth_hours = 1000001', "month_hours is not from 1 to 1,000,000"),
        ('currency = "USD"\nmonth_hours = true', "month_hours is a boolean: write a whole number"),
        ('currency = "USD"\nmonth_hours = 720.0', "month_hours is a float: write a whole number"),
        ('currency = "USD"\nmonth_hours = "720"', "month_hours is '720': write a whole number"),
        ('currency = "USD"\n[[rates]]', "the card: unknown key 'rates', did you mean 'rate'?"),
        ('currency = "USD"\n[rate]', "rate is a table: write each rate under [[rate]], in double"),
        ('currency = "USD"\nrate = [7]', "the card: [[rate]] number 1 is an integer: write each"),
    ],
)
def test_a_wrong_card_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    (problem,) = problems_of(text)
    assert sentence in problem


@pytest.mark.parametrize("hours", [1, 672, 1_000_000])
def test_a_month_has_as_many_hours_as_the_card_says(hours: int) -> None:
    card = parse_rate_card(
        card_text(rate_text(), head=f'currency = "USD"\nmonth_hours = {hours}'), "x"
    )
    assert (card.month_hours, card.rates[0].per_hours) == (hours, hours)


def test_a_text_that_no_utf_8_can_hold_is_refused() -> None:
    assert problems_of(card_text(rate_text(region='"\ud800"'))) == [
        r"rate 'a': region has a control character: '\ud800'"
    ]


def test_an_id_of_256_bytes_is_the_longest() -> None:
    assert card_of(rate_text(id=f'"{128 * "é"}"')).rates[0].id == 128 * "é"


def test_numbers_and_tables_too_large_to_print_are_refused_too() -> None:
    deep = "region." + 190 * "a." + "a"
    huge = "0x" + 5_000 * "f"
    assert problems_of(card_text(rate_text(price_cents=huge, **{deep: "1"}))) == [
        f"rate 'a': price_cents is an integer: write {PRICE_FORM}",
        "rate 'a': region is a table: write a string",
    ]
    assert problems_of(f'currency = "USD"\nmonth_hours = {huge}') == [
        "the card: month_hours is not from 1 to 1,000,000"
    ]
