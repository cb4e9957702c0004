"""Voids from the event file to the published hour, and what every report says of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.build.status import EMPTY, hour_spans
from hourtally.cli.app import call
from hourtally.errors import Damaged
from hourtally.events.event_types import Void
from hourtally.events.ready_void import ready_void
from hourtally.events.validation import check_line
from hourtally.jobs.left_out import left_out, void_sentences
from hourtally.model.hours import Hour, HourRange
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.durable import describe_file, read_sealed_json, to_sealed_json
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest
from hourtally.verify import Findings, findings, verify_hours
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import NOW_MS, Json
from tests.support.homes.damaged_home import flip_middle
from tests.support.homes.small_home import MIDDLE, NEXT
from tests.support.homes.voided_home import (
    CARD,
    CUSTOMER,
    GONE,
    RIGHT,
    SETTINGS,
    WRONG,
    build_stale,
    make_void,
    try_build,
    voided_home,
    write_and_ingest,
)

EARLIER = Hour(MIDDLE.timestamp - 3_600)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return voided_home(tmp_path)


def manifest_of(home: Home, hour: Hour = MIDDLE) -> Manifest:
    manifest = current_manifest(home, hour)
    assert manifest is not None
    return manifest


def verify(home: Home) -> Findings:
    return verify_hours(home, [MIDDLE, NEXT], SETTINGS)


def voids_file(home: Home, hour: Hour = MIDDLE) -> tuple[Path, Path]:
    """The hour's only voids file and its ingest record."""
    [path] = (home.events / f"hour={hour.name}").glob("*.voids.parquet")
    return path, home.batch_record(path.name.removesuffix(".voids.parquet"))


def run_command(
    home: Home, capsys: pytest.CaptureFixture[str], *words: str, status: int = 0
) -> list[str]:
    assert call([*words, "--home", str(home.root), "--now", "2026-11-24T00:00:00Z"]) == status
    return capsys.readouterr().out.splitlines()


def test_a_voided_event_counts_in_none_of_its_hours(home: Home) -> None:
    for hour in (MIDDLE, NEXT):
        rows = pl.read_parquet(manifest_of(home, hour).folder / "charges.parquet")
        assert rows.select("resource_id", "memory_mib_ms").rows() == [
            # 1,024 MiB for half an hour, then for a whole one.
            ("api", 1_024 * (1_800_000 if hour == MIDDLE else 3_600_000))
        ]
    assert manifest_of(home).record["voids"]["slices_voided"] == 2
    assert manifest_of(home, NEXT).record["voids"]["slices_voided"] == 1
    assert verify(home).listed == []


def test_a_voided_identity_is_no_conflict_and_has_no_duplicates(tmp_path: Path) -> None:
    home = Home(tmp_path)
    other = {**WRONG, "data": WRONG["data"] | {"memoryMiB": 1}}
    write_and_ingest(home, "first.ndjson", WRONG, other)
    write_and_ingest(home, "second.ndjson", WRONG, make_void(WRONG))
    build_stale(home)
    record = manifest_of(home).record
    assert (record["duplicates"], record["conflicts"]["count"]) == (0, 0)
    assert record["conflicts"]["slices_not_counted"] == 0
    assert (record["voids"]["slices_voided"], record["rows"]["slices"]) == (3, 0)
    assert verify(home).listed == []


def test_files_in_any_order_give_the_same_documents_and_counts(tmp_path: Path) -> None:
    files = ([WRONG, GONE], [RIGHT], [make_void(WRONG), make_void(GONE, "void-2")])
    published = set()
    for number, order in enumerate(itertools.permutations(range(len(files)))):
        home = Home(tmp_path / str(number))
        for member in order:
            write_and_ingest(home, f"{member}.ndjson", *files[member])
            build_stale(home)
        record = manifest_of(home).record
        documents = (manifest_of(home).folder / "documents.ndjson").read_bytes()
        published.add((documents, json.dumps(record["voids"]), record["totals"]["total"]))
        assert verify(home).listed == []
    assert len(published) == 1


