from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.logging import disable_run_logger

from hourtally.build import builder, grouping
from hourtally.build.builder import BuildReport
from hourtally.build.publish import BuildContext, BuildReceipt, OnDone
from hourtally.build.staleness import StaleHour, stale_hours
from hourtally.errors import BoundExceeded, Damaged, FileRejected, RateCardError, StorageFault
from hourtally.ingest.files import Ingester, IngestReport, ingest_inbox
from hourtally.ingest.receipts import IngestReceipt
from hourtally.jobs.job import Job
from hourtally.jobs.report import JobReport
from hourtally.jobs.sample import FIRST_HOUR, HOURS, NOW_MS, write_sample
from hourtally.model.hours import Hour, format_instant, hours_between
from hourtally.orchestration import flows
from hourtally.orchestration.caller import Caller, use_caller
from hourtally.orchestration.flows import hourly
from hourtally.orchestration.states import RunFailed, unwrap
from hourtally.orchestration.summary import hour_rows, summary_of
from hourtally.orchestration.tasks import build, ingest
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import Stop
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.stages.voiding import VoidCounts, describe_voids
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from tests.support.handwritten_revisions import flip_byte
from tests.support.prefect_server import PrefectServer, until

SETTINGS = Settings(threads=1)
END = Hour(FIRST_HOUR.timestamp + HOURS * 3_600)
SAMPLE_HOURS = tuple(hours_between(FIRST_HOUR, END))
STALE = [StaleHour(hour, ("never built",)) for hour in SAMPLE_HOURS]


