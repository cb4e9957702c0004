from __future__ import annotations

import json
import os
import re
from fractions import Fraction
from pathlib import Path

import pytest

from hourtally.errors import RateCardError
from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS
from hourtally.model.hours import format_instant
from hourtally.ratecard import METERS, RateCard, load_rate_card, parse_rate_card
from tests.support.ratecard.card_texts import card_of, card_text, problems_of, rate_text

SELECTOR_KEYS = ("customer", "gpu_model", "resource_type", "region")
GPU = {"meter": '"paas.gpu"', "per": '"gpu-hour"'}


def test_a_card_is_read_field_by_field() -> None:
    text = card_text(
        rate_text(
            id='"b"',
            meter='"byoc.gpu_memory"',
            price_cents='"5/3"',
            per='"gib-month"',
            active_from="2025-01-01T01:00:00.250+01:00",
            active_until="2026-01-01 00:00:00Z",
            customer='"acme"',
            region='"eu"',
        ),
        rate_text(id='"a"', resource_type='"job"', gpu_model='"h100"'),
        head='currency = "EUR"\nmonth_hours = 730',
    )

    card = parse_rate_card(text, "rates.toml")

    assert (card.currency, card.month_hours) == ("EUR", 730)
    a, b = card.rates  # sorted by id
    assert (a.id, a.meter, a.price_cents) == ("a", "paas.cpu", Fraction(1200))
    assert (a.customer, a.resource_type, a.region, a.gpu_model) == (None, "job", None, "h100")
    assert (a.per, a.per_hours, b.per, b.per_hours) == ("vcpu-month", 730, "gib-month", 730)
    # 2025-01-01 and 2026-01-01 are 20,089 and 20,454 days after 1970-01-01.
    assert (a.active_from_ms, a.active_until_ms) == (20_089 * 86_400_000, None)
    assert (b.active_from_ms, b.active_until_ms) == (20_089 * 86_400_000 + 250, 20_454 * 86_400_000)
    assert (b.id, b.meter, b.price_cents) == ("b", "byoc.gpu_memory", Fraction(5, 3))
    assert (b.customer, b.resource_type, b.region, b.gpu_model) == ("acme", None, "eu", None)


def test_a_month_has_720_hours_unless_the_card_says_otherwise() -> None:
    assert card_of(rate_text()).month_hours == 720
    assert card_of(rate_text()).rates[0].per_hours == 720


def test_a_unit_of_an_hour_has_one_hour_whatever_a_month_has() -> None:
    card = parse_rate_card(
        card_text(rate_text(per='"vcpu-hour"'), head='currency = "USD"\nmonth_hours = 730'), "x"
    )
    assert card.rates[0].per_hours == 1


def test_a_card_without_rates_is_a_card() -> None:
    assert card_of() == RateCard("USD", 720, ())


def test_the_meters_are_those_of_the_components() -> None:
    components = {**PAAS_COMPONENTS, **{f"byoc {k}": v for k, v in BYOC_COMPONENTS.items()}}
    assert sorted(METERS) == sorted(meter for meter, _ in components.values())


def test_all_problems_are_told_at_once_and_by_id() -> None:
    text = card_text(
        rate_text(id='"a"', price_cents="1.5", regoin='"eu"'),
        rate_text(id='"b"', meter='"paas.cpu"', per='"gib-month"'),
        rate_text(id='"c"', meter='"nope"'),
        rate_text(id='"c"', meter='"paas.gpu"', per='"gpu-hour"'),
        rate_text(id='"d"'),
        head='currency = "dollar"',
    )
    told = problems_of(text)

    assert [problem.split(":")[0] for problem in told] == [
        "the card",
        "rate 'a'",
        "rate 'a'",
        "rate 'b'",
        "rate 'c'",
        "rate 'c'",
        "rates 'b' and 'd' are both active from 2025-01-01T00",
    ]
    assert told[5] == "rate 'c': 2 rates have this id: give each rate its own id"


def test_the_message_counts_the_problems_and_names_the_file() -> None:
    with pytest.raises(RateCardError) as caught:
        parse_rate_card(card_text(rate_text(meter=None, per=None)), "cards/rates.toml")
    assert str(caught.value) == (
        "cards/rates.toml: 2 problems in the rate card:"
        "\n  - rate 'a': meter is missing\n  - rate 'a': per is missing"
    )


