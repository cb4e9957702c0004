"""The steps of a job, as plain functions over a `Job`.

`hourtally run` and `backfill` call them one after another; the Prefect flows wrap them in tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hourtally.build.builder import BuildReport
from hourtally.build.empty_hours import find_empty_hours
from hourtally.build.rates.held_hours import HeldHours, find_held
from hourtally.build.staleness import IdleSummary, StaleHour, idle_summary, stale_hours
from hourtally.ingest.files import Ingester, IngestReport
from hourtally.jobs.job import Job
from hourtally.model.hours import Hour, HourRange
from hourtally.ratecard import RateCard
from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress
from hourtally.store.files import files_at

if TYPE_CHECKING:
    from hourtally.jobs.report import JobReport
    from hourtally.published.export import ExportReport


def ingest_files(
    job: Job,
    files: Sequence[Path],
    report: IngestReport,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> None:
    """Ingest inbox files into the report."""
    if stop is not None:
        stop.current_work = "current files"
    ingester = Ingester(job.home, job.now_ms, job.settings(), progress)
    ingester.ingest_new(files, report, stop)


def find_stale_hours(
    job: Job, card: RateCard, first: Hour | None = None, end: Hour | None = None
) -> list[StaleHour]:
    """The closed hours of `[first, end)` to build: the stale ones, or all if `job.force`."""
    within = HourRange(first, end)
    return stale_hours(job.home, card, job.now_ms, job.settle_ms, within, force=job.force)


def summarize_idle_hours(job: Job, first: Hour, end: Hour) -> IdleSummary:
    """Count the closed hours of `[first, end)`, none of which is stale."""
    return idle_summary(job.home, job.now_ms, job.settle_ms, first, end)


def find_held_customers(
    job: Job, card: RateCard, first: Hour | None = None, end: Hour | None = None
) -> HeldHours:
    """Who is held in the newest revisions of `[first, end)`."""
    return find_held(job.home, card, HourRange(first, end))


def finish_run(job: Job, card: RateCard, report: JobReport) -> None:
    """Report the closed hours of the last 31 days without events, and who is held.

    Also remove what killed writers uploaded over a day ago, where uploads may be left.
    """
    report.empty = find_empty_hours(job.home, job.now_ms, job.settle_ms)
    report.held = find_held_customers(job, card)
    files = files_at(job.home.root)
    files.remove_abandoned(files.abandoned())


def build_hours(
    job: Job,
    card: RateCard,
    stale: Sequence[StaleHour],
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> BuildReport:
    """Build hours in this process, or in worker processes if the job has several workers."""
    if stop is not None:
        stop.current_work = "current hours"
    builder = job.builder(card)
    if job.workers == 1 or len(stale) < 2:
        return builder.build(stale, progress, stop)
    from hourtally.build.workers import build_with_workers

    return build_with_workers(builder, stale, job.workers, progress, stop)


def export_documents(job: Job, directory: Path, progress: Progress | None = None) -> ExportReport:
    """Update the folder with one file per customer and published hour."""
    from hourtally.published.export import export_hours
    from hourtally.published.reader import published_hours

    return export_hours(job.home, directory, published_hours(job.home), progress=progress)
