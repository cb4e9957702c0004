"""The state of each hour, and what was set aside."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.build import status_report as report_module
from hourtally.build.status import (
    CURRENT,
    EMPTY,
    HELD,
    OPEN,
    STALE,
    STATES,
    HourStatus,
    Span,
    day_statuses,
    hour_spans,
)
from hourtally.cli.app import call
from hourtally.model.hours import Hour, HourRange, parse_instant_ms
from hourtally.ratecard import load_rate_card
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import GOLDEN, golden_home
from tests.support.homes.golden_hour import RATES
from tests.torture.hostile.measured_command import measured, needs_proc

FIRST = Hour.parse("2026-11-20T20")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def status(capsys: pytest.CaptureFixture[str], home: Home, now: str, *arguments: str) -> list[str]:
    capsys.readouterr()
    assert call(["status", "--home", str(home.root), "--now", now, *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def ingest_event(home: Home, start: str, end: str) -> Path:
    file = home.root / f"{start[:13]}.ndjson"
    file.write_text(
        f'{{"specversion":"1.0","id":"{start}","source":"s","type":"metering.cluster.v1","data":'
        f'{{"customerId":"c","clusterId":"k","start":"{start}","end":"{end}"}}}}\n'
    )
    now = ("--now", "9999-12-31T23:59:59Z")
    assert call(["ingest", str(file), "--home", str(home.root), *now]) == 0
    return file


def test_hours_are_open_missing_empty_or_current(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # The hour is published, a4 reaches into the next one and a1 begins in the one before.
    within = ("--from", "2026-11-22T11", "--to", "2026-11-22T16")
    lines = status(capsys, home, "2026-11-22T15:09:59Z", "--hours", *within)
    assert lines[:7] == [
        "hour (UTC)     state    revision  customers    cents, USD  why",
        "2026-11-22T11  empty           -          -    -",
        "2026-11-22T12  missing         -          -    -           never built",
        "2026-11-22T13  current         1          2  232.33889167",
        "2026-11-22T14  open            -          -    -",
        "2026-11-22T15  open            -          -    -",
        "5 hours: 2 open, 1 missing, 1 empty, 0 stale, 0 held, 1 current.",
    ]
    assert lines[7].startswith("Last published: hour 2026-11-22T13, revision 1, at ")
    assert lines[8].startswith("Last ingested: ")
    assert lines[9:] == [
        "Batches: 2; quarantined lines: 0; conflicting events in these hours: 1.",
        "  hours/2026-11-22T13/000001.json: 1 conflicting events",
    ]


def test_a_line_is_a_day_and_equal_days_in_a_row_are_one_line(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    within = ("--from", "2026-11-20", "--to", "2026-11-24")
    lines = status(capsys, home, "2026-11-22T15:10:00Z", *within)
    assert [" ".join(line.split()) for line in lines[:5]] == [
        "day (UTC) hours state cents, USD why",
        "2026-11-20 to 2026-11-21 48 empty -",
        "2026-11-22 24 9 open, 2 missing, 12 empty, 1 current 232.33889167 never built",
        "2026-11-23 24 open -",
        "96 hours: 33 open, 2 missing, 60 empty, 0 stale, 0 held, 1 current.",
    ]


def test_an_hour_that_is_not_closed_is_open_whatever_was_built(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its manifest is not even read.
    flip_byte(home.manifest(GOLDEN, 1), 10)
    hour = ("--from", "2026-11-22T13", "--to", "2026-11-22T14", "--hours")
    assert status(capsys, home, "2026-11-22T14:09:59Z", *hour)[1].split()[1] == "open"
    assert status(capsys, home, "2026-11-22T14:10:00Z", *hour)[1].split()[1] == "stale"


def test_an_hour_closes_with_its_settle_time(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = ("--from", "2026-11-22T14", "--to", "2026-11-22T15", "--hours")
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
    lines = status(capsys, home, "2026-11-22T18:00:00Z", "--from", "2026-11-22T13", "--hours")
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
    lines = status(capsys, home, "2026-11-22T18:00:00Z", "--hours")
    assert [line.split() for line in lines[1:4]] == [
        ["2026-11-22T12", "missing", "-", "-", "-", "never", "built"],
        ["2026-11-22T13", "stale", "-", "-", "-", "damaged", "manifest"],
        ["2026-11-22T14", "missing", "-", "-", "-", "never", "built"],
    ]
    assert lines[-1] == "Damaged batch records: 1; `hourtally verify` lists them."


def test_closed_hours_after_the_last_events_are_empty(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # 15:00 to 18:00 is closed at 18:10, and the hour of 18:00 is open and not listed.
    lines = status(capsys, home, "2026-11-22T18:10:00Z", "--hours")
    assert [line.split()[:2] for line in lines[4:7]] == [
        ["2026-11-22T15", "empty"],
        ["2026-11-22T16", "empty"],
        ["2026-11-22T17", "empty"],
    ]
    assert lines[7] == "6 hours: 0 open, 2 missing, 3 empty, 0 stale, 0 held, 1 current."


def test_a_new_home_says_that_it_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rates.toml").write_text(RATES)
    assert status(capsys, Home(tmp_path), "2026-11-22T18:00:00Z") == [
        "No events and no published hours yet.",
        "Batches: 0; quarantined lines: 0; conflicting events in these hours: 0.",
    ]


def test_states_filter_the_lines_and_the_sums_stay(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = status(capsys, home, "2026-11-22T18:10:00Z", "--hours", "--state", "missing,current")
    assert [line.split()[0] for line in lines[1:4]] == [
        "2026-11-22T12",
        "2026-11-22T13",
        "2026-11-22T14",
    ]
    assert lines[4].startswith("6 hours: ")
    none = status(capsys, home, "2026-11-22T18:10:00Z", "--state", "stale,held")
    assert none[0] == "No hour of the range is stale or held."


@pytest.mark.parametrize("state", ["late", "", "stale,,late", ","])
def test_an_unknown_state_is_wrong_use(
    home: Home, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["status", "--home", str(home.root), "--state", state]) == 2
    assert "open, missing, empty, stale, held, current" in capsys.readouterr().err


def test_json_has_the_same_facts_with_exact_cents(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    now = "2026-11-22T15:10:00Z"
    text = "\n".join(status(capsys, home, now, "--json", "--hours"))
    document = json.loads(text, parse_float=Decimal)
    assert (document["from"], document["to"]) == ("2026-11-22T12", "2026-11-22T15")
    assert document["states"] == {
        "open": 0,
        "missing": 2,
        "empty": 0,
        "stale": 0,
        "held": 0,
        "current": 1,
    }
    assert document["hours"][1] | {"published_at": ""} == {
        "hour": "2026-11-22T13",
        "hours": 1,
        "state": "current",
        "why": [],
        "held": 0,
        "revision": 1,
        "customers": 2,
        "cents": Decimal("232.33889167"),
        "currency": "USD",
        "conflicts": 1,
        "published_at": "",
    }
    by_day = json.loads("\n".join(status(capsys, home, now, "--json")), parse_float=Decimal)
    assert by_day["days"] == [
        {
            "first": "2026-11-22",
            "last": "2026-11-22",
            "hours": 3,
            "held_hours": 0,
            "states": document["states"],
            "why": {"never built": 2},
            "conflicts": 1,
            "cents": {"USD": Decimal("232.33889167")},
        }
    ]
    assert by_day["batches"]["count"] == 2


def test_csv_has_a_row_a_line(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    now = "2026-11-22T15:10:00Z"
    hours = list(
        csv.DictReader(io.StringIO("\n".join(status(capsys, home, now, "--csv", "--hours"))))
    )
    assert [row["state"] for row in hours] == ["missing", "current", "missing"]
    assert (hours[1]["cents"], hours[1]["currency"]) == ("232.33889167", "USD")
    [day] = csv.DictReader(io.StringIO("\n".join(status(capsys, home, now, "--csv"))))
    assert (day["first"], day["missing"], day["current"]) == ("2026-11-22", "2", "1")


def test_json_and_csv_together_are_wrong_use(home: Home) -> None:
    assert call(["status", "--home", str(home.root), "--json", "--csv"]) == 2


def test_one_event_of_1970_beside_those_of_today_costs_nothing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest_event(home, "1970-01-01T00:00:00Z", "1970-01-01T00:30:00Z")
    started = time.monotonic()
    lines = status(capsys, home, "2026-11-22T18:10:00Z")
    hours = status(capsys, home, "2026-11-22T18:10:00Z", "--hours")
    assert time.monotonic() - started < 1
    assert len(lines) < 12
    assert lines[2].split()[:4] == ["1970-01-02", "to", "2026-11-21", str(24 * 20_778)]
    assert len(hours) < 20


def test_the_whole_command_is_quick_and_stays_below_200_mb(home: Home) -> None:
    ingest_event(home, "1970-01-01T00:00:00Z", "1970-01-01T00:30:00Z")
    ingest_event(home, "9999-12-31T23:00:00Z", "9999-12-31T23:59:59Z")
    needs_proc()
    done = measured("status", "--home", home.root, "--now", "2026-11-22T18:10:00Z", "--hours")
    assert (done.status, len(done.out.splitlines()) < 30) == (0, True)
    # Beside other work on two cores it takes three times as long as alone.
    assert done.seconds < 3
    assert done.peak_mib < 200


def test_a_range_of_all_years_is_bounded(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    within = ("--from", "0001-01-01", "--to", "9999-12-31")
    lines = status(capsys, home, "2026-11-22T18:10:00Z", "--hours", *within)
    assert len(lines) < 20
    assert lines[1].startswith("0001-01-01T00 to 2026-11-22T11 (")


def test_older_lines_are_left_out_and_counted(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "MOST_ROWS", 2)
    lines = status(capsys, home, "2026-11-22T18:10:00Z", "--hours")
    assert lines[0] == "4 older lines left out; --from and --to choose a range."
    assert [line.split()[0] for line in lines[2:4]] == ["2026-11-22T16", "2026-11-22T17"]
    assert lines[4].startswith("6 hours: ")


STATUSES = st.sampled_from(
    [
        *((state, (), 0) for state in (EMPTY, CURRENT)),
        *((STALE, ("new batch",), held) for held in (0, 2)),
        *((STALE, ("rates changed",), 0), (HELD, (), 1)),
    ]
)


def kind_of_day(ones: list[HourStatus]) -> object:
    """What two days have in common that are one line; the number of hours only if they differ."""
    hours = Counter((one.state, one.why, one.held > 0) for one in ones)
    if len(hours) == 1:
        return list(hours)
    return (
        Counter(one.state for one in ones),
        Counter(reason for one in ones for reason in one.why),
        sum(one.held > 0 for one in ones),
    )


@given(
    st.lists(st.tuples(STATUSES, st.sampled_from([1, 1, 1, 3, 24, 30, 50])), max_size=80),
    st.sets(st.sampled_from(STATES)),
)
def test_days_are_the_sums_of_their_hours_and_equal_ones_are_joined(
    drawn: list[tuple[tuple[str, tuple[str, ...], int], int]], states: set[str]
) -> None:
    spans, position = [], FIRST.timestamp
    for (state, why, held), hours in drawn:
        number = hours if state == EMPTY else 1
        money = 0 if state == EMPTY else 5
        one = HourStatus(
            Hour(position), state, why, held, total_nanocents=money, currency="USD" * (money > 0)
        )
        spans.append(Span(one, number))
        position += number * 3_600
    wanted = [span for span in spans if span.is_in(states)]
    rows = list(day_statuses(wanted))

    expected: dict[str, list[HourStatus]] = {}
    for span in wanted:
        for number in range(span.hours):
            one = span.part(number, 1).status
            expected.setdefault(one.hour.name[:10], []).append(one)
    of_day = {day: kind_of_day(ones) for day, ones in expected.items()}
    days = list(of_day)
    position = 0
    for row in rows:
        covered = days[position : days.index(row.last) + 1]
        position += len(covered)
        assert covered[0] == row.first
        span_days = (Hour.parse(row.last).timestamp - Hour.parse(row.first).timestamp) // 86_400
        assert span_days == len(covered) - 1
        assert all(of_day[day] == of_day[row.first] for day in covered)
        assert row.hours == sum(len(expected[day]) for day in covered)
        assert row.nanocents["USD"] == sum(
            one.total_nanocents for day in covered for one in expected[day]
        )
        if position < len(days) and span_days >= 0:
            follows = (
                Hour.parse(days[position]).timestamp == Hour.parse(row.last).timestamp + 86_400
            )
            assert not follows or of_day[days[position]] != of_day[row.last]
    assert position == len(days)


@given(st.integers(-30, 30), st.integers(1, 60), st.integers(-30, 60))
def test_the_spans_of_a_range_have_each_of_its_hours_once(
    start: int, length: int, now: int
) -> None:
    home = Home(Path("/nonexistent"))
    first = Hour(FIRST.timestamp + start * 3_600)
    end = Hour(first.timestamp + length * 3_600)
    card = load_rate_card(Path(__file__).parents[2] / "data" / "rates.toml")
    now_ms = parse_instant_ms("2026-11-20T20:10:00Z") + now * 3_600_000
    spans = list(hour_spans(home, card, now_ms, 600_000, HourRange(first, end)))
    position = first
    for span in spans:
        assert span.first == position
        for number in range(span.hours):
            hour = span.part(number, 1).first
            assert (span.status.state == OPEN) == (not hour.is_closed(now_ms, 600_000))
        position = span.end
    assert position == end