@pytest.fixture
def recorded(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """The server records the flows of this process."""
    with prefect_server.recording():
        yield prefect_server


@pytest.fixture
def home(tmp_path: Path) -> Home:
    write_sample(tmp_path)
    return Home(tmp_path)


def receipt_of(hour: Hour) -> BuildReceipt:
    return BuildReceipt(
        hour=hour.name,
        revision=1,
        reasons=("never built",),
        customers=2,
        resources=3,
        slices=4,
        duplicates=5,
        conflicts=6,
        conflict_losers=7,
        voids=describe_voids(VoidCounts(count=2, slices_voided=8)),
        total_nanocents=1_500_000_000,
    )


def documents_of(home: Home) -> dict[str, bytes]:
    manifests = {hour.name: current_manifest(home, hour) for hour in SAMPLE_HOURS}
    return {
        name: (manifest.folder / "documents.ndjson").read_bytes()
        for name, manifest in manifests.items()
        if manifest is not None
    }


def run_hourly(home: Home, **parameters: Any) -> JobReport:
    """The flow at the sample's instant, as the command line runs it."""
    given = {"home": str(home.root), "now": format_instant(NOW_MS), "threads": 1, **parameters}
    return flows.run_hourly(None, Stop(), **given)


def run_backfill(home: Home, end: Hour, **parameters: Any) -> JobReport:
    given = {"home": str(home.root), "now": format_instant(NOW_MS), "threads": 2, **parameters}
    return flows.run_backfill(None, Stop(), from_=FIRST_HOUR.name, to=end.name, **given)


def job(home: Home, *, force: bool = False) -> Job:
    return Job(home, home.rates, NOW_MS, threads=1, force=force)


def state_of(home: Home, now: str = "2026-11-02T12:15:00Z") -> State[Any]:
    return hourly(home=str(home.root), now=now, return_state=True)


def building(monkeypatch: pytest.MonkeyPatch, one: Callable[[Hour], None]) -> list[str]:
    """Replace the build of each hour; the names of the hours that were started."""
    begun: list[str] = []

    def build_together(
        _context: BuildContext, hours: Sequence[Hour], on_done: OnDone, _stop: Stop
    ) -> None:
        (hour,) = hours
        begun.append(hour.name)
        one(hour)
        on_done(hour, receipt_of(hour))

    monkeypatch.setattr(grouping, "MAX_GROUP_HOURS", 1)
    monkeypatch.setattr(builder, "build_together", build_together)
    return begun


def test_the_hourly_flow_publishes_what_the_pipeline_does_and_tells_its_story(
    home: Home, tmp_path: Path, recorded: PrefectServer
) -> None:
    other = Home(tmp_path / "other")
    write_sample(other.root)
    ingest_inbox(other, NOW_MS, SETTINGS)
    card = load_rate_card(other.rates)
    stale = stale_hours(other, card, NOW_MS, DEFAULT_SETTLE_MS)
    direct = builder.Builder(other, card, NOW_MS, SETTINGS).build(stale)

    report = run_hourly(home)

    assert len(report.ingested.files) == 7
    assert report.built == direct
    assert [receipt.hour for receipt in report.built.built] == [hour.name for hour in SAMPLE_HOURS]
    assert documents_of(home) == documents_of(other)
    assert recorded.artifact("hourtally-hourly") == summary_of(report)
    assert recorded.artifact("hourtally-hourly-hours") == hour_rows(report)
    assert recorded.artifact("hourtally-hourly-progress") == 100.0
    of_day = recorded.artifact("hourtally-2026-11-02")
    assert [(row["hour"], row["revision"]) for row in of_day] == [
        ("2026-11-02T09", 1),
        ("2026-11-02T10", 1),
        ("2026-11-02T11", 1),
    ]
    assert all(Path(row["documents"]).is_file() for row in of_day)
    names = {"ingest clusters.parquet to resent.jsonl (7 files)"}
    names |= {"build 2026-11-02T09 to 2026-11-02T11 (3 hours)"}
    until("the tasks are recorded", lambda: names <= task_names(recorded))


def task_names(server: PrefectServer) -> set[str]:
    with server.client() as client:
        return {run.name for run in client.read_task_runs()}


@pytest.mark.usefixtures("recorded")
def test_a_backfill_builds_the_hours_of_its_range_with_several_workers(home: Home) -> None:
    ingest_inbox(home, NOW_MS, SETTINGS)

    first, again, forced = (
        run_backfill(home, SAMPLE_HOURS[2], workers=2, force=force).built
        for force in (False, False, True)
    )

    two = ["2026-11-02T09", "2026-11-02T10"]
    assert [(receipt.hour, receipt.revision) for receipt in first.built] == [(h, 1) for h in two]
    assert again == BuildReport()
    assert [(receipt.hour, receipt.revision) for receipt in forced.built] == [(h, 2) for h in two]


@pytest.mark.usefixtures("recorded")
def test_a_flow_raises_what_the_pipeline_would(home: Home) -> None:
    home.rates.write_text("currency: USD")

    with pytest.raises(RateCardError, match=r"rates\.toml"):
        run_hourly(home)


@pytest.mark.usefixtures("recorded")
def test_an_unrated_hour_ends_a_run_as_unrated_and_the_others_are_built(home: Home) -> None:
    # The job on an l4 starts in the second hour; after that hour begins it has no rate.
    text = home.rates.read_text()
    gap = 'id = "gpu-l4-jobs"\nactive_until = 2026-11-02T10:00:00Z'
    without = text.replace('id = "gpu-l4"', 'id = "gpu-l4"\nresource_type = "service"')
    home.rates.write_text(without.replace('id = "gpu-l4-jobs"', gap))

    state = state_of(home)

    assert (state.type.name, state.name) == ("FAILED", "Unrated")
    assert state.message is not None
    first, second, *_ = state.message.splitlines()
    assert first == "hours built: 3, lines quarantined: 1"
    assert second.startswith("customer 'globex' is held in 2 hours, 2026-11-02T10 to 2026-11-02T11")
    # This is what Prefect raises and logs when a worker runs the flow.
    with pytest.raises(RunFailed) as raised:
        state.result()
    assert str(raised.value) == state.message
    report = unwrap(state)
    assert [receipt.hour for receipt in report.built.built] == [hour.name for hour in SAMPLE_HOURS]
    assert report.built.failed == []
    assert report.held.hours == ["2026-11-02T10", "2026-11-02T11"]
    # The next run has nothing to build, and says so still.
    again = state_of(home)
    assert (again.type.name, again.name) == ("FAILED", "Unrated")


def test_the_name_of_the_state_says_what_to_look_at(home: Home, recorded: PrefectServer) -> None:
    for file in home.inbox.iterdir():
        file.unlink()
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "//meter.example/states",
        "type": "metering.resource.v1",
        "data": {
            "customerId": "acme",
            "teamId": "web",
            "projectId": "shop",
            "resourceId": "api",
            "resourceType": "service",
            "start": "2026-11-02T09:00:00Z",
            "end": "2026-11-02T12:00:00Z",
            "cpuMillicores": 1000,
        },
    }
    line = json.dumps(event)

    (home.inbox / "one.ndjson").write_text(line + "\n")
    done = state_of(home)
    # The same identity with another quantity.
    (home.inbox / "two.ndjson").write_text(line.replace("1000", "500") + "\n")
    conflict = state_of(home)
    (home.inbox / "three.ndjson").write_text("{}\n")
    quarantined = state_of(home)
    (home.inbox / "four.ndjson.gz").write_bytes(b"\x1f\x8b")
    refused = state_of(home)
    (home.inbox / "four.ndjson.gz").unlink()
    empty = state_of(home, "2026-11-02T13:10:00Z")

    ended = (done, conflict, quarantined, refused, empty)
    states = [recorded.final_state(one) for one in ended]
    assert [(state.type.name, state.name) for state in states] == [
        ("COMPLETED", "Completed"),
        ("COMPLETED", "Conflicts"),
        ("COMPLETED", "Quarantined"),
        ("FAILED", "Refused"),
        ("COMPLETED", "NoEvents"),
    ]
    assert [str(state.message).splitlines()[0] for state in states] == [
        "hours built: 3",
        "hours built: 3, conflicts: 3",
        "lines quarantined: 1",
        "files rejected: 1",
        "nothing to do",
    ]
    assert str(states[-1].message).splitlines()[1:] == [
        "1 closed hour has no events, the last 2026-11-02T12; 1 closed hour since the last one "
        "with events, 2026-11-02T11."
    ]


