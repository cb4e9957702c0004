"""Closed hours without events are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build.empty_hours import EmptyHours, find_empty_hours
from hourtally.cli.app import call
from hourtally.jobs.sentences import empty_sentence
from hourtally.model.hours import Hour, hours_between, parse_instant_ms
from hourtally.store.layout import Home
from tests.support.homes.golden_hour import RATES

SETTLE_MS = 600_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "rates.toml").write_text(RATES)
    return Home(tmp_path)


def ingest(home: Home, *hours: str) -> Path:
    """One event in each of the hours, in one file."""
    file = home.root / f"{hours[0]}.ndjson"
    file.write_text(
        "".join(
            f'{{"specversion":"1.0","id":"{hour}","source":"s","type":"metering.cluster.v1",'
            f'"data":{{"customerId":"c","clusterId":"k","start":"{hour}:00:00Z",'
            f'"end":"{hour}:30:00Z"}}}}\n'
            for hour in hours
        )
    )
    assert call(["ingest", str(file), "--home", str(home.root)]) == 0
    return file


def empty_at(home: Home, now: str) -> EmptyHours:
    return find_empty_hours(home, parse_instant_ms(now), SETTLE_MS)


def test_gaps_and_the_hours_since_the_last_event_are_empty(home: Home) -> None:
    ingest(home, "2026-11-08T01", "2026-11-08T04")
    # 05:00 to 06:00 closes at 06:10.
    found = empty_at(home, "2026-11-08T06:09:59Z")
    assert found == EmptyHours(("2026-11-08T02", "2026-11-08T03"), "2026-11-08T04", 0)
    assert not found.newest_is_empty
    assert empty_sentence(found) == "2 closed hours have no events, the last 2026-11-08T03."
    found = empty_at(home, "2026-11-08T06:10:00Z")
    assert found.hours[-1] == "2026-11-08T05"
    assert found.newest_is_empty
    assert empty_sentence(found) == (
        "3 closed hours have no events, the last 2026-11-08T05; 1 closed hour since the last one "
        "with events, 2026-11-08T04."
    )


def test_only_31_days_are_looked_at_and_the_hours_since_the_last_are_all_counted(
    home: Home,
) -> None:
    ingest(home, "2026-09-01T00")
    found = empty_at(home, "2026-11-08T06:10:00Z")
    assert (len(found.hours), found.hours[0]) == (31 * 24, "2026-10-08T06")
    assert (found.last_with_events, found.since_last) == ("2026-09-01T00", 68 * 24 + 5)


def test_hours_before_the_first_event_are_not_missed(home: Home) -> None:
    ingest(home, "2026-11-08T04", "2026-11-08T05")
    assert empty_at(home, "2026-11-08T06:10:00Z") == EmptyHours((), "2026-11-08T05", 0)


def test_a_home_without_events_says_so(home: Home) -> None:
    found = empty_at(home, "2026-11-08T06:10:00Z")
    assert found.newest_is_empty
    assert empty_sentence(found) == "No events yet."


def test_an_hour_of_an_uncommitted_batch_is_empty_and_a_published_one_is_not(home: Home) -> None:
    ingest(home, "2026-11-08T01", "2026-11-08T05")
    ingest(home, "2026-11-08T03")
    [record] = [path for path in home.batches.iterdir() if "2026-11-08T03" in path.read_text()]
    record.unlink()
    assert empty_at(home, "2026-11-08T06:10:00Z").hours == tuple(
        hour.name
        for hour in hours_between(Hour.parse("2026-11-08T02"), Hour.parse("2026-11-08T05"))
    )
    force = ("backfill", "--from", "2026-11-08T02", "--to", "2026-11-08T04", "--force")
    assert call([*force, "--home", str(home.root), "--now", "2026-11-08T06:10:00Z"]) == 0
    assert empty_at(home, "2026-11-08T06:10:00Z").hours == ("2026-11-08T04",)


def test_run_says_it_and_never_that_every_closed_hour_is_current(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("run", "--home", str(home.root), "--now")
    assert call([*run, "2026-11-08T06:10:00Z"]) == 0
    assert capsys.readouterr().out == "No hour is stale: nothing to do.\nNo events yet.\n"
    ingest(home, "2026-11-08T01", "2026-11-08T05")
    assert call([*run, "2026-11-08T06:10:00Z"]) == 0
    assert capsys.readouterr().out.endswith(
        "\n3 closed hours have no events, the last 2026-11-08T04.\n"
    )
    assert call([*run, "2026-11-08T06:20:00Z"]) == 0
    assert capsys.readouterr().out == (
        "No hour is stale: nothing to do.\n3 closed hours have no events, the last 2026-11-08T04.\n"
    )


def test_an_hour_that_has_nothing_but_voids_is_empty(home: Home) -> None:
    ingest(home, "2026-11-08T01", "2026-11-08T03")
    void = home.root / "void.ndjson"
    void.write_text(
        '{"specversion":"1.0","id":"v","source":"s","type":"metering.void.v1","data":'
        '{"voidedSource":"s","voidedId":"x","start":"2026-11-08T02:00:00Z",'
        '"end":"2026-11-08T02:30:00Z"}}\n'
    )
    assert call(["ingest", str(void), "--home", str(home.root)]) == 0
    assert empty_at(home, "2026-11-08T04:10:00Z").hours == ("2026-11-08T02",)
