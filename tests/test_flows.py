from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.logging import disable_run_logger
from prefect.testing.utilities import prefect_test_harness

from flows.backfill import run_backfill
from flows.hourly import hourly, run_hourly
from flows.summary import summary_of
from flows.tasks import build, ingest, outcome, stopping
from hourtally import pipeline
from hourtally.build import BuildReceipt
from hourtally.errors import Damaged, FileRefused, RateCardError, StorageFault, UnratedUsage
from hourtally.home import Home
from hourtally.hours import Hour, hours_between
from hourtally.ingest import IngestReceipt
from hourtally.pipeline import BuildReport, IngestReport
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.revisions import current_manifest
from hourtally.sample import FIRST_HOUR, HOURS, NOW_MS, write_sample
from hourtally.settings import Settings
from hourtally.staleness import StaleHour

SETTINGS = Settings(threads=1)
END = Hour(FIRST_HOUR.timestamp + HOURS * 3_600)
SAMPLE_HOURS = tuple(hours_between(FIRST_HOUR, END))
STALE = [StaleHour(hour, ("never built",)) for hour in SAMPLE_HOURS]


@pytest.fixture(scope="session")
def harness() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def home(tmp_path: Path) -> Home:
    write_sample(tmp_path)
    return Home(tmp_path)


@pytest.fixture
def card(home: Home) -> RateCard:
    return load_rate_card(home.rates)


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
        total_nanocents=1_500_000_000,
    )


def documents_of(home: Home) -> dict[str, bytes]:
    manifests = {hour.name: current_manifest(home, hour) for hour in SAMPLE_HOURS}
    return {
        name: (manifest.folder / "documents.ndjson").read_bytes()
        for name, manifest in manifests.items()
        if manifest is not None
    }


def artifact_data(key: str) -> object:
    with get_client(sync_client=True) as client:
        (artifact,) = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return artifact.data


def building(monkeypatch: pytest.MonkeyPatch, one: Callable[[Hour], None]) -> list[str]:
    """Put something else for the building of one hour; the hours that were begun."""
    begun: list[str] = []

    def build_hours(
        _home: Home, _card: RateCard, stale: Sequence[StaleHour], *_rest: object, **_named: object
    ) -> BuildReport:
        (hour,) = [entry.hour for entry in stale]
        begun.append(hour.name)
        one(hour)
        return BuildReport(built=[receipt_of(hour)])

    monkeypatch.setattr(pipeline, "build_hours", build_hours)
    return begun