# Windows of one meter and equal selectors, as (id, start, end); times on 2026-11-22, None: no
# active_until. Then the ends that they resolve to, in the order of the rows.
RESOLVED = [
    ("one, open", [("a", "08:00", None)], [None]),
    ("one, ended", [("a", "08:00", "09:00")], ["09:00"]),
    ("the next ends the one before", [("a", "08:00", None), ("b", "09:00", None)], ["09:00", None]),
    ("written in any order", [("b", "09:00", None), ("a", "08:00", None)], [None, "09:00"]),
    ("touching", [("a", "08:00", "09:00"), ("b", "09:00", "10:00")], ["09:00", "10:00"]),
    ("a gap stays", [("a", "08:00", "09:00"), ("b", "10:00", None)], ["09:00", None]),
    (
        "only the next one counts",
        [("a", "08:00", None), ("b", "09:00", "10:00"), ("c", "11:00", None)],
        ["09:00", "10:00", None],
    ),
]


def windows_text(windows: list[tuple[str, str, str | None]], **fields: str) -> str:
    return card_text(
        *(
            rate_text(
                id=json.dumps(name),
                active_from=f"2026-11-22T{start}:00Z",
                active_until=None if end is None else f"2026-11-22T{end}:00Z",
                **fields,
            )
            for name, start, end in windows
        )
    )


@pytest.mark.parametrize(
    ("windows", "ends"), [row[1:] for row in RESOLVED], ids=[row[0] for row in RESOLVED]
)
def test_a_rate_without_an_end_ends_where_the_next_one_starts(
    windows: list[tuple[str, str, str | None]], ends: list[str | None]
) -> None:
    rates = {rate.id: rate for rate in parse_rate_card(windows_text(windows), "x").rates}
    for (name, _, _), end in zip(windows, ends, strict=True):
        until_ms = rates[name].active_until_ms
        got = None if until_ms is None else format_instant(until_ms)
        assert got == (None if end is None else f"2026-11-22T{end}:00Z")


# The same, and for each overlap: the two ids, from when, until when.
OVERLAPPING = [
    ("by a minute", [("a", "08:00", "09:01"), ("b", "09:00", "10:00")], ["a b 09:00 09:01"]),
    ("nested", [("a", "08:00", "12:00"), ("b", "09:00", "10:00")], ["a b 09:00 10:00"]),
    ("the same", [("a", "08:00", "09:00"), ("b", "08:00", "09:00")], ["a b 08:00 09:00"]),
    ("same start", [("a", "08:00", "12:00"), ("b", "08:00", "09:00")], ["a b 08:00 09:00"]),
    ("same start, open", [("a", "08:00", None), ("b", "08:00", "09:00")], ["a b 08:00 09:00"]),
    (
        "same start, before a third",
        [("a", "08:00", None), ("b", "08:00", None), ("c", "09:00", None)],
        ["a b 08:00 09:00"],
    ),
    ("into an open one", [("a", "08:00", "10:00"), ("b", "09:00", None)], ["a b 09:00 10:00"]),
    (
        "one over two that touch",
        [("a", "08:00", "12:00"), ("b", "09:00", "10:00"), ("c", "10:00", "11:00")],
        ["a b 09:00 10:00", "a c 10:00 11:00"],
    ),
    (
        "a chain",
        [("a", "08:00", "10:00"), ("b", "09:00", "12:00"), ("c", "11:00", "13:00")],
        ["a b 09:00 10:00", "b c 11:00 12:00"],
    ),
    ("written in any order", [("b", "09:00", None), ("a", "08:00", "10:00")], ["a b 09:00 10:00"]),
]


@pytest.mark.parametrize(
    ("windows", "overlaps"), [row[1:] for row in OVERLAPPING], ids=[row[0] for row in OVERLAPPING]
)
def test_rates_of_one_meter_and_equal_selectors_must_not_overlap(
    windows: list[tuple[str, str, str | None]], overlaps: list[str]
) -> None:
    told = problems_of(windows_text(windows, customer='"acme"', region='"eu"'))
    assert told == [
        f"rates '{one}' and '{other}' are both active from 2026-11-22T{start}:00Z "
        f"until 2026-11-22T{end}:00Z, for meter 'paas.cpu' and equal selectors "
        "(customer = 'acme', region = 'eu'): end one where the other starts"
        for one, other, start, end in (overlap.split() for overlap in overlaps)
    ]


def test_two_rates_that_never_end_overlap_without_an_end() -> None:
    assert problems_of(card_text(rate_text(), rate_text(id='"b"'))) == [
        "rates 'a' and 'b' are both active from 2025-01-01T00:00:00Z without an end, "
        "for meter 'paas.cpu' and equal selectors (none): end one where the other starts"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"regoin": '"eu"'},
        {"region": "5"},
        {"meter": '"x"'},
        {"active_until": "2024-01-01T00:00:00Z"},
    ],
)
def test_a_rate_with_wrong_selectors_or_window_is_not_said_to_overlap(
    wrong: dict[str, str],
) -> None:
    (problem,) = problems_of(card_text(rate_text(), rate_text(**{"id": '"b"', **wrong})))
    assert problem.startswith("rate 'b': ")


