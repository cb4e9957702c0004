"""The two flows: the hourly run and the backfill.

What is to do is found from the files of the home folder, never from the slots of a schedule:
a run makes up for all that did not run before it.

Tasks of a backfill run on threads of the flow's process, as Prefect does by default. With one
worker they build their hours there; with several they have them built by as many processes,
which know no Prefect. Where a Dask scheduler is named they run on its workers (the extra
`dask`), each of which has this package and mounts the home folder under the same path: nothing
but paths and small values travels.
"""

# No `from __future__ import annotations` here: Prefect then has to evaluate the parameters' types
# itself, which in a served run fails for names that come from another module.
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from prefect import State, flow
from prefect.task_runners import TaskRunner

from hourtally.build.staleness import StaleHour, stale_hours
from hourtally.errors import HourtallyError, WrongUse
from hourtally.jobs.report import JobReport
from hourtally.model.hours import Hour
from hourtally.orchestration.artifacts import ProgressArtifact
from hourtally.orchestration.parameters import (
    DEFAULT_SETTLE_MINUTES,
    Caller,
    Count,
    Minutes,
    Work,
    resolve_parameters,
    runner_of_this_flow,
    unwrap,
    use_caller,
)
from hourtally.orchestration.server import recorded
from hourtally.orchestration.steps import (
    build_all,
    export_all,
    ingest_all,
    processes_of,
    run_steps,
)
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress
from hourtally.settings import DEFAULT_MEMORY_MIB

_HOURLY = "hourtally-hourly"
_BACKFILL = "hourtally-backfill"


@flow(name="hourly", persist_result=False)
def hourly(
    home: str | None = None,
    rates: str | None = None,
    settle_minutes: Minutes = DEFAULT_SETTLE_MINUTES,
    now: str | None = None,
    workers: Count = 1,
    threads: Count | None = None,
    memory_mib: Count = DEFAULT_MEMORY_MIB,
    export: str | None = None,
) -> State[Any]:
    """Ingest the inbox and build every stale closed hour.

    Args:
        home: Home folder; HOURTALLY_HOME or ./data of the machine where it is not given.
        rates: Rate card; rates.toml in the home where it is not given.
        settle_minutes: Minutes after an hour's end at which it closes.
        now: An RFC 3339 instant that stands for the clock, such as 2026-11-22T14:15:00Z.
        workers: Groups of hours that are built at a time.
        threads: Cores for all workers together; all of the machine where it is not given.
        memory_mib: Memory for the engine of each worker, in MiB.
        export: Folder of one JSON file a customer and hour, to be kept in step.
    """

    def steps(report: JobReport) -> None:
        work = resolve_parameters(
            home, rates, settle_minutes, now, workers, threads, memory_mib, export
        )
        card = load_rate_card(work.rates)
        ingest_all(work, report.ingested)
        stale = stale_hours(work.home, card, work.now_ms, work.settings.settle_ms)
        progress = ProgressArtifact(f"{_HOURLY}-progress")
        with processes_of(work, stale):
            build_all(work, stale, runner_of_this_flow(), progress, report.built)
        export_all(work, report)

    return run_steps(_HOURLY, steps)


def run_hourly(shown: Progress | None, stop: Stop, **parameters: Any) -> JobReport:
    """Run the flow; the same report, and the same errors raised, as without Prefect."""
    with recorded(), use_caller(Caller(shown, stop, signal.getsignal(signal.SIGTERM))):
        report: JobReport = unwrap(hourly(**parameters, return_state=True))
    return report


@flow(name="backfill", persist_result=False)
def backfill(
    from_: str,
    to: str,
    force: bool = False,  # noqa: FBT001, FBT002 - a flow's parameters are given by name
    workers: Count = 1,
    home: str | None = None,
    rates: str | None = None,
    settle_minutes: Minutes = DEFAULT_SETTLE_MINUTES,
    now: str | None = None,
    threads: Count | None = None,
    memory_mib: Count = DEFAULT_MEMORY_MIB,
    export: str | None = None,
    dask_scheduler: str | None = None,
) -> State[Any]:
    """Build the stale closed hours of a range.

    Args:
        from_: First hour, as 2026-11-22T13 (UTC) or Unix seconds.
        to: End of the range: the hour after the last one.
        force: Build all closed hours of the range, current or not.
        workers: Groups of hours that are built at a time.
        home: Home folder; HOURTALLY_HOME or ./data of the machine where it is not given.
        rates: Rate card; rates.toml in the home where it is not given.
        settle_minutes: Minutes after an hour's end at which it closes.
        now: An RFC 3339 instant that stands for the clock, such as 2026-11-22T14:15:00Z.
        threads: Cores for all workers together (on Dask: for each); all of the machine where
            it is not given.
        memory_mib: Memory for the engine of each worker, in MiB.
        export: Folder of one JSON file a customer and hour, to be kept in step.
        dask_scheduler: Address of a Dask scheduler, such as tcp://10.0.0.5:8786, whose workers
            build the hours; this machine where it is not given.
    """

    def steps(report: JobReport) -> None:
        first, end = Hour.parse(from_), Hour.parse(to)
        if end <= first:
            message = f"to {to} is not after from {from_}"
            raise WrongUse(message)
        share = 1 if dask_scheduler else workers
        work = replace(
            resolve_parameters(
                home, rates, settle_minutes, now, share, threads, memory_mib, export
            ),
            workers=workers,
            force=force,
        )
        card = load_rate_card(work.rates)
        stale = stale_hours(
            work.home, card, work.now_ms, work.settings.settle_ms, first, end, force=force
        )
        progress = ProgressArtifact(f"{_BACKFILL}-progress")
        with _runner(dask_scheduler, work, stale) as runner:
            build_all(work, stale, runner, progress, report.built)
        export_all(work, report)

    return run_steps(_BACKFILL, steps)


@contextmanager
def _runner(
    dask_scheduler: str | None, work: Work, stale: Sequence[StaleHour]
) -> Iterator[TaskRunner[Any]]:
    """What runs the tasks of this flow.

    Raises:
        HourtallyError: there is no Dask here, or no scheduler at the address.
    """
    if dask_scheduler is None:
        with processes_of(work, stale):
            yield runner_of_this_flow()
        return
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        message = (
            "a Dask scheduler is named, but Dask is not installed: pip install hourtally[dask]"
        )
        raise HourtallyError(message) from error
    with ExitStack() as stack:
        try:
            runner = stack.enter_context(DaskTaskRunner(address=dask_scheduler))
            # It connects when it is asked for its client, and here a failure can be told.
            assert runner.client is not None
        except (OSError, ValueError) as error:
            message = f"no Dask scheduler answers at {dask_scheduler}: {error}"
            raise HourtallyError(message) from error
        yield runner


def run_backfill(shown: Progress | None, stop: Stop, **parameters: Any) -> JobReport:
    """Run the flow; the same report, and the same errors raised, as without Prefect."""
    with recorded(), use_caller(Caller(shown, stop, signal.getsignal(signal.SIGTERM))):
        report: JobReport = unwrap(backfill(**parameters, return_state=True))
    return report
