"""The jobs as the command line runs them: with progress, reports and exit status.

What only one of them needs is imported where it is needed: a build takes two seconds or less.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hourtally.build.builder import Builder, BuildReport
from hourtally.build.estimate import estimate
from hourtally.build.staleness import IdleSummary, StaleHour, idle_summary, stale_hours
from hourtally.cli.output import job_report
from hourtally.cli.output.progress_bar import progress_bar
from hourtally.errors import FileRefused, HourNotPublished, HourtallyError, WrongUse
from hourtally.ingest.discovery import EVENT_SUFFIXES, event_files
from hourtally.ingest.files import IngestReport, ingest_inbox, ingest_paths
from hourtally.jobs.job import Job
from hourtally.jobs.prefect_environment import quiet_environment
from hourtally.jobs.report import JobReport
from hourtally.model.hours import Hour
from hourtally.model.printable import escaped_message
from hourtally.published.reader import published_hours
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.runtime.interrupts import Stop, graceful_shutdown, raise_interrupt
from hourtally.settings import DEFAULT_SETTLE_MS, Settings, prefect_api_url, usable_cores
from hourtally.store.layout import Home

DONE = 0
FAILED = 1
QUARANTINED = 3
INTERRUPTED = 130

_STOPPING = (
    "hourtally: asked to stop; finishing the hours in hand. Once more abandons them; nothing "
    "that is published is lost."
)

_DEMO_CUSTOMER = "acme"


def ingest(home: Home, paths: Sequence[Path], now_ms: int) -> int:
    """Ingest files and folders; the exit status."""
    settings = Settings(threads=usable_cores())
    with progress_bar("ingesting", "bytes") as advance:
        report = ingest_paths(home, paths, now_ms, settings, advance)
    job_report.print_ingest(report)
    _say_where_no_event_files_are(paths)
    return _status_of(report, BuildReport())


def _say_where_no_event_files_are(paths: Sequence[Path]) -> None:
    for path in paths:
        # One that is not there or cannot be looked into is refused, which is said as well.
        with suppress(FileRefused):
            if not event_files(path):
                said = f"{path}: no event files in this folder: their names end in {EVENT_SUFFIXES}"
                print(escaped_message(f"hourtally: {said}"), file=sys.stderr)


def run(job: Job) -> int:
    """Ingest the inbox and build every stale closed hour; the exit status."""
    with graceful_shutdown(_STOPPING) as stop:
        if recorded_by_prefect(job.home):
            from hourtally.orchestration.flows import run_hourly

            with progress_bar("building", "hours") as advance:
                done = run_hourly(advance, stop, **job.parameters)
            job_report.print_ingest(done.ingested)
        else:
            card = load_rate_card(job.rates)
            with progress_bar("ingesting", "bytes") as advance:
                ingested = ingest_inbox(job.home, job.now_ms, job.settings, advance, stop)
            job_report.print_ingest(ingested)
            stale = stale_hours(job.home, card, job.now_ms, job.settings.settle_ms)
            done = JobReport(ingested, _build(job, card, stale, stop, force=False))
        if done.interrupted:
            # Here, where another interrupt does not cut off what is said.
            return _finish(job, done)
    return _finish(job, done)


def backfill(job: Job, first: Hour, end: Hour, *, force: bool, dry_run: bool) -> int:
    """Build the stale closed hours of a range, or say which they are; the exit status."""
    if dry_run:
        card = load_rate_card(job.rates)
        stale = _stale(job, card, first, end, force=force)
        if stale:
            job_report.print_stale(stale, estimate(job.home, stale, job.workers))
        else:
            job_report.print_nothing_to_do(_idle_summary(job, first, end))
        return DONE
    with graceful_shutdown(_STOPPING) as stop:
        if recorded_by_prefect(job.home):
            from hourtally.orchestration.flows import run_backfill

            with progress_bar("building", "hours") as advance:
                done = run_backfill(
                    advance, stop, from_=first.name, to=end.name, force=force, **job.parameters
                )
        else:
            card = load_rate_card(job.rates)
            stale = _stale(job, card, first, end, force=force)
            done = JobReport(built=_build(job, card, stale, stop, force=force))
        rest = None if done.built.built else _idle_summary(job, first, end)
        if done.interrupted:
            return _finish(job, done, rest)
    return _finish(job, done, rest)


def schedule(job: Job, cron: str | None) -> int:
    """Serve the hourly flow's deployment until it is ended; the exit status.

    Raises:
        WrongUse: no Prefect server is named, or `cron` is no such expression.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    if not recorded_by_prefect(job.home):
        message = (
            "PREFECT_API_URL names no Prefect server. Start one (`prefect server start`) and set "
            "it, such as PREFECT_API_URL=http://127.0.0.1:4200/api; or, without any server, let "
            "cron or systemd call `hourtally run`."
        )
        raise WrongUse(message)
    from hourtally.orchestration.schedule import cron_after, serve_hourly

    if signal.getsignal(signal.SIGINT) is raise_interrupt:
        # Where this is the handler asyncio has one that ends Prefect's tasks in their order.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    # Each run has its own instant.
    parameters = {name: value for name, value in job.parameters.items() if name != "now"}
    serve_hourly(parameters, cron or cron_after(job.settle_ms / 60_000))
    return DONE


def _stale(job: Job, card: RateCard, first: Hour, end: Hour, *, force: bool) -> list[StaleHour]:
    return stale_hours(job.home, card, job.now_ms, job.settings.settle_ms, first, end, force=force)


def _idle_summary(job: Job, first: Hour, end: Hour) -> IdleSummary:
    return idle_summary(job.home, job.now_ms, job.settle_ms, first, end)


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
    """Bring the export into step and say what was done; the exit status."""
    job_report.print_built(done.built, rest)
    if isinstance(done.exported, HourtallyError):
        raise done.exported
    if done.exported is not None and job.export is not None:
        job_report.print_export(done.exported, job.export)
    elif job.export is not None and not done.interrupted:
        export(job.home, job.export, None, None, None)
    status = _status_of(done.ingested, done.built)
    if done.interrupted:
        print(f"hourtally: {job_report.interrupted(done)}", file=sys.stderr)
        return INTERRUPTED
    return status


def _status_of(ingested: IngestReport, built: BuildReport) -> int:
    """The exit status of a job; what could not be done is said on standard error."""
    failures = [*ingested.refused, *(error for _, error in built.failed)]
    for failure in failures:
        print(escaped_message(f"hourtally: {failure}"), file=sys.stderr)
    if failures:
        return FAILED
    return QUARANTINED if ingested.quarantined else DONE


def _build(
    job: Job, card: RateCard, stale: Sequence[StaleHour], stop: Stop, *, force: bool
) -> BuildReport:
    with progress_bar("building", "hours") as advance:
        builder = Builder(job.home, card, job.now_ms, job.settings, force)
        if job.workers == 1 or len(stale) < 2:
            return builder.build(stale, advance, stop)
        from hourtally.build.workers import build_with_workers

        return build_with_workers(builder, stale, job.workers, advance, stop)


def demo(root: Path) -> int:
    """Run the flow on the sample, show what came of it and where it lies; the exit status."""
    from hourtally.cli.output.tables import print_view
    from hourtally.jobs import sample
    from hourtally.jobs.demo import run_demo
    from hourtally.published.reader import published, read_document
    from hourtally.published.views import view

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