def test_a_shared_millisecond_is_an_overlap() -> None:
    a = rate_text(active_until="2026-01-01T00:00:00.001Z")
    b = rate_text(id='"b"', active_from="2026-01-01T00:00:00Z")
    (problem,) = problems_of(card_text(a, b))
    assert "from 2026-01-01T00:00:00Z until 2026-01-01T00:00:00.001Z" in problem


@pytest.mark.parametrize("selector", SELECTOR_KEYS)
def test_rates_that_differ_in_a_selector_may_overlap(selector: str) -> None:
    value = '"job"' if selector == "resource_type" else '"x"'
    card = card_of(rate_text(), rate_text(id='"b"', **{selector: value}))
    assert [rate.active_until_ms for rate in card.rates] == [None, None]


def test_rates_of_two_meters_may_overlap() -> None:
    card = card_of(rate_text(), rate_text(id='"b"', meter='"byoc.vcpu"'))
    assert [rate.active_until_ms for rate in card.rates] == [None, None]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RateCardError) as caught:
        load_rate_card(tmp_path / "none.toml")
    assert caught.value.source == str(tmp_path / "none.toml")
    assert caught.value.problems == [
        "the rate card cannot be read: No such file or directory; "
        "put a card there, or name another with --rates FILE"
    ]


def test_one_problem_is_told_in_one_line() -> None:
    with pytest.raises(RateCardError) as caught:
        parse_rate_card(card_text(rate_text(meter=None)), "cards/rates.toml")
    assert str(caught.value) == "cards/rates.toml: rate 'a': meter is missing"


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_bytes(b"\xef\xbb\xbf" + card_text(rate_text()).encode())
    assert load_rate_card(path) == card_of(rate_text())


@pytest.mark.parametrize("capacity", ["on-demand", "spot"])
def test_a_rate_of_gpus_may_select_a_capacity(capacity: str) -> None:
    [rate] = card_of(rate_text(**GPU, gpu_capacity=f'"{capacity}"')).rates
    assert rate.gpu_capacity == capacity


@pytest.mark.parametrize("meter", sorted(METERS.keys() - {"paas.gpu"}))
def test_no_other_meter_selects_a_capacity(meter: str) -> None:
    per = f'"{METERS[meter][0]}-hour"'
    text = card_text(rate_text(meter=f'"{meter}"', per=per, gpu_capacity='"spot"'))
    assert problems_of(text) == [
        "rate 'a': gpu_capacity is a selector of 'paas.gpu' only: leave it out"
    ]


def test_a_capacity_is_one_of_two() -> None:
    assert problems_of(card_text(rate_text(**GPU, gpu_capacity='"Spot"'))) == [
        "rate 'a': unknown gpu_capacity 'Spot', did you mean 'spot'?"
    ]


def test_a_price_left_empty_is_to_be_filled_in() -> None:
    assert problems_of(card_text(rate_text(price_cents='""'))) == [
        "rate 'a': price_cents is empty: fill in the price, "
        'decimal text in quotes, such as "1200" or "0.5", or a fraction, such as "5/3"'
    ]


def test_a_folder_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(RateCardError, match="Is a directory; put a card there, or name another"):
        load_rate_card(tmp_path)


def test_a_card_without_permission_asks_for_it(tmp_path: Path) -> None:
    card = tmp_path / "rates.toml"
    card.touch(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # Root may read everything.
    try:
        with pytest.raises(RateCardError, match="denied; give this user permission, or name"):
            load_rate_card(card)
    finally:
        os.seteuid(user)


def test_what_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_bytes(b'currency = "USD"\n# caf\xe9\n')
    with pytest.raises(RateCardError) as caught:
        load_rate_card(path)
    assert caught.value.problems == ["line 2: byte 0xe9 is not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('currency = "USD"\nprice =\n', r"is not TOML: .*\(at line 2, column 8\)"),
        ('currency = "USD"\ncurrency = "EUR"\n', r"is not TOML: .*\(at line 2, column \d+\)"),
        ("a = 2025-02-30T00:00:00Z", r"is not TOML: .*\(at line 1, column 5\)"),
        ("a = " + 5_000 * "9", "has a number of thousands of digits"),
        ("a = " + 100_000 * "[", "is nested too deeply to be read"),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line(text: str, sentence: str) -> None:
    (problem,) = problems_of(text)
    assert re.fullmatch(sentence, problem)
