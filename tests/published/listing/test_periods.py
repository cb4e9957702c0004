from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hourtally.errors import Damaged
from hourtally.model.hours import Granularity, Hour, HourRange
from hourtally.published.listing import Question, list_range
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


def totals(
    home: Home,
    customer: str,
    granularity: Granularity,
    first: Hour | None = None,
    end: Hour | None = None,
) -> list[dict[str, Any]]:
    """One customer's totals by period."""
    question = Question(customer, granularity=granularity, hours=HourRange(first, end))
    return list_range(home, question).rows.to_dicts()


def summary(rows: list[dict[str, Any]]) -> list[tuple[str, int, int, int]]:
    names = ("period", "published", "paas_total_nanocents", "byoc_total_nanocents")
    return [(row[names[0]], row[names[1]], row[names[2]], row[names[3]]) for row in rows]


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
    assert summary(totals(home, "acme", granularity)) == expected


def test_a_period_has_a_total(home: Home) -> None:
    [total] = totals(home, "acme", "total")

    assert total["currency"] == "EUR"
    assert total["total_nanocents"] == 3_750_000_000  # 3 + 0.75


def test_the_range_is_half_open(home: Home) -> None:
    assert summary(totals(home, "acme", "hour", OCTOBER_LAST, NOVEMBER_FIRST)) == [
        ("2026-10-31T23", 1, 1_000_000_000, 500_000_000)
    ]
    assert summary(totals(home, "acme", "total", NOVEMBER_FIRST)) == [
        ("", 2, 2_000_000_000, 250_000_000)
    ]
    assert totals(home, "acme", "total", NOVEMBER_FIRST, NOVEMBER_FIRST) == []


def test_a_published_hour_without_events_counts_with_zero(home: Home) -> None:
    # zebra had events in one hour of the three.
    [total] = totals(home, "zebra", "total")

    assert (total["published"], total["hours"]) == (3, 1)
    assert total["total_nanocents"] == 200_000_000_000  # 100 + 100 cents


@pytest.mark.parametrize("customer", ["nobody", "", "acm", "acme ", "\udcff"])
def test_a_customer_of_no_hour_has_zero_in_all(home: Home, customer: str) -> None:
    [total] = totals(home, customer, "total")

    assert (total["published"], total["hours"], total["total_nanocents"]) == (3, 0, 0)


def test_a_surrogate_is_no_other_character(home: Home) -> None:
    publish(home, Hour.parse("2026-11-01T02"), {"a\ufffd\ufffd\ufffd": document(0, cpu="9")})
    [total] = totals(home, "a\udcff", "total")

    assert (total["hours"], total["total_nanocents"]) == (0, 0)


def test_an_hour_that_is_not_published_does_not_count(home: Home) -> None:
    home.hour(Hour.parse("2026-11-01T02")).mkdir()

    assert summary(totals(home, "acme", "day"))[0] == (
        "2026-11-01",
        2,
        2_000_000_000,
        250_000_000,
    )


def test_a_restated_hour_counts_with_its_newest_revision(home: Home) -> None:
    publish(home, NOVEMBER_FIRST, {"acme": document(0, cpu="7")}, revision=2)

    assert summary(totals(home, "acme", "month"))[0] == (
        "2026-11",
        2,
        7_000_000_000,
        250_000_000,
    )


def test_hours_of_different_currencies_are_not_added_up(home: Home) -> None:
    later = Hour.parse("2026-11-01T02")
    publish(home, later, {"acme": document(0, cpu="9")}, currency="USD")
    rows = totals(home, "acme", "total")

    assert [(row["currency"], row["published"], row["total_nanocents"]) for row in rows] == [
        ("USD", 1, 9_000_000_000),
        ("EUR", 3, 3_750_000_000),
    ]


@pytest.mark.parametrize("hour", [OCTOBER_LAST, NOVEMBER_SECOND])
def test_a_damaged_index_is_refused_and_named(home: Home, hour: Hour) -> None:
    [path] = home.hour(hour).glob("*/customers.parquet")
    flip_byte(path, 40)

    with pytest.raises(Damaged) as caught:
        totals(home, "acme", "total")
    assert caught.value.path == path


def test_a_home_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "a*b?[c]{d} é")
    publish(home, OCTOBER_LAST, {"acme": document(0, cpu="1")})

    assert summary(totals(home, "acme", "total")) == [("", 1, 1_000_000_000, 0)]
