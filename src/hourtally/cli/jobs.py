"""The jobs as the command line runs them: with progress, reports and exit status.

What only one job needs is imported there: an import of Prefect alone takes 1.3 s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hourtally.build.estimate import estimate
from hourtally.build.staleness import IdleSummary
from hourtally.cli.output import job_report
from hourtally.cli.output.ingest_report import ingest_json, print_ingest
from hourtally.cli.output.job_data import (
    backfill_document,
    plan_document,
    run_document,
)
from hourtally.cli.output.json_text import print_json
from hourtally.cli.output.progress_bar import progress_bar
from hourtally.cli.output.reading_data import verify_document
from hourtally.cli.prefect_jobs import configure_prefect
from hourtally.cli.requests import requests_made, requests_sentence
from hourtally.errors import HourNotPublished, HourtallyError
from hourtally.ingest.discovery import path_text
from hourtally.ingest.files import ingest_paths, new_files
from hourtally.jobs.job import Job
from hourtally.jobs.report import JobReport
from hourtally.jobs.sentences import held_sentence
from hourtally.jobs.steps import (
    build_hours,
    export_documents,
    find_held_customers,
    find_stale_hours,
    finish_run,
    ingest_files,
    summarize_idle_hours,
)
from hourtally.model.hours import Hour, HourRange
from hourtally.model.printable import printable_message
from hourtally.published.reader import published_hours
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import Stop, graceful_shutdown
from hourtally.settings import DEFAULT_SETTLE_MS, Settings, usable_cores
from hourtally.store.durable import one_listing
from hourtally.store.layout import Home

DONE = 0
FAILED = 1
QUARANTINED = 3
INTERRUPTED = 130

_DEMO_CUSTOMER = "acme"


def ingest(home: Home, paths: Sequence[Path], now_ms: int, *, again: bool, json: bool) -> int:
    """Ingest files and folders; the exit status."""
    settings = Settings(threads=usable_cores())
    with progress_bar("ingesting", "bytes") as advance:
        report = ingest_paths(home, paths, now_ms, settings, advance, again=again)
    if json:
        print_json(ingest_json(report))
    else:
        print_ingest(report)
    return _status_of(JobReport(report))


def run(job: Job, *, json: bool = False) -> int:
    """Ingest the inbox and build every stale closed hour; the exit status."""

    def finish() -> int:
        if json:
            return _finish_as_json(job, done, partial(run_document, job, done))
        status = _finish(job, done)
        if requests_made():
            print(f"Object store: {requests_sentence()}")
        return status

    with graceful_shutdown() as stop:
        is_recorded = configure_prefect(job.home)
        done = (_run_recorded if is_recorded else _run)(job, stop, json=json)
        if done.interrupted:
            # Inside, so that another interrupt does not cut off the report.
            return finish()
    return finish()


def _run(job: Job, stop: Stop, *, json: bool) -> JobReport:
    report = JobReport()
    card = load_rate_card(job.rates)
    with progress_bar("ingesting", "bytes") as advance:
        files = new_files(job.home, report.ingested, job.inbox)
        ingest_files(job, files, report.ingested, advance, stop)
    if not json:
        print_ingest(report.ingested)
    with one_listing(job.home.root):
        stale = find_stale_hours(job, card)
        if not stale:
            # What was just listed tells the rest too.
            finish_run(job, card, report)
            return report
    with progress_bar("building", "hours") as advance:
        report.built = build_hours(job, card, stale, advance, stop)
    with one_listing(job.home.root):
        finish_run(job, card, report)
    return report


def _run_recorded(job: Job, stop: Stop, *, json: bool) -> JobReport:
    from hourtally.orchestration.flows import run_hourly

    with progress_bar("building", "hours") as advance:
        report = run_hourly(advance, stop, **job.flow_parameters, inbox=job.inbox_place)
    if not json:
        print_ingest(report.ingested)
    return report


def backfill(job: Job, first: Hour, end: Hour, *, json: bool = False) -> int:
    """Build the stale closed hours of a range; the exit status."""

    def finish() -> int:
        if json:
            return _finish_as_json(job, done, partial(backfill_document, job, done, rest))
        return _finish(job, done, rest)

    with graceful_shutdown() as stop:
        done = (
            _backfill_recorded(job, first, end, stop)
            if configure_prefect(job.home)
            else _backfill(job, first, end, stop)
        )
        rest = None if done.built.built else summarize_idle_hours(job, first, end)
        if done.interrupted:
            return finish()
    return finish()


def _backfill(job: Job, first: Hour, end: Hour, stop: Stop) -> JobReport:
    card = load_rate_card(job.rates)
    stale = find_stale_hours(job, card, first, end)
    with progress_bar("building", "hours") as advance:
        built = build_hours(job, card, stale, advance, stop)
    return JobReport(built=built, held=find_held_customers(job, card, first, end))


def _backfill_recorded(job: Job, first: Hour, end: Hour, stop: Stop) -> JobReport:
    from hourtally.orchestration.flows import run_backfill

    parameters = {
        "from_": first.name,
        "to": end.name,
        "force": job.force,
        "reason": job.reason or None,
        **job.flow_parameters,
    }
    with progress_bar("building", "hours") as advance:
        return run_backfill(advance, stop, **parameters)


def plan_backfill(job: Job, first: Hour, end: Hour, *, json: bool = False) -> int:
    """Print which hours of a range a backfill would build, and why; the exit status."""
    stale = find_stale_hours(job, load_rate_card(job.rates), first, end)
    expected = estimate(job.home, stale, job.workers) if stale else None
    rest = None if stale else summarize_idle_hours(job, first, end)
    if json:
        print_json(plan_document(stale, expected, rest))
    elif stale:
        job_report.print_stale(stale, expected)
    else:
        job_report.print_nothing_to_do(rest)
    return DONE


def verify(home: Home, hours: HourRange, *, from_files: bool, json: bool) -> int:
    """Verify the newest revision of every published hour; the exit status.

    from_files: read the event files again too.

    Raises:
        HourNotPublished: there is none, so that nothing was verified.
    """
    from hourtally.verify import recheck_files, verify_hours

    settings = Settings(threads=usable_cores())
    published = published_hours(home, hours.first, hours.end)
    with progress_bar("verifying", "hours") as advance:
        findings = verify_hours(home, published, settings, advance)
    if from_files:
        with progress_bar("reading again", "files") as advance:
            recheck_files(home, hours, settings, findings, advance)
    if not findings.hours and not findings.files:
        message = f"{home.hours}: no hour of the range is published, so nothing was verified"
        raise HourNotPublished(message)
    if json:
        print_json(verify_document(findings, from_files=from_files))
    else:
        job_report.print_verified(findings, from_files=from_files)
    if not findings.differences:
        return DONE
    print(f"hourtally: {job_report.AFTER_DIFFERENCES}", file=sys.stderr)
    return FAILED


def _finish(job: Job, done: JobReport, rest: IdleSummary | None = None) -> int:
    """Print what was done, and update the export folder if no flow did; the exit status."""
    job_report.print_built(done.built, rest, done.empty)
    if isinstance(done.exported, HourtallyError):
        raise done.exported
    if done.exported is not None and job.export is not None:
        job_report.print_export(done.exported, job.export)
    elif job.export is not None and not done.interrupted:
        with progress_bar("exporting", "hours") as advance:
            done.exported = export_documents(job, job.export, advance)
        job_report.print_export(done.exported, job.export)
    job_report.print_suggested_rates(done.held)
    return _exit_status(done)


def _finish_as_json(job: Job, done: JobReport, document: Callable[[int], dict[str, Any]]) -> int:
    """As `_finish`, with one document for everything; `document` takes the exit status."""
    if job.export is not None and done.exported is None and not done.interrupted:
        try:
            with progress_bar("exporting", "hours") as advance:
                done.exported = export_documents(job, job.export, advance)
        except HourtallyError as error:
            done.exported = error
    status = _exit_status(done)
    if isinstance(done.exported, HourtallyError):
        _say(f"hourtally: {done.exported}")
        status = FAILED
    print_json(document(status))
    return status


def _exit_status(done: JobReport) -> int:
    """The exit status of a job; what went wrong is printed to standard error."""
    status = _status_of(done)
    if done.interrupted:
        _say(f"hourtally: {job_report.interrupted(done)}")
        return INTERRUPTED
    return status


def _status_of(done: JobReport) -> int:
    """The exit status of a job; its failures are printed to standard error."""
    if inbox := done.ingested.missing_inbox:
        _say(
            f"hourtally: {inbox}: no objects lie below it; correct --inbox if there should be some"
        )
    failures = [*map(str, done.ingested.refused), *(str(error) for _, error in done.built.failed)]
    if done.held.hours:
        failures.append(held_sentence(done.held))
    for failure in failures:
        _say(f"hourtally: {failure}")
    if failures:
        return FAILED
    return QUARANTINED if done.ingested.quarantined else DONE


def demo(place: str) -> int:
    """Run the flow on the sample and show the result and where it is stored; the exit status.

    place: the demo's home, by its path or URL.
    """
    from hourtally.cli.output.view_tables import print_view
    from hourtally.jobs import sample
    from hourtally.jobs.demo import run_demo
    from hourtally.published.reader import published_manifest, read_document
    from hourtally.published.views import view

    home = Home.at(place)
    summary = run_demo(home, os.environ, _say)
    _say("Reading the result …")
    print(summary)
    hour = published_hours(home)[-1]
    command = f"hourtally show {hour} --customer {_DEMO_CUSTOMER} --home {place}"
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
    documents, quarantine = map(path_text, (home.hours, home.root / "quarantine"))
    print(f"\nDocuments: {documents}. Quarantined lines: {quarantine}.")
    return DONE


def _say(message: str) -> None:
    print(printable_message(message), file=sys.stderr, flush=True)
