"""The state of each hour, and what was set aside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import GOLDEN, golden_home
from tests.support.homes.golden_hour import RATES


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def status(capsys: pytest.CaptureFixture[str], home: Home, now: str, *arguments: str) -> list[str]:
    capsys.readouterr()
    assert call(["status", "--home", str(home.root), "--now", now, *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_hours_are_open_missing_current_or_stale(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # The hour is published, a4 reaches into the next one and a1 begins in the one before.
    lines = status(
        capsys, home, "2026-11-22T15:09:59Z", "--from", "2026-11-22T11", "--to", "2026-11-22T16"
    )
    assert lines[:7] == [
        "hour (UTC)     state    revision  customers    cents, USD  why",
        "2026-11-22T11  missing         -          -    -           no events",
        "2026-11-22T12  missing         -          -    -           never built",
        "2026-11-22T13  current         1          2  232.33889167",
        "2026-11-22T14  open            -          -    -",
        "2026-11-22T15  open            -          -    -",
        "5 hours: 2 open, 2 missing, 1 current, 0 stale.",
    ]
    assert lines[7].startswith("Last published: hour 2026-11-22T13, revision 1, at ")
    assert lines[8].startswith("Last ingested: ")
    assert lines[9:] == [
        "Batches: 2; quarantined lines: 0; conflicting events in these hours: 1.",
        "  hours/2026-11-22T13/000001.json: 1 conflicting events",
    ]


def test_an_hour_closes_with_its_settle_time(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = ("--from", "2026-11-22T14", "--to", "2026-11-22T15")
    assert "open" in status(capsys, home, "2026-11-22T15:09:59Z", *hour)[1]
    assert "missing" in status(capsys, home, "2026-11-22T15:10:00Z", *hour)[1]
    assert "missing" in status(capsys, home, "2026-11-22T15:00:00Z", *hour, "--settle", "0")[1]


def test_a_stale_hour_says_why(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.rates.write_text(RATES.replace('"0.5"', '"0.6"'))
    late = home.root / "late.ndjson"
    late.write_text(
        '{"specversion":"1.0","id":"1","source":"s","type":"metering.cluster.v1","data":'
        '{"customerId":"c","clusterId":"k","start":"2026-11-22T13:00:00Z",'
        '"end":"2026-11-22T13:01:00Z"}}\nno event\n'
    )
    assert call(["ingest", str(late), "--home", str(home.root)]) == 3
    batch = hashlib.sha256(late.read_bytes()).hexdigest()[:16]
    lines = status(capsys, home, "2026-11-22T18:00:00Z", "--from", "2026-11-22T13")
    assert lines[1] == (
        "2026-11-22T13  stale           1          2  232.33889167  new batch, rates changed"
    )
    assert lines[-3:-1] == [
        "Batches: 3; quarantined lines: 1; conflicting events in these hours: 1.",
        f"  quarantine/{batch}.ndjson: 1 not_json, from {late}",
    ]


def test_a_damaged_manifest_is_a_reason_and_the_other_hours_are_shown(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    flip_byte(home.manifest(GOLDEN, 1), 10)
    flip_byte(home.batch_record("c53dc50c608315e6"), 10)
    lines = status(capsys, home, "2026-11-22T18:00:00Z")
    assert [line.split() for line in lines[1:4]] == [
        ["2026-11-22T12", "missing", "-", "-", "-", "never", "built"],
        ["2026-11-22T13", "stale", "-", "-", "-", "damaged", "manifest"],
        ["2026-11-22T14", "missing", "-", "-", "-", "never", "built"],
    ]
    assert lines[-1] == "Damaged batch records: 1; `hourtally verify` lists them."


def test_hours_after_the_last_events_are_counted_where_no_end_is_asked_for(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # 15:00 to 18:00 is closed at 18:10, and the hour of 18:00 is open.
    lines = status(capsys, home, "2026-11-22T18:10:00Z")
    assert lines[4:6] == [
        "3 hours: 0 open, 2 missing, 1 current, 0 stale.",
        "No events since 2026-11-22T15: 3 closed hours not listed.",
    ]


def test_a_new_home_says_that_it_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rates.toml").write_text(RATES)
    assert status(capsys, Home(tmp_path), "2026-11-22T18:00:00Z") == [
        "No events and no published hours yet.",
        "Batches: 0; quarantined lines: 0; conflicting events in these hours: 0.",
    ]
