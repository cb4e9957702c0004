"""The jobs as the command line runs them: with progress, reports and exit status.

What only one job needs is imported there: an import of Prefect alone takes 1.3 s.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hourtally.build.builder import BuildReport
from hourtally.build.estimate import estimate
from hourtally.build.staleness import IdleSummary
from hourtally.cli.output import job_report
from hourtally.cli.output.progress_bar import progress_bar
from hourtally.errors import FileRejected, HourNotPublished, HourtallyError, InvalidArgument
from hourtally.ingest.discovery import EVENT_SUFFIXES, event_files
from hourtally.ingest.files import IngestReport, ingest_paths, new_files
from hourtally.jobs.job import Job
from hourtally.jobs.prefect_environment import quiet_environment
from hourtally.jobs.report import JobReport
from hourtally.jobs.steps import (
    build_hours,
    export_documents,
    find_stale_hours,
    ingest_files,
    summarize_idle_hours,
)
from hourtally.model.hours import Hour
from hourtally.model.printable import printable_message
from hourtally.published.reader import published_hours
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import Stop, graceful_shutdown, raise_interrupt
from hourtally.settings import DEFAULT_SETTLE_MS, Settings, prefect_api_url, usable_cores
from hourtally.store.layout import Home

DONE = 0
FAILED = 1
QUARANTINED = 3
INTERRUPTED = 130

_DEMO_CUSTOMER = "acme"


def ingest(home: Home, paths: Sequence[Path], now_ms: int) -> int:
    """Ingest files and folders; the exit status."""
    settings = Settings(threads=usable_cores())
    with progress_bar("ingesting", "bytes") as advance:
        report = ingest_paths(home, paths, now_ms, settings, advance)
    job_report.print_ingest(report)
    _warn_of_empty_folders(paths)
    return _status_of(report, BuildReport())


def _warn_of_empty_folders(paths: Sequence[Path]) -> None:
    for path in paths:
        # A path that cannot be read has been rejected, and reported, already.
        with suppress(FileRejected):
            if not event_files(path):
                reason = f"no event files in this folder: their names end in {EVENT_SUFFIXES}"
                _say(f"hourtally: {path}: {reason}")


def run(job: Job) -> int:
    """Ingest the inbox and build every stale closed hour; the exit status."""
    with graceful_shutdown() as stop:
        done = _run_recorded(job, stop) if configure_prefect(job.home) else _run(job, stop)
        if done.interrupted:
            # Inside, so that another interrupt does not cut off the report.
            return _finish(job, done)
    return _finish(job, done)


def _run(job: Job, stop: Stop) -> JobReport:
    report = JobReport()
    card = load_rate_card(job.rates)
    with progress_bar("ingesting", "bytes") as advance:
        files = new_files(job.home, report.ingested)
        ingest_files(job, files, report.ingested, advance, stop)
    job_report.print_ingest(report.ingested)
    stale = find_stale_hours(job, card)
    with progress_bar("building", "hours") as advance:
        report.built = build_hours(job, card, stale, advance, stop)
    return report


def _run_recorded(job: Job, stop: Stop) -> JobReport:
    from hourtally.orchestration.flows import run_hourly

    with progress_bar("building", "hours") as advance:
        report = run_hourly(advance, stop, **job.flow_parameters)
    job_report.print_ingest(report.ingested)
    return report


def backfill(job: Job, first: Hour, end: Hour) -> int:
    """Build the stale closed hours of a range; the exit status."""
    with graceful_shutdown() as stop:
        done = (
            _backfill_recorded(job, first, end, stop)
            if configure_prefect(job.home)
            else _backfill(job, first, end, stop)
        )
        rest = None if done.built.built else summarize_idle_hours(job, first, end)
        if done.interrupted:
            return _finish(job, done, rest)
    return _finish(job, done, rest)


def _backfill(job: Job, first: Hour, end: Hour, stop: Stop) -> JobReport:
    card = load_rate_card(job.rates)
    stale = find_stale_hours(job, card, first, end)
    with progress_bar("building", "hours") as advance:
        return JobReport(built=build_hours(job, card, stale, advance, stop))


def _backfill_recorded(job: Job, first: Hour, end: Hour, stop: Stop) -> JobReport:
    from hourtally.orchestration.flows import run_backfill

    parameters = {"from_": first.name, "to": end.name, "force": job.force, **job.flow_parameters}
    with progress_bar("building", "hours") as advance:
        return run_backfill(advance, stop, **parameters)


def plan_backfill(job: Job, first: Hour, end: Hour) -> int:
    """Print which hours of a range a backfill would build, and why; the exit status."""
    stale = find_stale_hours(job, load_rate_card(job.rates), first, end)
    if stale:
        job_report.print_stale(stale, estimate(job.home, stale, job.workers))
    else:
        job_report.print_nothing_to_do(summarize_idle_hours(job, first, end))
    return DONE


def schedule(job: Job, cron: str | None) -> int:
    """Serve the hourly flow's deployment until it is stopped; the exit status.

    Raises:
        InvalidArgument: PREFECT_API_URL is not set, or `cron` is not a cron expression.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    if not configure_prefect(job.home):
        message = (
            "PREFECT_API_URL is not set. Start a Prefect server (`prefect server start`) and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api. To schedule without a server, call "
            "`hourtally run` from cron or systemd."
        )
        raise InvalidArgument(message)
    from hourtally.orchestration.schedule import cron_after, serve_hourly

    if signal.getsignal(signal.SIGINT) is raise_interrupt:
        # With Python's own handler asyncio installs one that ends Prefect's tasks in order.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    # Each run takes the time at its start.
    parameters = {name: value for name, value in job.flow_parameters.items() if name != "now"}
    serve_hourly(parameters, cron or cron_after(job.settle_ms / 60_000))
    return DONE


