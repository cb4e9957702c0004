from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from hourtally.errors import InvalidArgument, StorageFault
from hourtally.ingest.files import ingest_paths
from hourtally.model.hours import Hour
from hourtally.published.sql import VIEWS, run_query, write_database
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, publish
from tests.support.homes.eventful_home import NOW_MS, SECOND_HOUR, build, eventful_home, resource
from tests.support.oracle.published_rows import Row, as_sql, current_manifests, current_rows

TABLES = ("charges", "clusters", "types", "projects", "teams", "customers", "held", "conflicts")
Asked = Callable[[Home, str], list[Row]]
ONE_PM = dt.datetime(2026, 11, 22, 13)  # noqa: DTZ001 - of a view


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return eventful_home(tmp_path)


def in_session(home: Home, query: str) -> list[Row]:
    found = run_query(home, query, 1)
    names = [name for name, _ in found.columns]
    return [dict(zip(names, row, strict=True)) for row in found.rows]


def in_database(home: Home, query: str) -> list[Row]:
    # DuckDB itself takes a part of some paths for options.
    path = home.root.parent.parent / (re.sub(r"\W", "_", str(home.root)) + ".duckdb")
    if not path.exists():
        write_database(home, path)
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(query)
        names = [one[0] for one in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(params=[in_session, in_database], ids=["session", "database"])
def asked(request: pytest.FixtureRequest) -> Asked:
    way: Asked = request.param
    return way


def sortable(row: Row) -> list[str]:
    return [repr(value) for value in row.values()]


@pytest.mark.parametrize("table", TABLES)
def test_a_view_has_the_rows_of_current_revisions_and_no_others(
    home: Home, asked: Asked, table: str
) -> None:
    rows = asked(home, f"FROM {table}")
    expected = as_sql(current_rows(home.root, table))
    assert len(rows) == len(expected)
    for row in expected:
        found = [one for one in rows if all(one[name] == row[name] for name in row if name in one)]
        assert len(found) == 1, row
    # Every number is there: only places of documents and instants by another name are not.
    left = {name for row in expected for name in row} - {name for row in rows for name in row}
    places = {"offset", "length", "sha256", "usage_offset", "usage_length", "usage_sha256"}
    assert left - places <= {"from_ms", "until_ms", "event_time_us", "currency"}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_the_hour_as_a_timestamp_and_money_as_exact_decimals(
    home: Home, asked: Asked, view: str
) -> None:
    columns = {row["column_name"]: row["column_type"] for row in asked(home, f"DESCRIBE {view}")}
    assert columns["hour"] == "TIMESTAMP"
    money = {name: of for name, of in columns.items() if name.endswith(("_cents", "_hours"))}
    assert set(money.values()) <= {"DECIMAL(38,9)"}
    assert bool([name for name in money if name.endswith("_cents")]) == (
        view not in {"held", "conflicts", "batches", "quarantined"}
    )


def test_both_ways_have_the_same_columns(home: Home) -> None:
    for view in VIEWS:
        assert in_session(home, f"DESCRIBE {view}") == in_database(home, f"DESCRIBE {view}")


def test_an_hour_says_what_its_manifest_says(home: Home, asked: Asked) -> None:
    rows = asked(home, "FROM hours ORDER BY hour")
    assert [row["hour"] for row in rows] == [ONE_PM, ONE_PM + dt.timedelta(hours=1)]
    for row, manifest in zip(rows, current_manifests(home.root), strict=True):
        assert row["total_cents"] == Decimal(manifest["totals"]["total"]).scaleb(-9)
        assert row["paas_total_cents"] + row["byoc_total_cents"] == row["total_cents"]
        assert row["revision"] == manifest["revision"]
        assert row["customers"] == manifest["rows"]["customers"]
        assert row["held_customers"] == manifest["held"]["customers"]
    assert (rows[0]["conflicts"], rows[0]["voids"], rows[0]["slices_voided"]) == (1, 1, 1)
    # acme: 1 vCPU and 2 + 1 GiB; globex: a cluster; initech is held. 5/3 + 3/2 + 10.
    assert rows[0]["total_cents"] == Decimal("13.166666667")
    assert rows[0]["published_at"] == dt.datetime(2026, 11, 22, 20, 30)  # noqa: DTZ001


def test_a_batch_is_its_last_record(home: Home, asked: Asked) -> None:
    rows = {Path(row["file"]).name: row for row in asked(home, "FROM batches")}
    assert set(rows) == {"first.ndjson", "second.ndjson", "third.ndjson"}
    first, third = rows["first.ndjson"], rows["third.ndjson"]
    assert (first["number"], first["status"], first["quarantined"]) == (1, "ingested", 1)
    assert (third["number"], third["status"], third["reason"]) == (2, "withdrawn", "wrong cluster")
    assert (first["lines"], first["hours"], first["first_hour"]) == (5, 2, ONE_PM)
    assert first["hour"] == dt.datetime(2026, 11, 22, 20)  # noqa: DTZ001


def test_quarantined_lines_are_those_of_ingested_batches(home: Home, asked: Asked) -> None:
    bad = home.root / "bad.ndjson"
    bad.write_text("[]\n")
    ingest_paths(home, [bad], NOW_MS, Settings(threads=1))
    assert len(asked(home, "FROM quarantined")) == 2
    from hourtally.ingest.withdrawal import withdraw

    withdraw(home, str(bad), "wrong", NOW_MS)
    [row] = asked(home, "FROM quarantined")
    assert (Path(row["file"]).name, row["line"], row["rule"], row["raw"]) == (
        *("first.ndjson", 5, "not_json"),
        "not json",
    )


def test_a_restatement_is_followed(home: Home) -> None:
    query = (
        "SELECT total_cents FROM customers "
        "WHERE customer_id = 'acme' AND hour = '2026-11-22 14:00:00'"
    )
    before = in_database(home, query)
    late = home.root / "late.ndjson"
    late.write_text(resource("l1", "14:00:00", "15:00:00", "acme", "late", cpuMillicores=3000))
    ingest_paths(home, [late], NOW_MS, Settings(threads=1))
    build(home)

    # 3 vCPU more: 5 cents.
    assert before == [{"total_cents": Decimal("2.666666667")}]
    assert in_database(home, query) == [{"total_cents": Decimal("7.666666667")}]
    assert in_session(home, query) == [{"total_cents": Decimal("7.666666667")}]


def test_a_hold_that_ends_is_followed(home: Home) -> None:
    assert len(in_database(home, "FROM held")) == 1
    home.rates.write_text(home.rates.read_text().replace("a100", "h100"))
    build(home)

    assert in_database(home, "FROM held") == []
    assert in_session(home, "FROM held") == []


def test_a_home_in_a_folder_of_any_name_is_read(tmp_path: Path, asked: Asked) -> None:
    (tmp_path / "a*b?[c]'d é").mkdir()
    home = eventful_home(tmp_path / "a*b?[c]'d é")

    assert len(asked(home, "FROM charges")) == 4
    assert len(asked(home, "FROM batches")) == 3


def test_hours_of_an_older_build_lack_what_it_did_not_know(tmp_path: Path, asked: Asked) -> None:
    home = eventful_home(tmp_path)
    publish(home, Hour(SECOND_HOUR.timestamp + 3600), {"acme": document(0, cpu="1")})
    rows = asked(
        home, "SELECT hour, total_cents FROM customers WHERE customer_id = 'acme' ORDER BY 1"
    )

    assert [row["total_cents"] for row in rows] == [
        *(Decimal("3.166666667"), Decimal("2.666666667")),
        Decimal(1),
    ]


def test_an_empty_home_has_every_view_without_rows(tmp_path: Path, asked: Asked) -> None:
    (tmp_path / "home").mkdir()
    for view in VIEWS:
        assert asked(Home(tmp_path / "home"), f"FROM {view}") == []


@pytest.mark.parametrize("query", ["FROM nothing", "SELEC", "SELECT nix FROM charges"])
def test_a_query_that_duckdb_does_not_take_is_wrong_use(home: Home, query: str) -> None:
    with pytest.raises(InvalidArgument, match="Views: charges, clusters"):
        run_query(home, query, 1)


def test_a_query_that_fails_says_so(home: Home) -> None:
    with pytest.raises(StorageFault, match=r"^the query failed: "):
        run_query(home, "SELECT CAST(customer_id AS INT) FROM customers", 1)


def test_another_file_is_not_replaced(home: Home, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")

    with pytest.raises(InvalidArgument, match="not a DuckDB database"):
        write_database(home, notes)
    assert notes.read_text() == "mine"


def test_a_database_is_replaced(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "out.duckdb"
    write_database(home, path)
    write_database(home, path)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert len(connection.execute("FROM charges").fetchall()) == 4
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".out")] == []


def test_what_cannot_be_written_is_named(home: Home, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target: Any = tmp_path / "file" / "out.duckdb"
        (tmp_path / "file").write_text("")
    else:
        target = Path("/out.duckdb")
    with pytest.raises(StorageFault, match="writing failed"):
        write_database(home, target)
