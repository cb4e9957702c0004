"""The jobs as the command line runs them: the pipeline, with progress, reports and exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hourtally import pipeline, progress, reports, sample
from hourtally.demo import run_demo
from hourtally.errors import HourNotPublished
from hourtally.export import export_hours
from hourtally.home import Home
from hourtally.hours import Hour
from hourtally.pipeline import BuildReport, IngestReport
from hourtally.prefect_env import quiet_environment
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.reading import published, published_hours, read_document
from hourtally.settings import DEFAULT_SETTLE_MS, Settings, prefect_api_url, usable_cores
from hourtally.staleness import StaleHour
from hourtally.tables import print_view
from hourtally.verify import verify_hours
from hourtally.views import view
from hourtally.visible import escaped_message

DONE = 0
FAILED = 1
QUARANTINED = 3

_DEMO_CUSTOMER = "acme"


@dataclass(frozen=True)
class Job:
    """What `run` and `backfill` work with; `export` is a folder to keep in step, or None."""

    home: Home
    rates: Path
    now_ms: int
    settle_ms: int
    workers: int
    export: Path | None

    @property
    def settings(self) -> Settings:
        """The settings that follow from the machine and the call."""
        return Settings(settle_ms=self.settle_ms, threads=usable_cores())


def ingest(home: Home, paths: Sequence[Path], now_ms: int) -> int:
    """Ingest files and folders; the exit status."""
    settings = Settings(threads=usable_cores())
    with progress.shown("ingesting", "bytes") as advance:
        report = pipeline.ingest_paths(home, paths, now_ms, settings, advance)
    reports.print_ingest(report)
    return _status_of(report, BuildReport())


def run(job: Job) -> int:
    """Ingest the inbox and build every stale closed hour; the exit status."""
    if recorded_by_prefect(job.home):
        from flows.hourly import run_hourly

        ingested, built = run_hourly(job.home, job.rates, job.now_ms, job.settings)
        reports.print_ingest(ingested)
    else:
        card = load_rate_card(job.rates)
        with progress.shown("ingesting", "bytes") as advance:
            ingested = pipeline.ingest_inbox(job.home, job.now_ms, job.settings, advance)
        reports.print_ingest(ingested)
        stale = pipeline.stale_hours(job.home, card, job.now_ms, job.settings)
        built = _build(job, card, stale, force=False)
    return _finish(job, ingested, built)


def backfill(job: Job, first: Hour, end: Hour, *, force: bool, dry_run: bool) -> int:
    """Build the stale closed hours of a range, or say which they are; the exit status."""
    if recorded_by_prefect(job.home) and not dry_run:
        from flows.backfill import run_backfill

        built = run_backfill(
            job.home, job.rates, first, end, job.now_ms, job.settings, job.workers, force=force
        )
        return _finish(job, IngestReport(), built)
    card = load_rate_card(job.rates)
    stale = pipeline.stale_hours(job.home, card, job.now_ms, job.settings, first, end, force=force)
    if dry_run:
        reports.print_stale(stale)
        return DONE
    return _finish(job, IngestReport(), _build(job, card, stale, force=force))


def recorded_by_prefect(home: Home) -> bool:
    """Whether a Prefect server is configured; if so, makes Prefect quiet before its import."""
    if prefect_api_url() is None:
        return False
    for name, value in quiet_environment(home).items():
        os.environ.setdefault(name, value)
    return True


def export(
    home: Home, directory: Path, first: Hour | None, end: Hour | None, customer: str | None
) -> int:
    """Write the documents of published hours as files; the exit status."""
    hours = published_hours(home, first, end)
    with progress.shown("exporting", "hours") as advance:
        report = export_hours(home, directory, hours, customer, advance)
    reports.print_export(report, directory)
    return DONE


def verify(home: Home, rates: Path, first: Hour | None, end: Hour | None) -> int:
    """Verify the newest revision of every published hour; the exit status.

    Raises:
        HourNotPublished: there is none, so that nothing was verified.
    """
    card = load_rate_card(rates)
    hours = published_hours(home, first, end)
    with progress.shown("verifying", "hours") as advance:
        findings = verify_hours(home, card, hours, Settings(threads=usable_cores()), advance)
    if not findings.hours:
        message = f"{home.hours}: no hour of the range is published, so nothing was verified"
        raise HourNotPublished(message)
    reports.print_verified(findings)
    if not findings.differences:
        return DONE
    print(f"hourtally: {reports.AFTER_DIFFERENCES}", file=sys.stderr)
    return FAILED


def _finish(job: Job, ingested: IngestReport, built: BuildReport) -> int:
    """Bring the export into step and say what was done; the exit status."""
    reports.print_built(built)
    if job.export is not None:
        export(job.home, job.export, None, None, None)
    return _status_of(ingested, built)


def _status_of(ingested: IngestReport, built: BuildReport) -> int:
    """The exit status of a job; what could not be done is said on standard error."""
    failures = [*ingested.refused, *(error for _, error in built.failed)]
    for failure in failures:
        print(escaped_message(f"hourtally: {failure}"), file=sys.stderr)
    if failures:
        return FAILED
    return QUARANTINED if ingested.quarantined else DONE


def _build(job: Job, card: RateCard, stale: Sequence[StaleHour], *, force: bool) -> BuildReport:
    with progress.shown("building", "hours") as advance:
        return pipeline.build_hours_with_workers(
            job.home, card, stale, job.now_ms, job.settings, job.workers, advance, force=force
        )


def demo(root: Path) -> int:
    """Run the flow on the sample, show what came of it and where it lies; the exit status."""
    home = Home(root)
    print(f"Running the hourly flow on sample events in {root} …", file=sys.stderr)
    print(run_demo(home, os.environ))
    hour = published_hours(home)[-1]
    command = f"hourtally show {hour} --customer {_DEMO_CUSTOMER} --home {root}"
    print(f"\nOne customer's last hour, as `{command}` prints it:\n")
    manifest = published(home, hour, now_ms=sample.NOW_MS, settle_ms=DEFAULT_SETTLE_MS)
    document = read_document(manifest, _DEMO_CUSTOMER)
    print_view(
        view(document, team=None, project=None, resource_type=None),
        hour,
        _DEMO_CUSTOMER,
        manifest.record["currency"],
        {},
    )
    print(f"\nThe documents lie in {home.hours}, quarantined lines in {home.root / 'quarantine'}.")
    return DONE