def test_an_hour_with_nothing_but_voids_is_empty_until_it_was_built(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_and_ingest(home, "void.ndjson", make_void(WRONG))
    within = HourRange(MIDDLE, NEXT)
    assert stale_hours(home, CARD, NOW_MS, DEFAULT_SETTLE_MS) == []
    [span] = hour_spans(home, CARD, NOW_MS, DEFAULT_SETTLE_MS, within)
    assert span.status.state == EMPTY
    write_and_ingest(home, "event.ndjson", RIGHT)
    assert [receipt.hour for receipt in build_stale(home).built] == [MIDDLE.name, NEXT.name]
    # Built, an hour is stale by another void.
    write_and_ingest(home, "another.ndjson", make_void(GONE, "void-2"))
    [stale] = stale_hours(home, CARD, NOW_MS, DEFAULT_SETTLE_MS)
    assert stale.hour == MIDDLE


def test_a_void_that_matches_nothing_yet_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_and_ingest(home, "void.ndjson", make_void(GONE), RIGHT)
    report = build_stale(home)
    assert list(void_sentences(report.built)) == [
        "0 slices are voided.",
        "Voids that match no event (yet): 1, for example in 2026-11-22T13 meter void-1 of meter "
        "gone.",
    ]
    write_and_ingest(home, "event.ndjson", GONE)
    assert list(void_sentences(build_stale(home).built)) == ["1 slice is voided."]


def test_a_void_of_other_hours_than_its_event_cancels_in_its_own_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    end = WRONG["data"]["start"] + 1_800_000
    write_and_ingest(home, "events.ndjson", WRONG, make_void(WRONG, end=end))
    report = build_stale(home)
    totals = [receipt.total_nanocents for receipt in report.built]
    assert totals[0] == 0 < totals[1]
    assert list(void_sentences(report.built)) == [
        "1 slice is voided.",
        "Voided events with another interval than their void, which cancels them in its own hours "
        "only: 1, for example in 2026-11-22T13 meter void-1 of meter wrong from "
        "2026-11-22T13:30:00Z until 2026-11-22T14:00:00Z; the event is from 2026-11-22T13:30:00Z "
        "until 2026-11-22T15:00:00Z.",
    ]
    assert verify(home).listed == []


def test_conflicts_are_told_by_identities_and_by_slices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    # One id for twelve events of five minutes.
    events = [{**make_event(1, start=5 * n, end=5 * n + 5), "id": "api"} for n in range(12)]
    report = write_and_ingest(home, "twelve.ndjson", *events)
    [receipt] = report.files
    assert (receipt.conflicts, receipt.conflict_losers) == (1, 11)
    built = build_stale(home).built
    assert left_out(built) == (
        "0 duplicate slices ignored, 1 identity in conflict (11 slices do not count)"
    )
    again = tmp_path / "again"
    [*_, told] = run_command(Home(again), capsys, "ingest", str(tmp_path / "twelve.ndjson"))
    assert told == "Inside the new files: 1 identity in conflict (11 slices do not count)."


def test_an_identity_in_conflict_in_two_hours_of_a_file_is_one(tmp_path: Path) -> None:
    events = [{**WRONG, "data": WRONG["data"] | {"cpuMillicores": n}} for n in range(3)]
    [receipt] = write_and_ingest(Home(tmp_path), "events.ndjson", *events).files
    assert (receipt.conflicts, receipt.conflict_losers) == (1, 4)


def test_explain_names_the_void_of_a_slice_and_prints_ready_voids(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("explain", MIDDLE.name, "--customer", CUSTOMER, "--resource")
    lines = run_command(home, capsys, *words, "api")
    [told] = [line for line in lines if line.startswith("not counted: ")]
    assert told.startswith("not counted: meter wrong from 2026-11-22T13:30:00Z until 2026-")
    assert "voided by meter void-1 in batch" in told
    assert told.endswith(": twice the memory")
    [line] = [line for line in lines if line.startswith("{")]
    assert lines[-1] == line
    assert run_command(home, capsys, *words, "api", "--void", "right") == [line]
    assert json.loads(line) == {
        "specversion": "1.0",
        "type": "metering.void.v1",
        "source": "meter",
        "id": "void-right",
        "data": {
            "voidedSource": "meter",
            "voidedId": "right",
            "start": "2026-11-22T13:30:00Z",
            "end": "2026-11-22T15:00:00Z",
        },
    }
    assert run_command(home, capsys, *words, "api", "--void", "wrong", status=1) == []


def test_a_ready_void_that_is_ingested_voids_its_event(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("explain", MIDDLE.name, "--customer", CUSTOMER, "--resource", "api", "--void", "right")
    [line] = run_command(home, capsys, *words)
    (tmp_path / "more.ndjson").write_text(line + "\n")
    run_command(home, capsys, "ingest", str(tmp_path / "more.ndjson"))
    assert [receipt.total_nanocents for receipt in build_stale(home).built] == [0, 0]


def test_explain_of_what_is_voided_altogether_says_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run_command(
        home, capsys, "explain", MIDDLE.name, "--customer", CUSTOMER, "--resource", "gone"
    )
    assert lines[2] == "job gone, project p1, team t1"
    assert lines[4].startswith("not counted: meter gone from ")
    assert lines[5:] == ["no charge: none of its slices counts"]


def test_diff_names_voids_as_a_reason(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    write_and_ingest(home, "late.ndjson", make_void(RIGHT, "void-3"))
    build_stale(home)
    lines = run_command(home, capsys, "diff", MIDDLE.name)
    assert [line for line in lines if line.startswith("why: ")][1:] == [
        "why: voids 2 → 3, slices voided 2 → 3"
    ]
    changes = manifest_of(home).record["changes"]
    assert changes["voids"] == {"before": 2, "after": 3}
    assert changes["slices_voided"] == {"before": 2, "after": 3}


def test_a_flipped_bit_in_a_voids_file_is_found_by_build_and_verify(home: Home) -> None:
    path, _ = voids_file(home)
    flip_middle(path)
    assert [(one.file, "SHA-256" in one.problem) for one in verify(home).listed] == [(path, True)]
    write_and_ingest(home, "late.ndjson", make_void(RIGHT, "void-3"))
    report = try_build(home)
    assert (len(report.built), [name for name, _ in report.failed]) == (1, [MIDDLE.name])
    assert "SHA-256" in str(report.failed[0][1])
    with pytest.raises(Damaged, match="SHA-256"):
        call_explain(home)


def call_explain(home: Home) -> None:
    from hourtally.published.explain import explain

    explain(home, manifest_of(home), CUSTOMER, "api")


def test_a_missing_voids_file_is_found_by_verify(home: Home) -> None:
    path, _ = voids_file(home)
    path.unlink()
    assert [str(one) for one in verify(home).listed] == [f"{path}: missing file"]


def refit(home: Home, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the voids file of the hour, and make its record fit."""
    path, record_path = voids_file(home)
    rows = change(pl.read_parquet(path))
    rows.write_parquet(path)
    record = read_sealed_json(record_path)
    entry = {"rows": len(rows), **describe_file(path)}
    record["hours"][MIDDLE.name]["voids"] = entry
    record_path.write_bytes(to_sealed_json(record))


def test_verify_finds_a_void_that_was_left_out_of_a_build(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every figure of the slices that it left in differs too.
    monkeypatch.setattr(findings, "MAX_LISTED", 1_000)
    refit(home, lambda rows: rows.head(1))
    problems = [one.problem for one in verify(home).listed]
    assert "voids.count: expected 1, got 2" in problems


def test_verify_finds_a_void_that_does_not_touch_the_hour(home: Home) -> None:
    day = 86_400_000
    refit(home, lambda rows: rows.with_columns(pl.col("start_ms", "end_ms") + day))
    [problem] = [one.problem for one in verify(home).listed]
    assert problem.startswith("slices that break a rule of events or lie outside the hour")


def test_a_void_of_a_month_touches_every_hour_of_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    data: Json = {"start": WRONG["data"]["start"], "end": WRONG["data"]["start"] + 31 * 86_400_000}
    [receipt] = write_and_ingest(home, "void.ndjson", make_void(WRONG, **data)).files
    # From half past: 31 days and one hour more that is touched.
    assert receipt.hours == 745
    assert len(list(home.events.glob("*/*.voids.parquet"))) == 745
    assert not list(home.events.glob("*/[0-9a-f]???????????????.parquet"))


def test_an_hour_with_nothing_but_voids_can_be_published_by_force(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_and_ingest(home, "void.ndjson", make_void(WRONG))
    within = HourRange(MIDDLE, NEXT)
    forced = stale_hours(home, CARD, NOW_MS, DEFAULT_SETTLE_MS, within, force=True)
    report = Builder(home, CARD, NOW_MS, SETTINGS, force=True).build(forced)
    assert [(one.hour, one.customers) for one in report.built] == [(MIDDLE.name, 0)]
    voids = manifest_of(home).record["voids"]
    assert (voids["count"], voids["slices_voided"], voids["unmatched"]) == (1, 0, 1)
    assert verify_hours(home, [MIDDLE], SETTINGS).listed == []


def test_ready_voids_of_more_than_ten_events_are_printed_by_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    events = [{**make_event(1, start=n, end=n + 1), "id": f"minute {n:02d}"} for n in range(12)]
    write_and_ingest(home, "events.ndjson", *events)
    build_stale(home)
    words = ("explain", MIDDLE.name, "--customer", CUSTOMER, "--resource", "r1")
    lines = run_command(home, capsys, *words)
    assert len([line for line in lines if line.startswith("{")]) == 10
    assert lines[-1] == "… and 2 more: --void ID prints another's"
    [line] = run_command(home, capsys, *words, "--void", "minute 11")
    assert json.loads(line)["data"]["voidedId"] == "minute 11"


@pytest.mark.parametrize("id_", ["x" * 512, "é" * 256, "a\nb\0", "\U0001f600\u2028"])
def test_a_ready_void_is_one_valid_line_whatever_the_id(id_: str) -> None:
    line = ready_void("s" * 512, id_, 0, 1)
    assert line.isascii()
    assert line.isprintable()
    void = check_line(line.encode())
    assert isinstance(void, Void)
    assert (void.voided_source, void.voided_id, void.start_ms, void.end_ms) == (
        "s" * 512,
        id_,
        0,
        1,
    )
