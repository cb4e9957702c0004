"""The tasks of the flows: the pipeline's steps, tried again where the storage failed.

Prefect schedules, tries again and shows. What is done it does not know: that is in the home
folder alone, so a task that is run twice, or half, does no harm. Tasks take paths and small
values, give back small receipts and keep no results.

A fault of the storage (a full disk, a share that went away) passes, everything else comes
again. A task therefore hands errors back in a failed state, which Prefect tries again where
it is a `StorageFault`, and otherwise takes without printing a stack trace of ours. Whatever
else is raised is a defect of ours: Prefect logs it with its trace, and the run fails with it.
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
from prefect.tasks import TaskRunNameCallbackWithParameters as Named

from hourtally.build.builder import Builder, BuildReport
from hourtally.build.grouping import together
from hourtally.build.staleness import StaleHour
from hourtally.build.workers import build_in_worker
from hourtally.errors import HourtallyError, StorageFault
from hourtally.ingest.files import IngestReport, ingest_new
from hourtally.model.printable import escaped
from hourtally.orchestration.parameters import Work, current_caller, failed
from hourtally.published.export import ExportReport, export_hours
from hourtally.published.reader import published_hours
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.runtime.worker_pool import report_lost_workers

RETRIES = 3
_RETRY_DELAY_SECONDS = [2.0, 10.0, 60.0]


def _is_storage_fault(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.data, StorageFault)


def _files_named(parameters: dict[str, Any]) -> str:
    files: Sequence[Path] = parameters["files"]
    return f"ingest {_first_to_last([escaped(file.name) for file in files], 'files')}"


def _hours_named(parameters: dict[str, Any]) -> str:
    return f"build {_first_to_last([one.hour.name for one in parameters['stale']], 'hours')}"


def _first_to_last(names: Sequence[str], what: str) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} {what})"


@task(
    name="ingest files",
    task_run_name=cast("Named", _files_named),
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def ingest(work: Work, files: Sequence[Path], report: IngestReport) -> IngestReport | State[Any]:
    """Ingest some files of the inbox.

    Args:
        work: where and how.
        files: of the inbox.
        report: empty; every attempt adds to it, and begins with the file at which the one
            before it ended.
    """
    try:
        _ingest_each(work, files, report)
    except HourtallyError as error:
        return failed(error)
    return report


def _ingest_each(work: Work, files: Sequence[Path], report: IngestReport) -> None:
    handled = len(report.files) + len(report.refused)
    stop = current_caller().stop
    ingest_new(work.home, files[handled:], work.now_ms, work.settings, report, None, stop)
    for receipt in report.files:
        get_run_logger().info("%s", receipt)
    for refusal in report.refused:
        get_run_logger().error("%s", refusal)


@task(
    name="build hours",
    task_run_name=cast("Named", _hours_named),
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def build(work: Work, stale: Sequence[StaleHour], report: BuildReport) -> BuildReport | State[Any]:
    """Build hours, small ones together.

    Args:
        work: where and how.
        stale: the hours.
        report: empty; every attempt adds to it and leaves out what is in it, so that a
            forced hour is not built twice and no receipt is lost.
    """
    try:
        _build_each(work, stale, report)
    except HourtallyError as error:
        return failed(error)
    return report


# Apart from its task: a task travels to other machines with its code and all the globals that
# it names, and a `ContextVar` cannot travel.
def _build_each(work: Work, stale: Sequence[StaleHour], report: BuildReport) -> None:
    card = load_rate_card(work.rates)
    stop = current_caller().stop
    handled = {receipt.hour for receipt in report.built} | {hour for hour, _ in report.failed}
    left = [one for one in stale if one.hour.name not in handled]
    for group in together(work.home, left):
        if stop.is_set():
            report.undone += len(group)
            continue
        part, fault = _build_together(work, card, group)
        for receipt in part.built:
            get_run_logger().info("hour %s: %s", receipt.hour, receipt)
        for _, error in part.failed:
            get_run_logger().error("%s", error)
        if fault is not None:
            # Those that are left are for the next attempt.
            part.undone = 0
        report.add(part)
        if fault is not None:
            raise fault


def _build_together(
    work: Work, card: RateCard, group: Sequence[StaleHour]
) -> tuple[BuildReport, StorageFault | None]:
    caller = current_caller()
    told = caller.hour_done or (lambda _name: None)
    builder = Builder(work.home, card, work.now_ms, work.settings, work.force)
    if caller.processes is None:
        return builder.build_so_far(group, lambda _done, _of, name: told(name), caller.stop)
    with report_lost_workers():
        part, fault = caller.processes.submit(build_in_worker, builder, group).result()
    for one in group[: len(group) - part.undone]:
        told(one.hour.name)
    return part, fault


@task(
    name="export",
    task_run_name="export to {directory}",
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def export(work: Work, directory: Path) -> ExportReport | State[Any]:
    """Bring a tree of one file a customer and hour into step."""
    try:
        return export_hours(work.home, directory, published_hours(work.home))
    except HourtallyError as error:
        return failed(error)
