from __future__ import annotations

import hashlib
import itertools
import json
from fractions import Fraction
from pathlib import Path

import pytest

from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.ratecard import (
    RateCard,
    RateRow,
    parse_rate_card,
    rates_in_force_rows,
    read_rates_snapshot,
    write_rates_snapshot,
)
from hourtally.store.layout import Home
from tests.support.ratecard.card_texts import card_of, card_text, rate_text

HOUR = Hour.parse("2026-11-22T13")
START_MS = HOUR.start_ms


def at(time: str) -> str:
    """A time of 2026-11-22, the day of HOUR, as TOML."""
    return f"2026-11-22T{time}Z"


@pytest.mark.parametrize(
    ("meter", "per", "price", "exact"),
    [
        # Cents times 10^9, divided by units times hours times 3,600,000.
        ("paas.cpu", "vcpu-month", "1200", Fraction(25, 54)),  # 1.2e12 / 2.592e12
        ("paas.memory", "gib-month", "600", Fraction(3125, 13824)),  # 6e11 / 2.654208e12
        ("paas.gpu", "gpu-hour", "274", Fraction(685, 9)),  # 2.74e11 / 3.6e9
        ("byoc.cluster", "cluster-hour", "10", Fraction(25_000, 9)),  # 1e10 / 3.6e6
        ("byoc.vcpu", "vcpu-hour", "5/3", Fraction(25, 54)),  # 1200 / 720 = 5/3
        ("paas.storage", "gib-hour", "0", Fraction(0)),
    ],
)
def test_a_price_is_spread_over_units_and_milliseconds_exactly(
    meter: str, per: str, price: str, exact: Fraction
) -> None:
    text = rate_text(meter=f'"{meter}"', per=f'"{per}"', price_cents=f'"{price}"')
    assert card_of(text).rates[0].nanocents_per_unit_ms == exact


# Window of a rate, whether it is in force in [13:00, 14:00), and where it cuts the hour.
WINDOWS = [
    ("12:00:00", "13:00:00", False, []),
    ("12:00:00", "13:00:00.001", True, [1]),
    ("12:00:00", "14:00:00", True, []),
    ("12:00:00", "15:00:00", True, []),
    ("13:00:00", "13:00:00.001", True, [1]),
    ("13:00:00", "14:00:00", True, []),
    ("13:00:00.001", "14:00:00", True, [1]),
    ("13:20:00", "13:50:00", True, [1_200_000, 3_000_000]),
    ("13:59:59.999", "14:00:00", True, [3_599_999]),
    ("13:59:59.999", "15:00:00", True, [3_599_999]),
    ("14:00:00", "15:00:00", False, []),
]


@pytest.mark.parametrize(("start", "end", "in_force", "cuts_ms"), WINDOWS)
def test_a_rate_is_in_force_where_its_half_open_window_touches_the_hour(
    start: str, end: str, in_force: bool, cuts_ms: list[int]
) -> None:
    card = card_of(rate_text(active_from=at(start), active_until=at(end)))

    assert card.in_force(HOUR) == (card.rates if in_force else ())
    edges = [0, *cuts_ms, 3_600_000]
    assert card.periods(HOUR) == tuple(
        (START_MS + begin, START_MS + finish) for begin, finish in itertools.pairwise(edges)
    )


def test_an_hour_is_cut_once_where_several_rates_change_at_one_instant() -> None:
    card = card_of(
        rate_text(id='"a"', active_until=at("13:30:00")),
        rate_text(id='"b"', active_from=at("13:30:00")),
        rate_text(id='"c"', meter='"byoc.vcpu"', active_from=at("13:30:00")),
    )
    assert card.periods(HOUR) == (
        (START_MS, START_MS + 1_800_000),
        (START_MS + 1_800_000, START_MS + 3_600_000),
    )


def test_rates_are_in_force_sorted_by_id() -> None:
    card = card_of(
        rate_text(id='"b"'),
        rate_text(id='"C"', meter='"byoc.vcpu"'),
        rate_text(id='"a"', customer='"x"'),
    )
    assert [rate.id for rate in card.in_force(HOUR)] == ["C", "a", "b"]


NOVEMBER = rate_text(id='"november"', active_from="2026-11-01T00:00:00Z")


def digest(*rates: str, hour: Hour = HOUR, head: str = 'currency = "USD"') -> str:
    return parse_rate_card(card_text(*rates, head=head), "x").digest(hour)