@pytest.mark.usefixtures("recorded")
def test_a_fault_of_the_storage_is_tried_again_and_no_hour_is_built_twice(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [StorageFault("the disk is full")]

    def fail_once_in_the_second(hour: Hour) -> None:
        if hour == SAMPLE_HOURS[1] and faults:
            raise faults.pop()

    begun = building(monkeypatch, fail_once_in_the_second)
    quick = build.with_options(retry_delay_seconds=0)

    report = quick(job(home, force=True), STALE, BuildReport())

    assert begun == ["2026-11-02T09", "2026-11-02T10", "2026-11-02T10", "2026-11-02T11"]
    assert report == BuildReport(built=[receipt_of(hour) for hour in SAMPLE_HOURS])


@pytest.mark.usefixtures("recorded")
def test_a_lasting_fault_of_the_storage_ends_a_task_after_three_more_attempts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = StorageFault("the disk is full")

    def fail(_hour: Hour) -> None:
        raise fault

    begun = building(monkeypatch, fail)
    quick = build.with_options(retry_delay_seconds=0)

    state = quick(job(home), STALE, BuildReport(), return_state=True)

    assert begun == ["2026-11-02T09"] * 4
    with pytest.raises(StorageFault, match="the disk is full"):
        unwrap(state)


@pytest.mark.usefixtures("recorded")
def test_a_task_in_which_an_hour_failed_fails_and_its_other_hours_are_built(home: Home) -> None:
    ingest_inbox(home, NOW_MS, SETTINGS)
    builder.Builder(home, load_rate_card(home.rates), NOW_MS, SETTINGS).build(STALE)
    flip_byte(home.manifest(SAMPLE_HOURS[1], 1), 10)

    state = build(job(home, force=True), STALE, BuildReport(), return_state=True)

    assert (state.type.name, state.name) == ("FAILED", "Failed")
    assert str(state.message).startswith("hours failed: 1\n")
    report = unwrap(state)
    assert [receipt.revision for receipt in report.built] == [2, 2]
    # It travels back from other machines.
    failed = RunFailed("hours failed: 1", report)
    assert str(pickle.loads(pickle.dumps(failed)).report) == str(report)
    flow = state_of(home)
    assert (flow.type.name, flow.name) == ("FAILED", "Failed")


@pytest.mark.usefixtures("recorded")
def test_a_task_in_which_a_file_was_rejected_fails(home: Home) -> None:
    (home.inbox / "bad.ndjson.gz").write_bytes(b"\x1f\x8b")
    files = sorted(home.inbox.iterdir())

    state = ingest(job(home), files, IngestReport(), return_state=True)

    assert (state.type.name, state.name) == ("FAILED", "Refused")
    assert len(unwrap(state).files) == len(files) - 1


@pytest.mark.usefixtures("recorded")
def test_log_lines_are_sentences(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    run_hourly(home)

    ours = [record.getMessage() for record in caplog.records if record.module == "tasks"]
    assert len(ours) == 7 + 3
    assert ours[-1] == (
        "Hour 2026-11-02T11: revision 1 published (never built), 3 customers, 9 resources, "
        "978.283101852 cents, 0 duplicate slices, 0 conflicts."
    )
    assert ours[0] == (
        f"{home.inbox / 'clusters.parquet'} ingested as batch 7f417e316da79fe6: 9 lines, "
        "9 accepted, 0 duplicates, 0 in quarantine."
    )


@pytest.mark.parametrize("name", ["prefect.engine", "prefect.flow_runs"])
def test_the_trace_of_an_everyday_refusal_is_not_logged(name: str) -> None:
    engine = logging.getLogger(name)
    refusal, defect = Damaged(Path("card"), "it is wrong"), ZeroDivisionError("a defect")
    logged = [
        bool(engine.filter(logging.makeLogRecord({"exc_info": (type(one), one, None)})))
        for one in (refusal, defect)
    ]
    assert logged == [False, True]


@pytest.mark.usefixtures("recorded")
def test_no_other_error_is_tried_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def ingest_new(ingester: Ingester, *_rest: object) -> None:
        begun.append(ingester.home)
        raise Damaged(ingester.home.rates, "it is no record")

    monkeypatch.setattr(Ingester, "ingest_new", ingest_new)

    state = ingest(job(home), [home.rates], IngestReport(), return_state=True)

    assert len(begun) == 1
    with pytest.raises(Damaged, match="it is no record"):
        unwrap(state)


@pytest.mark.usefixtures("recorded")
def test_a_bug_is_logged_with_its_trace_and_fails_the_run(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(_hour: Hour) -> None:
        message = "a defect"
        raise ZeroDivisionError(message)

    building(monkeypatch, break_down)

    with pytest.raises(ZeroDivisionError, match="a defect"):
        run_hourly(home)

    traces = [record.exc_text or str(record.exc_info) for record in caplog.records]
    assert any("ZeroDivisionError" in trace for trace in traces)


def test_a_task_that_is_to_stop_does_so_between_hours(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()

    def stop_in_the_second(hour: Hour) -> None:
        if hour == SAMPLE_HOURS[1]:
            stop.request()

    begun = building(monkeypatch, stop_in_the_second)
    report = BuildReport()

    with disable_run_logger(), use_caller(Caller(stop=stop)):
        build.fn(job(home), STALE, report)

    assert begun == ["2026-11-02T09", "2026-11-02T10"]
    assert report.undone == 1


@pytest.mark.usefixtures("recorded")
def test_a_flow_that_is_asked_to_stop_ends_as_interrupted_and_goes_on_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    begun = building(monkeypatch, lambda _hour: stop.request())
    given = {"home": str(home.root), "now": format_instant(NOW_MS)}

    with use_caller(Caller(stop=stop)):
        state = hourly(**given, return_state=True)

    assert begun == ["2026-11-02T09"]
    assert (state.type.name, state.name) == ("CANCELLED", "Interrupted")
    assert state.message == "hours built: 1, lines quarantined: 1, conflicts: 6, hours left: 2"
    monkeypatch.undo()
    assert len(run_hourly(home).built.built) == 3


def test_a_summary_names_every_hour_and_all_that_could_not_be_done() -> None:
    counts: dict[str, Any] = {"batch": "0", "lines": 10, "duplicates": 2, "quarantined": 1}
    ingested = IngestReport(
        files=[
            IngestReceipt(file="a", accepted=7, hours=1, skipped=False, **counts),
            IngestReceipt(file="b", accepted=7, hours=1, skipped=True, known=True, **counts),
        ],
        refused=[FileRejected(Path("c.ndjson.gz"), "it ends too early")],
    )
    built = BuildReport(
        built=[receipt_of(SAMPLE_HOURS[0])],
        failed=[("2026-11-02T10", BoundExceeded("a charge"))],
    )

    lines = summary_of(JobReport(ingested, built)).splitlines()

    # 1,500,000,000 nanocents are 1.5 cents.
    assert lines[:7] == [
        "Hours built: 1, restated: 0, failed: 1. Total: 1.5 cents; 5 duplicate slices ignored, "
        "6 identities in conflict (7 slices do not count). 8 slices are voided.",
        "",
        "New files: 1. Events accepted: 7, duplicate lines: 2, lines in quarantine: 1.",
        "",
        "| hour          | revision | why         | customers | total, cents | duplicate slices "
        "| conflicts | slices in conflict | slices voided |",
        "| ------------- | -------- | ----------- | --------- | ------------ | ---------------- "
        "| --------- | ------------------ | ------------- |",
        "| 2026-11-02T09 | 1        | first build | 2         | 1.5          | 5                "
        "| 6         | 7                  | 8             |",
    ]
    assert lines[7:12] == ["", "Lines in quarantine:", "", "- a: 1, see quarantine/0.ndjson", ""]
    assert lines[12:14] == ["Failed:", ""]
    assert lines[14].startswith("- c.ndjson.gz: rejected, none of its events count")
    assert lines[15] == "- a charge"


def test_a_table_of_very_many_hours_has_a_row_a_day() -> None:
    hours = list(hours_between(Hour.parse("2026-01-01T00"), Hour.parse("2027-01-01T00")))
    report = JobReport(built=BuildReport(built=[receipt_of(hour) for hour in hours]))

    rows = hour_rows(report)

    # 365 days, and all together: 8,760 hours of 1.5 cents.
    assert len(rows) == 366
    assert (rows[0]["built"], rows[0]["total, cents"]) == (8760, "13140")
    assert (rows[365]["hours"], rows[365]["built"]) == ("2026-12-31", 24)
    assert len(summary_of(report)) < 1_000


def test_a_summary_says_where_there_was_nothing_to_build() -> None:
    assert summary_of(JobReport()) == "No closed hour was stale."


def test_a_summary_of_a_run_that_ended_early_says_nothing_about_hours_it_did_not_reach() -> None:
    error = StorageFault(Path("/full"), "the disk is full")
    assert summary_of(JobReport(), error) == f"Ended early: {error}"
    built = JobReport(built=BuildReport(built=[receipt_of(FIRST_HOUR)]))
    assert summary_of(built, error).splitlines()[2].startswith("Hours built: 1,")
