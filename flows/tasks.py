"""The tasks of the flows: the pipeline's steps, tried again where the storage failed.

Prefect schedules, tries again and shows. What is done it does not know: that is in the home
folder alone, so a task that is run twice, or half, does no harm. Tasks give back small
receipts and keep no results.

A fault of the storage (a full disk, a share that went away) passes, everything else comes
again. A task therefore hands errors back in a failed state, which Prefect tries again where
it is a `StorageFault`, and otherwise takes without printing a stack trace of ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import State, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import TaskRun
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.tasks import Task

from flows.summary import summary_of
from hourtally import pipeline
from hourtally.errors import HourtallyError, StorageFault, WrongUse
from hourtally.home import Home
from hourtally.hours import parse_instant_ms
from hourtally.pipeline import BuildReport, IngestReport
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.settings import Settings, default_home, usable_cores
from hourtally.staleness import StaleHour

# An hour takes seconds, and a task 25 ms of the Prefect server besides.
MOST_HOURS_A_TASK = 24
RETRIES = 3
_RETRY_DELAY_SECONDS = [2.0, 10.0, 60.0]

# Set while a flow is being ended: threads cannot be interrupted, so they look at it between
# hours. Workers on other machines never see it set, and finish the task they have begun.
stopping = threading.Event()


def _is_storage_fault(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.data, StorageFault)


@task(
    name="ingest the inbox",
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def ingest(home: Home, now_ms: int, settings: Settings) -> IngestReport | State[Any]:
    """Ingest the files of the inbox that are not ingested yet."""
    try:
        report = pipeline.ingest_inbox(home, now_ms, settings)
    except HourtallyError as error:
        return failed(error)
    get_run_logger().info("%d files, %d refused", len(report.files), len(report.refused))
    return report


@task(
    name="build hours",
    retries=RETRIES,
    retry_delay_seconds=_RETRY_DELAY_SECONDS,
    retry_condition_fn=_is_storage_fault,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def build(
    home: Home,
    card: RateCard,
    stale: Sequence[StaleHour],
    now_ms: int,
    settings: Settings,
    report: BuildReport,
    *,
    force: bool,
) -> BuildReport | State[Any]:
    """Build hours, one after another.

    Args:
        report: empty; every attempt adds to it and leaves out what is in it, so that a
            forced hour is not built twice and no receipt is lost.
    """
    try:
        _build_each(home, card, stale, now_ms, settings, report, force=force)
    except StorageFault as fault:
        return failed(fault)
    return report


# Apart from its task: a task travels to other machines with its code and all the globals that
# it names, and `stopping` cannot travel.
def _build_each(
    home: Home,
    card: RateCard,
    stale: Sequence[StaleHour],
    now_ms: int,
    settings: Settings,
    report: BuildReport,
    *,
    force: bool,
) -> None:
    handled = {receipt.hour for receipt in report.built} | {hour for hour, _ in report.failed}
    for one in stale:
        if stopping.is_set():
            return
        if one.hour.name in handled:
            continue
        part = pipeline.build_hours(home, card, [one], now_ms, settings, force=force)
        collect(report, part)
        get_run_logger().info("hour %s: %s", one.hour, part.failed or part.built or "was current")


def failed(error: HourtallyError) -> State[Any]:
    """The state of what this error ended."""
    return Failed(message=str(error), data=error)


def outcome(state: State[Any]) -> Any:
    """What a task or a flow gave back, also where its state is a failed one.

    Raises:
        HourtallyError: the one that ended it.
    """
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return result


def collect(whole: BuildReport, part: BuildReport) -> None:
    """Add the report of one task to that of the flow."""
    whole.built += part.built
    whole.failed += part.failed


def finish(key: str, ingested: IngestReport | None, built: BuildReport) -> State[Any]:
    """Show what was done as an artifact; the flow's final state, with the reports as its data."""
    create_markdown_artifact(summary_of(ingested, built), key=key)
    refused = 0 if ingested is None else len(ingested.refused)
    message = f"{len(built.built)} hours built, {len(built.failed)} failed, {refused} files refused"
    state = Failed if built.failed or refused else Completed
    return state(message=message, data=built if ingested is None else (ingested, built))


def work_of(
    home: Path | None, rates: Path | None, now: str | None, settings: Settings | None
) -> tuple[Home, RateCard, int, Settings]:
    """A flow's parameters, each with what it stands for where it is not given.

    Raises:
        RateCardError, WrongUse: the card is wrong, or `now` is no instant.
    """
    where = Home((home or default_home()).absolute())
    try:
        now_ms = time.time_ns() // 1_000_000 if now is None else parse_instant_ms(now)
    except ValueError as error:
        message = f"now {now!r} {error}"
        raise WrongUse(message) from error
    return (
        where,
        load_rate_card(rates or where.rates),
        now_ms,
        settings or Settings(threads=usable_cores()),
    )