def configure_prefect(home: Home) -> bool:
    """Whether PREFECT_API_URL names a server; if so, quiet Prefect before it is imported."""
    if prefect_api_url() is None:
        return False
    for name, value in quiet_environment(home).items():
        os.environ.setdefault(name, value)
    return True


def export(
    home: Home, directory: Path, first: Hour | None, end: Hour | None, customer: str | None
) -> int:
    """Write the documents of published hours as files; the exit status."""
    from hourtally.published.export import export_hours

    hours = published_hours(home, first, end)
    with progress_bar("exporting", "hours") as advance:
        report = export_hours(home, directory, hours, customer, advance)
    job_report.print_export(report, directory)
    return DONE


def verify(home: Home, rates: Path, first: Hour | None, end: Hour | None) -> int:
    """Verify the newest revision of every published hour; the exit status.

    Raises:
        HourNotPublished: there is none, so that nothing was verified.
    """
    from hourtally.verify import verify_hours

    card = load_rate_card(rates)
    hours = published_hours(home, first, end)
    with progress_bar("verifying", "hours") as advance:
        findings = verify_hours(home, card, hours, Settings(threads=usable_cores()), advance)
    if not findings.hours:
        message = f"{home.hours}: no hour of the range is published, so nothing was verified"
        raise HourNotPublished(message)
    job_report.print_verified(findings)
    if not findings.differences:
        return DONE
    print(f"hourtally: {job_report.AFTER_DIFFERENCES}", file=sys.stderr)
    return FAILED


def _finish(job: Job, done: JobReport, rest: IdleSummary | None = None) -> int:
    """Print what was done, and update the export folder if no flow did; the exit status."""
    job_report.print_built(done.built, rest)
    if isinstance(done.exported, HourtallyError):
        raise done.exported
    if done.exported is not None and job.export is not None:
        job_report.print_export(done.exported, job.export)
    elif job.export is not None and not done.interrupted:
        with progress_bar("exporting", "hours") as advance:
            done.exported = export_documents(job, job.export, advance)
        job_report.print_export(done.exported, job.export)
    status = _status_of(done.ingested, done.built)
    if done.interrupted:
        _say(f"hourtally: {job_report.interrupted(done)}")
        return INTERRUPTED
    return status


def _status_of(ingested: IngestReport, built: BuildReport) -> int:
    """The exit status of a job; its failures are printed to standard error."""
    failures = [*ingested.refused, *(error for _, error in built.failed)]
    for failure in failures:
        _say(f"hourtally: {failure}")
    if failures:
        return FAILED
    return QUARANTINED if ingested.quarantined else DONE


def demo(root: Path) -> int:
    """Run the flow on the sample and show the result and where it is stored; the exit status."""
    from hourtally.cli.output.tables import print_view
    from hourtally.jobs import sample
    from hourtally.jobs.demo import run_demo
    from hourtally.published.reader import published_manifest, read_document
    from hourtally.published.views import view

    home = Home(root)
    summary = run_demo(home, os.environ, _say)
    _say("Reading the result …")
    print(summary)
    hour = published_hours(home)[-1]
    command = f"hourtally show {hour} --customer {_DEMO_CUSTOMER} --home {root}"
    print(f"\nOne customer's last hour, as `{command}` prints it:\n")
    manifest = published_manifest(home, hour, now_ms=sample.NOW_MS, settle_ms=DEFAULT_SETTLE_MS)
    document = read_document(manifest, _DEMO_CUSTOMER)
    print_view(
        view(document, team=None, project=None, resource_type=None),
        hour,
        _DEMO_CUSTOMER,
        manifest.record["currency"],
        {},
    )
    print(f"\nDocuments: {home.hours}. Quarantined lines: {home.root / 'quarantine'}.")
    return DONE


def _say(message: str) -> None:
    print(printable_message(message), file=sys.stderr, flush=True)