def test_the_digest_is_that_of_the_canonical_lines() -> None:
    # Of a rate that is in force all the hour: from 0 until 3,600,000 ms into it.
    lines = (
        '"USD"\n'
        '["november","paas.cpu","1200","vcpu-month",720,[null,null,null,null],0,3600000]\n'
        '["x","paas.cpu","5/3","vcpu-hour",1,["acme","h100","job","eu"],600000,3600000]'
    )
    selected = rate_text(
        id='"x"',
        price_cents='"5/3"',
        per='"vcpu-hour"',
        active_from=at("13:10:00"),
        customer='"acme"',
        gpu_model='"h100"',
        resource_type='"job"',
        region='"eu"',
    )
    assert digest(selected, NOVEMBER) == hashlib.sha256(lines.encode()).hexdigest()


def test_a_capacity_is_the_fifth_selector_of_a_line_and_read_back(tmp_path: Path) -> None:
    spot = rate_text(
        id='"spot"',
        meter='"paas.gpu"',
        price_cents='"5"',
        per='"gpu-hour"',
        gpu_model='"h100"',
        gpu_capacity='"spot"',
    )
    card = card_of(spot)
    line = '["spot","paas.gpu","5","gpu-hour",1,[null,"h100",null,null,"spot"],0,3600000]'
    assert card.snapshot(HOUR).decode() == f'"USD"\n{line}'
    home = Home(tmp_path)
    write_rates_snapshot(home, card, HOUR, tmp_path)
    [kept] = read_rates_snapshot(home, card.digest(HOUR), HOUR)
    assert kept.selectors == card.rates[0].selectors == (None, "h100", "spot", None, None)


def test_the_kept_rates_of_the_version_before_are_read(tmp_path: Path) -> None:
    line = b'"USD"\n["old","paas.cpu","1","vcpu-hour",1,["acme",null,"job","eu"],0,3600000]'
    digest_of_line = hashlib.sha256(line).hexdigest()
    path = Home(tmp_path).rates_snapshot(digest_of_line)
    path.parent.mkdir()
    path.write_bytes(line)
    [kept] = read_rates_snapshot(Home(tmp_path), digest_of_line, HOUR)
    assert kept.selectors == ("acme", None, None, "job", "eu")


UNCHANGED = [
    ("a rate that starts next month", [rate_text(active_from="2026-12-01T00:00:00Z")]),
    ("a rate that starts at the hour's end", [rate_text(active_from=at("14:00:00"))]),
    (
        "a rate that ended at the hour's start",
        [rate_text(active_from="2026-10-01T00:00:00Z", active_until=at("13:00:00"), region='"x"')],
    ),
]


@pytest.mark.parametrize("others", [row[1] for row in UNCHANGED], ids=[row[0] for row in UNCHANGED])
def test_what_is_not_in_force_in_the_hour_leaves_its_digest(others: list[str]) -> None:
    assert digest(NOVEMBER, *others) == digest(NOVEMBER)


def november(**fields: str) -> str:
    return rate_text(**{"id": '"november"', "active_from": "2026-11-01T00:00:00Z", **fields})


@pytest.mark.parametrize(
    "same",
    [
        november(active_until="2027-01-01T00:00:00Z"),
        november(active_until=at("14:00:00")),
        november(active_from=at("13:00:00")),
        november(active_from="2026-11-01T01:00:00+01:00"),
        november(price_cents='"1200.00"'),
        november(price_cents='"2400/2"'),
    ],
)
def test_another_writing_or_an_end_or_start_outside_the_hour_leaves_its_digest(same: str) -> None:
    assert digest(same) == digest(NOVEMBER)


@pytest.mark.parametrize(
    "changed",
    [
        november(price_cents='"1200.01"'),
        november(per='"vcpu-hour"'),
        november(meter='"byoc.vcpu"'),
        november(id='"renamed"'),
        november(active_from=at("13:00:00.001")),
        november(active_until=at("13:59:59.999")),
        november(active_until=at("13:00:00")),
        november(customer='"acme"'),
        november(gpu_model='"acme"'),
        november(region='"acme"'),
        november(resource_type='"job"'),
        NOVEMBER + rate_text(id='"b"', active_from=at("13:59:59.999")),
        NOVEMBER + rate_text(id='"b"', active_from=at("13:30:00")),
        NOVEMBER + rate_text(id='"b"', customer='"acme"'),
        "",
    ],
)
def test_a_change_of_what_is_in_force_in_the_hour_changes_its_digest(changed: str) -> None:
    assert digest(changed) != digest(NOVEMBER)


