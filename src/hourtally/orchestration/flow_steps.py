"""The steps of a job as a flow takes them: in tasks, with their outcome shown in Prefect."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from prefect import State
from prefect.context import FlowRunContext
from prefect.task_runners import TaskRunner

from hourtally.build.staleness import StaleHour
from hourtally.errors import HourtallyError
from hourtally.ingest.files import IngestReport, new_files
from hourtally.jobs.job import Job
from hourtally.jobs.report import JobReport
from hourtally.orchestration.artifacts import show_report
from hourtally.orchestration.caller import current_caller, use_caller
from hourtally.orchestration.states import failed_state, final_state, unwrap
from hourtally.orchestration.tasks import export, ingest
from hourtally.runtime.interrupts import load_polars
from hourtally.runtime.worker_pool import worker_processes

_MAX_TASK_FILES: Final = 24


def run_steps(key: str, steps: Callable[[JobReport], None]) -> State[Any]:
    """Run the steps of a job, show what was done however it ended, and return the final state.

    Args:
        key: of the artifacts.
        steps: fill the report that they are given.
    """
    report = JobReport()
    with use_caller() as caller:
        if caller.at_sigterm is not None:
            # Replaces Prefect's handler until Prefect restores the one it found.
            signal.signal(signal.SIGTERM, caller.at_sigterm)
        # Otherwise threads of tasks import it, and they cannot set handlers.
        load_polars()
        try:
            steps(report)
        except HourtallyError as error:
            show_report(key, report, error)
            return failed_state(error)
    show_report(key, report)
    return final_state(report)


def ingest_inbox(job: Job, report: IngestReport) -> None:
    """Ingest the new files of the inbox, several per task, one task at a time.

    Raises:
        HourtallyError: a task failed.
    """
    files = new_files(job.home, report, job.inbox)
    for start in range(0, len(files), _MAX_TASK_FILES):
        group = files[start : start + _MAX_TASK_FILES]
        part: IngestReport = unwrap(ingest(job, group, IngestReport(), return_state=True))
        report.add(part)


def export_documents(job: Job, report: JobReport) -> None:
    """Update the export folder, if there is one and the job was not interrupted."""
    if job.export is None or report.interrupted:
        return
    try:
        report.exported = unwrap(export(job, job.export, return_state=True))
    except HourtallyError as error:
        report.exported = error


@contextmanager
def local_workers(job: Job, stale: Sequence[StaleHour]) -> Iterator[TaskRunner[Any]]:
    """This flow's own task runner; with several workers, its tasks build in worker processes.

    Threads of one process would wait for each other, and for Prefect's.

    Raises:
        HourtallyError: a worker process was killed from outside.
    """
    context = FlowRunContext.get()
    assert context is not None
    caller = current_caller()
    workers = min(job.workers, len(stale))
    if workers < 2:
        yield context.task_runner
        return
    with (
        worker_processes(workers, caller.stop, job.settings(job.workers).threads) as processes,
        use_caller(replace(caller, processes=processes)),
    ):
        yield context.task_runner
