from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from hourtally.errors import Damaged
from hourtally.model.hours import Granularity, Hour, HourRange
from hourtally.published.listing import LEVELS, Level, Listing, Question, list_range
from tests.support.handwritten_revisions import document, flip_byte, publish
from tests.support.homes.eventful_home import FIRST_HOUR, SECOND_HOUR, eventful_home
from tests.support.oracle.listing import held_hours, listing

QUESTIONS: list[tuple[Level | None, Granularity, dict[str, str]]] = [
    *(
        (by, granularity, filters)
        for by, granularity in itertools.product([None, *LEVELS], get_args(Granularity))
        for filters in ({}, {"customer_id": "acme"})
    ),
    ("resource", "total", {"resource_type": "service"}),
    ("customer", "total", {"resource_type": "addon"}),
    ("team", "day", {"customer_id": "acme", "resource_type": "service"}),
    ("type", "hour", {"team_id": "web"}),
    (None, "total", {"customer_id": "acme", "project_id": "shop"}),
    ("project", "total", {"team_id": "nothing"}),
    ("customer", "total", {"customer_id": "nobody"}),
    (None, "total", {"customer_id": "\udcff"}),
]


def asked(by: Level | None, granularity: Granularity, filters: dict[str, str]) -> Question:
    return Question(
        customer=filters.get("customer_id"),
        team=filters.get("team_id"),
        project=filters.get("project_id"),
        resource_type=filters.get("resource_type"),
        by=by,
        granularity=granularity,
    )


def rows_of(found: Listing) -> list[dict[str, Any]]:
    """The rows, without names, and without periods in which there was nothing."""
    rows = found.rows.drop("name", "published", strict=False).filter(pl.col("hours") > 0)
    return rows.to_dicts()


@pytest.mark.parametrize(("by", "granularity", "filters"), QUESTIONS, ids=str)
def test_sums_are_those_of_the_rows_added_up_one_by_one(
    tmp_path: Path, by: Level | None, granularity: Granularity, filters: dict[str, str]
) -> None:
    home = eventful_home(tmp_path)
    found = list_range(home, asked(by, granularity, filters))
    question = {"by": by, "granularity": granularity, "filters": filters}

    assert rows_of(found) == listing(home.root, question)
    held = {who: [hour.name for hour in hours] for who, hours in found.held.items()}
    assert held == held_hours(home.root, question)


def test_prices_of_components_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    some = list_range(home, Question(by="customer", components=False)).rows
    every = list_range(home, Question(by="customer")).rows

    assert some.to_dicts() == every.select(some.columns).to_dicts()
    left_out = set(every.columns) - set(some.columns)
    assert left_out == {
        *(f"paas_{name}_nanocents" for name in ("cpu", "memory", "storage", "gpu")),
        *(f"byoc_{name}_nanocents" for name in ("vcpu", "memory", "gpu_memory", "cluster")),
    }


def test_byoc_stands_apart_where_no_row_can_have_it(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    found = list_range(home, Question(by="resource", granularity="hour"))
    apart = found.byoc.select(
        "period", "currency", "byoc_total_nanocents", "byoc_cluster_nanohours"
    )

    assert apart.rows() == [
        ("2026-11-22T14", "USD", 10_000_000_000, 1_000_000_000),
        ("2026-11-22T13", "USD", 10_000_000_000, 1_000_000_000),
    ]
    of_acme = list_range(home, Question(customer="acme", by="resource"))
    assert len(of_acme.byoc) == 0
    # Where rows have it, it does not stand apart too.
    assert len(list_range(home, Question(by="customer")).byoc) == 0


def test_a_name_is_that_of_the_last_hour(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    rows = list_range(home, Question(by="team")).rows

    assert rows.select("customer_id", "team_id", "name").rows() == [
        ("acme", "web", "Web"),
        ("initech", "web", "Web"),
    ]


def test_hours_of_different_currencies_are_not_added_up(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    later = Hour.parse("2026-11-22T15")
    publish(home, later, {"acme": document(0, cpu="100")}, currency="EUR")
    rows = list_range(home, Question(by="customer", customer="acme")).rows

    assert rows.select("currency", "total_nanocents").rows() == [
        ("EUR", 100_000_000_000),
        ("USD", 5_833_333_334),
    ]


def test_quantities_are_unknown_where_an_hour_of_an_older_build_is_in_the_sum(
    tmp_path: Path,
) -> None:
    home = eventful_home(tmp_path)
    later = Hour.parse("2026-11-22T15")
    publish(home, later, {"acme": document(0, cpu="1")}, currency="USD")
    found = list_range(home, Question(by="customer", granularity="day"))
    rows = {row["customer_id"]: row for row in found.rows.iter_rows(named=True)}

    assert found.unreported == [later]
    assert rows["acme"]["total_nanocents"] == 6_833_333_334
    assert rows["acme"]["paas_cpu_nanohours"] is None
    assert rows["globex"]["byoc_cluster_nanohours"] == 2_000_000_000


@pytest.mark.parametrize(
    ("first", "end", "missing"),
    [
        (None, None, None),
        ("2026-11-22T13", "2026-11-22T15", None),
        ("2026-11-22T12", None, (1, "2026-11-22T12", "2026-11-22T12", 0)),
        (None, "2026-11-22T16", (1, "2026-11-22T15", "2026-11-22T15", 0)),
        ("2026-11-22T10", "2026-11-22T20", (8, "2026-11-22T10", "2026-11-22T19", 0)),
        ("2026-11-22T15", "2026-11-22T17", (2, "2026-11-22T15", "2026-11-22T16", 0)),
        # The range may be long: 1000 years have 365,243 days.
        ("1970-01-01", "2970-01-01", (365_243 * 24 - 2, "1970-01-01T00", "2969-12-31T23", 0)),
    ],
)
def test_hours_that_are_not_published_are_told(
    tmp_path: Path,
    first: str | None,
    end: str | None,
    missing: tuple[int, str, str, int] | None,
) -> None:
    home = eventful_home(tmp_path)
    hours = HourRange(first and Hour.parse(first), end and Hour.parse(end))  # type: ignore[arg-type]
    found = list_range(home, Question(by="customer", hours=hours)).missing

    told = found and (found.hours, found.first.name, found.last.name, found.with_events)
    assert told == missing


def test_an_hour_with_events_that_was_never_built_is_told(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    for path in home.hour(FIRST_HOUR).glob("*.json"):
        path.unlink()
    hours = HourRange(FIRST_HOUR, SECOND_HOUR.following)
    found = list_range(home, Question(by="customer", hours=hours)).missing

    assert found is not None
    assert (found.hours, found.first, found.last, found.with_events) == (1, *[FIRST_HOUR] * 2, 1)


@pytest.mark.parametrize("table", ["customers", "charges"])
def test_a_damaged_table_is_refused_and_named(tmp_path: Path, table: str) -> None:
    home = eventful_home(tmp_path)
    [path] = home.hour(SECOND_HOUR).glob(f"rev-000002-*/{table}.parquet")
    flip_byte(path, 40)

    with pytest.raises(Damaged) as caught:
        list_range(home, Question(by="resource"))
    assert caught.value.path == path


def test_more_hours_than_are_read_at_once_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = eventful_home(tmp_path)
    question = Question(by="resource", granularity="day")
    whole = list_range(home, question)
    monkeypatch.setattr("hourtally.published.listing.revisions._BYTES_A_CHUNK", 1)
    monkeypatch.setattr("hourtally.published.listing.sums._MOST_PARTIAL_ROWS", 1)

    assert list_range(home, question).rows.equals(whole.rows)