def test_a_rate_that_ends_in_the_hour_may_have_started_at_any_time_before_it() -> None:
    until = at("13:30:00")
    since_october = november(active_from="2026-10-01T00:00:00Z", active_until=until)
    assert digest(since_october) == digest(november(active_until=until))
    assert digest(since_october) == digest(november(active_from=at("13:00:00"), active_until=until))


def test_the_currency_changes_the_digest_and_a_month_changes_it_where_a_month_is_a_unit() -> None:
    euro, month = 'currency = "EUR"', 'currency = "USD"\nmonth_hours = 730'
    by_hour = november(per='"vcpu-hour"')
    assert digest(NOVEMBER, head=euro) != digest(NOVEMBER)
    assert digest(NOVEMBER, head=month) != digest(NOVEMBER)
    assert digest(by_hour, head=month) == digest(by_hour)


def test_hours_between_two_changes_share_a_digest_and_the_hours_of_changes_have_their_own() -> None:
    card = card_of(
        november(active_from=at("10:30:00")),
        rate_text(id='"next"', active_from=at("13:30:00")),
    )
    hours = [Hour(HOUR.timestamp + 3_600 * offset) for offset in range(-5, 4)]

    # 08 and 09 have no rate, in 10 it starts, 11 and 12 are whole, in 13 it changes.
    groups = [card.digest(hour) for hour in hours]
    assert [groups.index(value) for value in groups] == [0, 0, 2, 3, 3, 5, 6, 6, 6]


def test_changes_at_other_places_in_two_hours_of_one_card_give_two_digests() -> None:
    card = card_of(rate_text(active_from=at("13:10:00"), active_until=at("14:10:00")))
    assert card.digest(HOUR) != card.digest(Hour(HOUR.timestamp + 3_600))


def test_the_rates_in_force_are_shown_with_unit_selectors_and_window() -> None:
    card = card_of(
        rate_text(id='"vcpu-1"', active_until=at("13:30:00")),
        rate_text(id='"vcpu-2"', price_cents='"1300.50"', active_from=at("13:30:00")),
        rate_text(id='"vcpu-x"', price_cents='"5/3"', customer='"acme"', region='"eu"'),
        rate_text(id='"a-gpu"', meter='"paas.gpu"', per='"gpu-hour"', gpu_model='"h100"'),
    )
    x = ("vcpu-x", "paas.cpu", "5/3 cents per vcpu-month", "customer = 'acme', region = 'eu'")
    gpu = ("a-gpu", "paas.gpu", "1200 cents per gpu-hour", "gpu_model = 'h100'")
    since, change = "2025-01-01T00:00:00Z", at("13:30:00")

    change_ms = parse_instant_ms(change)
    assert rates_in_force_rows(card, change_ms - 1) == [
        RateRow("vcpu-1", "paas.cpu", "1200 cents per vcpu-month", "all", since, change),
        RateRow(*x, since, "open"),
        RateRow(*gpu, since, "open"),
    ]
    assert rates_in_force_rows(card, change_ms) == [
        RateRow("vcpu-2", "paas.cpu", "1300.5 cents per vcpu-month", "all", change, "open"),
        RateRow(*x, since, "open"),
        RateRow(*gpu, since, "open"),
    ]


@pytest.mark.parametrize(
    ("price", "printed"),
    [
        ("0", "0"),
        ("10/5", "2"),
        ("1/8", "0.125"),
        ("1/3", "1/3"),
        ("1" + 40 * "0", "1" + 40 * "0"),
        ("0." + 5 * "1234567891", "0." + 5 * "1234567891"),
        ("0." + 61 * "0" + "1", "0." + 61 * "0" + "1"),
    ],
)
def test_a_price_is_printed_exactly(price: str, printed: str) -> None:
    card = card_of(rate_text(price_cents=json.dumps(price)))
    (row,) = rates_in_force_rows(card, START_MS)
    assert row.price == f"{printed} cents per vcpu-month"


def test_cards_of_equal_rates_are_equal_whatever_was_asked_of_them() -> None:
    card, other = card_of(rate_text()), card_of(rate_text())
    card.digest(HOUR)
    assert card == other
    assert hash(card) == hash(other)
    assert card != RateCard("EUR", 720, card.rates)
