"""`run --json` and `backfill --json`: one document with the same facts as the tables."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hourtally.cli.app import call
from hourtally.jobs.sample import write_sample
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import flip_byte

NOW = ("--now", "2026-11-02T12:15:00Z")
RANGE = ("--from", "2026-11-02T09", "--to", "2026-11-02T12")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    write_sample(tmp_path / "home")
    return Home(tmp_path / "home")


def document_of(
    capsys: pytest.CaptureFixture[str], home: Home, *arguments: str, status: int = 0
) -> dict[str, Any]:
    capsys.readouterr()
    assert call([*arguments, "--json", "--home", str(home.root), *NOW]) == status
    document: dict[str, Any] = json.loads(capsys.readouterr().out, parse_float=Decimal)
    return document


def test_run_prints_what_was_ingested_and_built(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    document = document_of(capsys, home, "run", status=3)
    assert document["exit_status"] == 3
    assert sum(file["lines"] for file in document["ingest"]["files"]) == 114
    assert [one["hour"] for one in document["hours"]] == [
        *("2026-11-02T09", "2026-11-02T10", "2026-11-02T11")
    ]
    first = document["hours"][0]
    assert (first["revision"], first["reasons"]) == (1, ["never built"])
    assert (first["total_cents"], first["delta_cents"]) == (Decimal("925.256365741"), None)
    assert (document["built"], document["restated"], document["changed"]) == (3, 0, 0)
    assert document["total_cents"] == Decimal("2867.599652778")
    assert document["empty_hours"] == {
        "count": 0,
        "hours": [],
        "last": None,
        "last_with_events": "2026-11-02T11",
        "since_last_with_events": 0,
    }
    assert (document["failed"], document["export"], document["interrupted"]) == ([], None, False)


def test_run_again_has_nothing_to_do_and_updates_the_export(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document_of(capsys, home, "run", status=3)
    document = document_of(capsys, home, "run", "--export", str(tmp_path / "out"))
    assert document["hours"] == []
    # Files that were written less than two seconds ago are read again.
    assert all(file["skipped"] for file in document["ingest"]["files"])
    assert (document["export"]["hours"], document["export"]["folder"]) == (
        3,
        str(tmp_path / "out"),
    )


def test_a_backfill_prints_its_plan_and_what_it_changed(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    document_of(capsys, home, "run", status=3)
    plan = document_of(capsys, home, "backfill", *RANGE, "--dry-run")
    assert plan["hours"] == []
    assert plan["idle_hours"] == {"current": 3, "without_events": 0}
    text = home.rates.read_text()
    home.rates.write_text(text.replace('price_cents = "660"', 'price_cents = "600"'))
    assert home.rates.read_text() != text
    plan = document_of(capsys, home, "backfill", *RANGE, "--dry-run")
    assert plan["hours"][0] == {"hour": "2026-11-02T10", "reasons": ["rates changed"]}
    assert plan["estimated_seconds"] > 0
    done = document_of(capsys, home, "backfill", *RANGE)
    assert (done["restated"], done["changed"]) == (len(plan["hours"]), len(plan["hours"]))
    assert done["delta_cents"] == sum(one["delta_cents"] for one in done["hours"]) < 0
    assert document_of(capsys, home, "backfill", *RANGE)["idle_hours"]["current"] == 3


def test_a_failed_hour_and_an_error_are_printed_with_exit_status_1(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    document_of(capsys, home, "run", status=3)
    flip_byte(home.hours / "2026-11-02T10" / "000001.json", 10)
    document = document_of(capsys, home, "backfill", *RANGE, status=1)
    assert [one["hour"] for one in document["failed"]] == ["2026-11-02T10"]
    assert "damaged" in document["failed"][0]["error"]
    assert document["exit_status"] == 1
    home.rates.write_text("currency = 5")
    document = document_of(capsys, home, "run", status=1)
    assert set(document) == {"error", "exit_status"}
    assert "rates.toml" in document["error"]


def test_an_export_that_failed_is_in_the_document(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    document = document_of(capsys, home, "run", "--export", str(tmp_path / "file"), status=1)
    assert document["built"] == 3
    assert str(tmp_path / "file") in document["export"]["error"]
    assert document["exit_status"] == 1
