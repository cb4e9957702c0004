"""The tasks of the flows: the steps of a job, retried when the storage fails.

Prefect schedules, retries and shows. It does not know what is done: only the home folder does, so
running a task twice, or half, does no harm. Tasks take paths and small values, return small
receipts and persist no results.

A storage fault (a full disk, a share that is gone) is temporary; every other error would come
back. A task therefore returns errors in a failed state: Prefect retries a `StorageFault`, and
accepts any other without printing a stack trace of ours. An exception that is not a
`HourtallyError` is a bug: Prefect logs it with its trace, and the run fails with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import TaskRun
from prefect.logging import get_run_logger
from prefect.tasks import Task
from prefect.tasks import TaskRunNameCallbackWithParameters as NameTaskRun

from hourtally.build.builder import BuildReport
from hourtally.build.grouping import group_hours
from hourtally.build.staleness import StaleHour
from hourtally.build.workers import build_in_worker
from hourtally.errors import HourtallyError, StorageFault, with_urls
from hourtally.ingest.files import IngestReport
from hourtally.jobs import steps
from hourtally.jobs.job import Job
from hourtally.jobs.sentences import built_sentence, ingested_sentence
from hourtally.model.printable import printable
from hourtally.orchestration.caller import current_caller
from hourtally.orchestration.states import build_state, failed_state, ingest_state
from hourtally.published.export import ExportReport
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.runtime.worker_pool import report_lost_workers

RETRIES = 3
_RETRY_DELAY_SECONDS = [2.0, 10.0, 60.0]


def _is_storage_fault(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.data, StorageFault)


def _name_ingest_run(parameters: dict[str, Any]) -> str:
    files: Sequence[Path] = parameters["files"]
    return f"ingest {_first_to_last([printable(file.name) for file in files], 'files')}"


def _name_build_run(parameters: dict[str, Any]) -> str:
    return f"build {_first_to_last([one.hour.name for one in parameters['stale']], 'hours')}"


def _name_export_run(parameters: dict[str, Any]) -> str:
    return f"export to {with_urls(str(parameters['directory']))}"


def _first_to_last(names: Sequence[str], unit: str) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} {unit})"


@task(
    name="ingest files",
    task_run_name=cast("NameTaskRun", _name_ingest_run),
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def ingest(job: Job, files: Sequence[Path], report: IngestReport) -> IngestReport | State[Any]:
    """Ingest some files of the inbox.

    Args:
        job: where and how.
        files: of the inbox.
        report: empty. Every attempt adds to it, and starts with the file at which the one before
            it failed.
    """
    try:
        _ingest_files(job, files, report)
    except HourtallyError as error:
        return failed_state(error)
    return ingest_state(report)


def _ingest_files(job: Job, files: Sequence[Path], report: IngestReport) -> None:
    finished, taken, refused = report.finished, len(report.files), len(report.refused)
    try:
        steps.ingest_files(job, files[finished:], report, stop=current_caller().stop)
    finally:
        for receipt in report.files[taken:]:
            get_run_logger().info("%s", ingested_sentence(receipt))
        for refusal in report.refused[refused:]:
            get_run_logger().error("%s", refusal)


@task(
    name="build hours",
    task_run_name=cast("NameTaskRun", _name_build_run),
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def build(job: Job, stale: Sequence[StaleHour], report: BuildReport) -> BuildReport | State[Any]:
    """Build hours, small ones together.

    Args:
        job: where and how.
        stale: the hours.
        report: empty. Every attempt adds to it and skips the hours in it, so that a forced hour
            is not built twice and no receipt is lost.
    """
    try:
        _build_groups(job, stale, report)
    except HourtallyError as error:
        return failed_state(error)
    return build_state(report)


# Not part of the task: a task travels to other machines with its code and every global that it
# names, and a `ContextVar` cannot travel.
def _build_groups(job: Job, stale: Sequence[StaleHour], report: BuildReport) -> None:
    card = load_rate_card(job.rates)
    stop = current_caller().stop
    finished = {receipt.hour for receipt in report.built} | {hour for hour, _ in report.failed}
    left = [one for one in stale if one.hour.name not in finished]
    for group in group_hours(job.home, left):
        if stop.is_set():
            report.undone += len(group)
            continue
        part, fault = _build_group(job, card, group)
        for receipt in part.built:
            get_run_logger().info("%s", built_sentence(receipt))
        for _, error in part.failed:
            get_run_logger().error("%s", error)
        if fault is not None:
            # The next attempt builds the rest.
            part.undone = 0
        report.add(part)
        if fault is not None:
            raise fault


def _build_group(
    job: Job, card: RateCard, group: Sequence[StaleHour]
) -> tuple[BuildReport, StorageFault | None]:
    caller = current_caller()
    hour_done = caller.hour_done or (lambda _name: None)
    builder = job.builder(card, job.workers)
    if caller.processes is None:
        return builder.build_so_far(group, lambda _done, _of, name: hour_done(name), caller.stop)
    with report_lost_workers():
        part, fault = caller.processes.submit(build_in_worker, builder, group).result()
    for one in group[: len(group) - part.undone]:
        hour_done(one.hour.name)
    return part, fault


@task(
    name="export",
    task_run_name=cast("NameTaskRun", _name_export_run),
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def export(job: Job, directory: Path) -> ExportReport | State[Any]:
    """Update a folder of one file per customer and hour."""
    try:
        return _export(job, directory)
    except HourtallyError as error:
        return failed_state(error)


def _export(job: Job, directory: Path) -> ExportReport:
    stop = current_caller().stop
    stop.current_work = "export"
    return steps.export_documents(job, directory, lambda *_hour: stop.check())