@pytest.mark.usefixtures("harness")
def test_the_hourly_flow_publishes_what_the_pipeline_does(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    write_sample(other.root)
    pipeline.ingest_inbox(other, NOW_MS, SETTINGS)
    stale = pipeline.stale_hours(other, load_rate_card(other.rates), NOW_MS, SETTINGS)
    direct = pipeline.build_hours(other, load_rate_card(other.rates), stale, NOW_MS, SETTINGS)

    ingested, built = run_hourly(home, None, NOW_MS, SETTINGS)

    assert len(ingested.files) == 7
    assert built == direct
    assert [receipt.hour for receipt in built.built] == [hour.name for hour in SAMPLE_HOURS]
    assert documents_of(home) == documents_of(other)
    assert artifact_data("hourtally-hourly") == summary_of(ingested, built)


@pytest.mark.usefixtures("harness")
def test_a_backfill_builds_the_hours_of_its_range_with_several_workers(home: Home) -> None:
    pipeline.ingest_inbox(home, NOW_MS, SETTINGS)

    first, again, forced = (
        run_backfill(
            home, None, FIRST_HOUR, SAMPLE_HOURS[2], NOW_MS, SETTINGS, workers=2, force=force
        )
        for force in (False, False, True)
    )

    two = ["2026-11-02T09", "2026-11-02T10"]
    assert [(receipt.hour, receipt.revision) for receipt in first.built] == [(h, 1) for h in two]
    assert again == BuildReport()
    assert [(receipt.hour, receipt.revision) for receipt in forced.built] == [(h, 2) for h in two]


@pytest.mark.usefixtures("harness")
def test_a_flow_raises_what_the_pipeline_would(home: Home) -> None:
    home.rates.write_text("currency: USD")

    with pytest.raises(RateCardError, match=r"rates\.toml"):
        run_hourly(home, None, NOW_MS, SETTINGS)


@pytest.mark.usefixtures("harness")
def test_a_flow_with_an_hour_that_failed_is_failed_and_reports_the_others(home: Home) -> None:
    # The job on an l4 starts in the second hour; after that hour begins it has no rate.
    text = home.rates.read_text()
    gap = 'id = "gpu-l4-jobs"\nactive_until = 2026-11-02T10:00:00Z'
    without = text.replace('id = "gpu-l4"', 'id = "gpu-l4"\nresource_type = "service"')
    home.rates.write_text(without.replace('id = "gpu-l4-jobs"', gap))

    state = hourly(home.root, now="2026-11-02T12:15:00Z", return_state=True)

    assert state.is_failed()
    assert state.message == "1 hours built, 2 failed, 0 files refused"
    _, built = outcome(state)
    assert [receipt.hour for receipt in built.built] == ["2026-11-02T09"]
    assert [hour for hour, _ in built.failed] == ["2026-11-02T10", "2026-11-02T11"]
    assert all(isinstance(error, UnratedUsage) for _, error in built.failed)


@pytest.mark.usefixtures("harness")
def test_a_fault_of_the_storage_is_tried_again_and_no_hour_is_built_twice(
    home: Home, card: RateCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [StorageFault("the disk is full")]

    def fail_once_in_the_second(hour: Hour) -> None:
        if hour == SAMPLE_HOURS[1] and faults:
            raise faults.pop()

    begun = building(monkeypatch, fail_once_in_the_second)
    quick = build.with_options(retry_delay_seconds=0)

    report = quick(home, card, STALE, NOW_MS, SETTINGS, BuildReport(), force=True)

    assert begun == ["2026-11-02T09", "2026-11-02T10", "2026-11-02T10", "2026-11-02T11"]
    assert report == BuildReport(built=[receipt_of(hour) for hour in SAMPLE_HOURS])


@pytest.mark.usefixtures("harness")
def test_a_lasting_fault_of_the_storage_ends_a_task_after_three_more_attempts(
    home: Home, card: RateCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = StorageFault("the disk is full")

    def fail(_hour: Hour) -> None:
        raise fault

    begun = building(monkeypatch, fail)
    quick = build.with_options(retry_delay_seconds=0)

    state = quick(
        home, card, STALE, NOW_MS, SETTINGS, BuildReport(), force=False, return_state=True
    )

    assert begun == ["2026-11-02T09"] * 4
    with pytest.raises(StorageFault, match="the disk is full"):
        outcome(state)


@pytest.mark.usefixtures("harness")
def test_no_other_error_is_tried_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def ingest_inbox(where: Home, *_rest: object) -> IngestReport:
        begun.append(where)
        raise Damaged(where.rates, "it is no record")

    monkeypatch.setattr(pipeline, "ingest_inbox", ingest_inbox)

    state = ingest(home, NOW_MS, SETTINGS, return_state=True)

    assert len(begun) == 1
    with pytest.raises(Damaged, match="it is no record"):
        outcome(state)


def test_a_task_that_is_to_stop_does_so_between_hours(
    home: Home, card: RateCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_in_the_second(hour: Hour) -> None:
        if hour == SAMPLE_HOURS[1]:
            stopping.set()

    begun = building(monkeypatch, stop_in_the_second)

    with disable_run_logger():
        build.fn(home, card, STALE, NOW_MS, SETTINGS, BuildReport(), force=False)
    stopping.clear()

    assert begun == ["2026-11-02T09", "2026-11-02T10"]


def test_a_task_can_travel_to_another_machine() -> None:
    # Dask sends a task by its code, with every global that the code names.
    assert cloudpickle.loads(cloudpickle.dumps(build)).name == "build hours"
    assert cloudpickle.loads(cloudpickle.dumps(ingest)).name == "ingest the inbox"


def test_a_summary_names_every_hour_and_all_that_could_not_be_done() -> None:
    counts: dict[str, Any] = {"batch": "0", "lines": 10, "duplicates": 2, "quarantined": 1}
    ingested = IngestReport(
        files=[
            IngestReceipt(file="a", accepted=7, hours=1, skipped=False, **counts),
            IngestReceipt(file="b", accepted=7, hours=1, skipped=True, **counts),
        ],
        refused=[FileRefused(Path("c.ndjson.gz"), "it ends too early")],
    )
    built = BuildReport(
        built=[receipt_of(SAMPLE_HOURS[0])],
        failed=[("2026-11-02T10", UnratedUsage("2026-11-02T10", []))],
    )

    lines = summary_of(ingested, built).splitlines()

    # 1,500,000,000 nanocents are 1.5 cents.
    assert lines[:5] == [
        "New files: 1. Events accepted: 7, duplicates: 2, lines in quarantine: 1.",
        "",
        "| hour          | revision | why         | customers | total, cents | duplicates "
        "| conflicts |",
        "| ------------- | -------- | ----------- | --------- | ------------ | ---------- "
        "| --------- |",
        "| 2026-11-02T09 | 1        | never built | 2         | 1.5          | 5          "
        "| 6         |",
    ]
    assert lines[5:8] == ["", "Could not be done:", ""]
    assert lines[8].startswith("- c.ndjson.gz: refused whole")
    assert lines[9].startswith("- hour 2026-11-02T10: usage without a rate")


def test_a_summary_says_where_there_was_nothing_to_build() -> None:
    assert summary_of(None, BuildReport()) == "No closed hour was stale."
