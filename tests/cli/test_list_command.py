from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.published.totals import (
    Granularity,
    HourTotals,
    PeriodTotals,
    hour_totals,
    list_totals,
)
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, flip_byte, publish

# The last hour of October and the first two of November, in UTC.
OCTOBER_LAST = Hour.parse("2026-10-31T23")
NOVEMBER_FIRST = Hour.parse("2026-11-01T00")
NOVEMBER_SECOND = Hour.parse("2026-11-01T01")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Acme: 1 and 0.5 cents in October's last hour, 2 and 0.25 in November's first two."""
    home = Home(tmp_path)
    other = document(0, cpu="100", cluster="100")
    publish(home, OCTOBER_LAST, {"acme": document(0, cpu="1", cluster="0.5"), "other": other})
    publish(home, NOVEMBER_FIRST, {"acme": document(0, cpu="2"), "zebra": other})
    publish(home, NOVEMBER_SECOND, {"acme": document(0, cluster="0.25")})
    return home


def summary(totals: list[PeriodTotals]) -> list[tuple[str, int, int, int]]:
    return [(one.period, one.hours, one.paas_nanocents, one.byoc_nanocents) for one in totals]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        (
            "hour",
            [
                ("2026-11-01T01", 1, 0, 250_000_000),
                ("2026-11-01T00", 1, 2_000_000_000, 0),
                ("2026-10-31T23", 1, 1_000_000_000, 500_000_000),
            ],
        ),
        (
            "day",
            [
                ("2026-11-01", 2, 2_000_000_000, 250_000_000),
                ("2026-10-31", 1, 1_000_000_000, 500_000_000),
            ],
        ),
        (
            "month",
            [
                ("2026-11", 2, 2_000_000_000, 250_000_000),
                ("2026-10", 1, 1_000_000_000, 500_000_000),
            ],
        ),
        ("total", [("", 3, 3_000_000_000, 750_000_000)]),  # 1 + 2, 0.5 + 0.25
    ],
)
def test_totals_are_summed_by_period_in_utc_newest_first(
    home: Home, granularity: Granularity, expected: list[tuple[str, int, int, int]]
) -> None:
    assert summary(list_totals(home, "acme", granularity).periods) == expected


def test_a_period_names_its_hours_and_its_total(home: Home) -> None:
    [total] = list_totals(home, "acme", "total").periods

    assert (total.first, total.last) == (OCTOBER_LAST, NOVEMBER_SECOND)
    assert total.currency == "EUR"
    assert total.total_nanocents == 3_750_000_000  # 3 + 0.75


def test_the_range_is_half_open(home: Home) -> None:
    assert summary(list_totals(home, "acme", "hour", OCTOBER_LAST, NOVEMBER_FIRST).periods) == [
        ("2026-10-31T23", 1, 1_000_000_000, 500_000_000)
    ]
    assert summary(list_totals(home, "acme", "total", NOVEMBER_FIRST).periods) == [
        ("", 2, 2_000_000_000, 250_000_000)
    ]
    assert list_totals(home, "acme", "total", NOVEMBER_FIRST, NOVEMBER_FIRST).periods == []


def test_a_published_hour_without_events_counts_with_zero(home: Home) -> None:
    # zebra had events in one hour of the three.
    [total] = list_totals(home, "zebra", "total").periods

    assert (total.hours, total.used_hours) == (3, 1)
    assert total.total_nanocents == 200_000_000_000  # 100 + 100 cents


@pytest.mark.parametrize("customer", ["nobody", "", "acm", "acme ", "\udcff"])
def test_a_customer_of_no_hour_has_zero_in_all(home: Home, customer: str) -> None:
    [total] = list_totals(home, customer, "total").periods

    assert (total.hours, total.used_hours, total.total_nanocents) == (3, 0, 0)


def test_a_surrogate_is_no_other_character(home: Home) -> None:
    publish(home, Hour.parse("2026-11-01T02"), {"a\ufffd\ufffd\ufffd": document(0, cpu="9")})
    [total] = list_totals(home, "a\udcff", "total").periods

    assert (total.used_hours, total.total_nanocents) == (0, 0)


def test_an_hour_that_is_not_published_does_not_count(home: Home) -> None:
    home.hour(Hour.parse("2026-11-01T02")).mkdir()

    assert summary(list_totals(home, "acme", "day").periods)[0] == (
        "2026-11-01",
        2,
        2_000_000_000,
        250_000_000,
    )


def test_a_restated_hour_counts_with_its_newest_revision(home: Home) -> None:
    publish(home, NOVEMBER_FIRST, {"acme": document(0, cpu="7")}, revision=2)

    assert summary(list_totals(home, "acme", "month").periods)[0] == (
        "2026-11",
        2,
        7_000_000_000,
        250_000_000,
    )


def test_hours_of_different_currencies_are_not_added_up(home: Home) -> None:
    later = Hour.parse("2026-11-01T02")
    publish(home, later, {"acme": document(0, cpu="9")}, currency="USD")
    totals = list_totals(home, "acme", "total").periods

    assert [(one.currency, one.hours, one.total_nanocents) for one in totals] == [
        ("USD", 1, 9_000_000_000),
        ("EUR", 3, 3_750_000_000),
    ]


def test_hours_come_in_the_order_asked_for(home: Home) -> None:
    hours = [NOVEMBER_SECOND, OCTOBER_LAST]

    assert list(hour_totals(home, "zebra", [*hours, NOVEMBER_FIRST])) == [
        HourTotals(NOVEMBER_SECOND, "EUR", 0, 0, used=False),
        HourTotals(OCTOBER_LAST, "EUR", 0, 0, used=False),
        HourTotals(NOVEMBER_FIRST, "EUR", 100_000_000_000, 100_000_000_000, used=True),
    ]


def test_more_hours_than_are_read_at_once_are_all_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hourtally.published.totals._BYTES_A_CHUNK", 1)

    assert summary(list_totals(home, "acme", "total").periods) == [
        ("", 3, 3_000_000_000, 750_000_000)
    ]


@pytest.mark.parametrize("hour", [OCTOBER_LAST, NOVEMBER_SECOND])
def test_a_damaged_index_is_refused_and_named(home: Home, hour: Hour) -> None:
    [path] = home.hour(hour).glob("*/customers.parquet")
    flip_byte(path, 40)

    with pytest.raises(Damaged) as caught:
        list_totals(home, "acme", "total")
    assert caught.value.path == path


def test_a_home_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "a*b?[c]{d} é")
    publish(home, OCTOBER_LAST, {"acme": document(0, cpu="1")})

    assert summary(list_totals(home, "acme", "total").periods) == [("", 1, 1_000_000_000, 0)]
