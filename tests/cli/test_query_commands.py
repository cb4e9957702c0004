"""What list and sql print."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.model.hours import Hour
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, publish
from tests.support.homes.eventful_home import eventful_home

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return eventful_home(tmp_path)


@pytest.fixture
def run(home: Home, capfd: pytest.CaptureFixture[str]) -> Run:
    """Standard output and error of a command that succeeds."""

    def output(*arguments: str, status: int = 0) -> tuple[str, str]:
        capfd.readouterr()
        assert call([*arguments, "--home", str(home.root)]) == status
        captured = capfd.readouterr()
        return captured.out, captured.err

    return output


def test_all_customers_are_listed_by_total(run: Run) -> None:
    out, err = run("list")

    assert out.splitlines() == [
        "All customers by customer, published hours (UTC); cents, USD",
        "         hours         PaaS  BYOC         total  vCPU h  memory GiB h  cluster h",
        "globex       2  -              20  20                 -             -          2",
        "acme         2  5.833333334     -   5.833333334       2             5          -",
        "initech      1  3.333333333     -   3.333333333       2             -          -",
    ]
    assert err == (
        "hourtally: left out: 2026-11-22T13, where customer 'initech' is held: some of its usage "
        "has no rate. `hourtally run` prints the rates to add\n"
    )


def test_one_customer_is_listed_by_hour(run: Run, home: Home) -> None:
    publish(home, Hour.parse("2026-11-22T15"), {"other": document(0)}, currency="USD")
    out, err = run("list", "--customer", "acme", "--to", "2026-11-22T17")

    assert [line.split() for line in out.splitlines()[2:]] == [
        ["2026-11-22T15", "-", "-", "-", "no", "events", "-", "-"],
        ["2026-11-22T14", "2.666666667", "-", "2.666666667", "1", "2"],
        ["2026-11-22T13", "3.166666667", "-", "3.166666667", "1", "3"],
    ]
    assert "missing: 2026-11-22T16 is not published" in err
    assert "no quantities of 1 hour from 2026-11-22T15 on" in err


def test_names_stand_before_ids_and_units_may_be_of_the_currency(run: Run) -> None:
    out, _ = run("list", "--by", "team", "--units", "currency", "--granularity", "day")
    lines = out.splitlines()

    assert lines[0] == "All customers by team, published hours (UTC); USD"
    assert lines[2].split()[:6] == [
        "2026-11-22",
        "acme/Web",
        "(web)",
        "2",
        "0.05833333334",
        "0.03333333334",
    ]
    assert lines[-1] == "2026-11-22  BYOC clusters, which are in no line: 0.2 USD"


def test_csv_has_exact_numbers_with_their_units(run: Run) -> None:
    out, err = run("list", "--by", "resource", "--csv", "--type", "service")
    rows = list(csv.DictReader(io.StringIO(out)))

    assert [row["resource_id"] for row in rows] == ["api", "cpu"]
    assert rows[0]["total_cents"] == "5.333333334"
    assert rows[0]["paas_memory_hours"] == "4"
    assert "BYOC clusters, which are in no line: 20 cents, USD" in err


@pytest.mark.parametrize("columns", [60, 200])
def test_a_narrow_terminal_leaves_out_quantities_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    from hourtally.cli.output.queries import listing
    from hourtally.cli.output.text_table import Pipe

    pipe = Pipe()
    monkeypatch.setattr(Pipe, "width", columns)
    monkeypatch.setattr(listing, "console", lambda: pipe)
    out, _ = run("list")

    assert ("columns left out; --csv and --json have them." in out) == (columns == 60)
    assert max(map(len, out.splitlines()[1:])) <= columns


def test_nothing_to_list_is_said(run: Run) -> None:
    out, err = run("list", "--from", "2030-01-01", "--to", "2030-01-02")
    assert out == "No published hours in the range.\n"
    assert "missing: 24 hours, from 2030-01-01T00 to 2030-01-01T23, are not published" in err
    out, _ = run("list", "--customer", "acme", "--team", "nothing", "--by", "team")
    assert out == "No usage in the range matches. Ids must match the events exactly.\n"


def test_json_and_csv_together_are_wrong_use(run: Run) -> None:
    for command in (["list"], ["sql", "FROM hours"]):
        _, err = run(*command, "--json", "--csv", status=2)
        assert err == "hourtally: give --json or --csv, not both\n"


QUERY = "SELECT hour, customer_id, total_cents FROM customers WHERE held IS NOT NULL ORDER BY 1, 2"


def test_sql_prints_a_table(run: Run) -> None:
    assert run("sql", QUERY)[0].splitlines() == [
        "hour                 customer_id   total_cents",
        "2026-11-22T13:00:00  acme          3.166666667",
        "2026-11-22T13:00:00  globex       10.000000000",
        "2026-11-22T13:00:00  initech              null",
        "2026-11-22T14:00:00  acme          2.666666667",
        "2026-11-22T14:00:00  globex       10.000000000",
        "2026-11-22T14:00:00  initech       3.333333333",
    ]


def test_sql_prints_json_and_csv(run: Run) -> None:
    printed = json.loads(run("sql", QUERY, "--json")[0], parse_float=Decimal)
    assert printed["columns"][2] == {"name": "total_cents", "type": "DECIMAL(38,9)"}
    assert printed["rows"][2] == {
        "hour": "2026-11-22T13:00:00",
        "customer_id": "initech",
        "total_cents": None,
    }
    lines = run("sql", QUERY, "--csv")[0].splitlines()
    assert lines[:4] == [
        "hour,customer_id,total_cents",
        "2026-11-22T13:00:00,acme,3.166666667",
        "2026-11-22T13:00:00,globex,10.000000000",
        "2026-11-22T13:00:00,initech,",
    ]


def test_sql_prints_values_of_every_kind(run: Run) -> None:
    query = (
        "SELECT 'nan'::DOUBLE AS a, [1, NULL] AS b, {'x': 1.5} AS c, '\\xAA'::BLOB AS d, "
        "DATE '2026-01-01' AS e, true AS f, 170141183460469231731687303715884105727 AS g, "
        "INTERVAL 1 HOUR AS h"
    )
    [row] = json.loads(run("sql", query, "--json")[0])["rows"]
    assert row == {
        "a": "nan",
        "b": [1, None],
        "c": {"x": 1.5},
        "d": "aa",
        "e": "2026-01-01",
        "f": True,
        "g": 170141183460469231731687303715884105727,
        "h": "1:00:00",
    }
    assert "[ 1, null ]" in run("sql", query)[0]


def test_sql_refuses_two_columns_of_one_name_as_json(run: Run) -> None:
    _, err = run("sql", "SELECT 1 AS a, 2 AS a", "--json", status=2)
    assert "several columns are named 'a'" in err


@pytest.mark.parametrize(
    ("query", "printed"),
    [("FROM held WHERE false", "No rows. Columns: hour,"), ("CREATE TABLE t(a INT)", "")],
)
def test_a_query_without_rows_says_so(run: Run, query: str, printed: str) -> None:
    assert run("sql", query)[0].startswith(printed)


@pytest.mark.parametrize("arguments", [[], ["FROM hours", "--out", "x.duckdb"]])
def test_sql_needs_a_query_or_a_database(run: Run, arguments: list[str]) -> None:
    assert run("sql", *arguments, status=2)[1] == (
        "hourtally: give either a query, or --out to write a database\n"
    )
