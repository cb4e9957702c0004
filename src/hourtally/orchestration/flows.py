"""The two flows: the hourly run and the backfill.

What is to be done is found from the files of the home folder, never from the slots of a schedule:
a run makes up for everything that did not run before it.

Tasks of a backfill run on threads of the flow's process, as is Prefect's default. With one worker
they build their hours there; with several, worker processes build them, which know nothing of
Prefect. With a Dask scheduler (the extra `dask`) the tasks run on its workers, each of which has
this package installed and mounts the home folder at the same path: only paths and small values
travel.
"""

# No `from __future__ import annotations` here: Prefect would have to evaluate the parameters'
# types itself, and in a served run that fails for names from another module.
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from prefect import State, flow
from prefect.task_runners import TaskRunner

from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.jobs.report import JobReport
from hourtally.jobs.steps import (
    find_held_customers,
    find_stale_hours,
    finish_run,
)
from hourtally.model.hours import Hour
from hourtally.orchestration.artifacts import ProgressArtifact
from hourtally.orchestration.build_queue import BuildQueue
from hourtally.orchestration.caller import Caller, use_caller
from hourtally.orchestration.flow_steps import (
    export_documents,
    ingest_inbox,
    local_workers,
    run_steps,
)
from hourtally.orchestration.parameters import (
    DEFAULT_SETTLE_MINUTES,
    Count,
    Minutes,
    resolve_parameters,
)
from hourtally.orchestration.run_names import name_backfill_run, name_hourly_run
from hourtally.orchestration.server import recorded
from hourtally.orchestration.states import unwrap
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress
from hourtally.settings import DEFAULT_MEMORY_MIB, usable_cores
from hourtally.store.durable import one_listing

_HOURLY = "hourtally-hourly"
_BACKFILL = "hourtally-backfill"


@flow(name=_HOURLY, flow_run_name=name_hourly_run, persist_result=False)
def hourly(
    home: str | None = None,
    rates: str | None = None,
    settle_minutes: Minutes = DEFAULT_SETTLE_MINUTES,
    now: str | None = None,
    workers: Count = 1,
    threads: Count | None = None,
    memory_mib: Count = DEFAULT_MEMORY_MIB,
    export: str | None = None,
    inbox: str | None = None,
) -> State[Any]:
    """Ingest the inbox and build every stale closed hour.

    Args:
        home: Home folder or URL; by default HOURTALLY_HOME, else ./data, of the machine.
        rates: Rate card; by default rates.toml in the home folder.
        settle_minutes: Minutes after its end at which an hour closes.
        now: Pretend it is this time (RFC 3339), such as 2026-11-22T14:15:00Z.
        workers: How many groups of hours are built at a time.
        threads: Cores for all workers together; by default all cores of the machine.
        memory_mib: Memory for the engine of each worker, in MiB.
        export: Folder or URL of one JSON file per customer and hour to update after the build.
        inbox: Folder or URL of event files to ingest; by default inbox/ in the home.
    """

    def steps(report: JobReport) -> None:
        job = replace(
            resolve_parameters(home, rates, now, export, inbox),
            settle_ms=round(settle_minutes * 60_000),
            workers=workers,
            threads=threads or usable_cores(),
            memory_mib=memory_mib,
        )
        card = load_rate_card(job.rates)
        ingest_inbox(job, report.ingested)
        stale = find_stale_hours(job, card)
        with local_workers(job, stale) as runner:
            progress = ProgressArtifact(f"{_HOURLY}-progress")
            BuildQueue(job, stale, runner, progress).build_all(report.built)
        with one_listing(job.home.root):
            finish_run(job, card, report)
        export_documents(job, report)

    return run_steps(_HOURLY, steps)


def run_hourly(progress: Progress | None, stop: Stop, **parameters: Any) -> JobReport:
    """Run the flow; it returns the same report and raises the same errors as without Prefect."""
    with recorded(), use_caller(Caller(progress, stop, signal.getsignal(signal.SIGTERM))):
        report: JobReport = unwrap(hourly(**parameters, return_state=True))
    return report


@flow(name=_BACKFILL, flow_run_name=name_backfill_run, persist_result=False)
def backfill(
    from_: str,
    to: str,
    force: bool = False,  # noqa: FBT001, FBT002 - a flow's parameters are given by name
    reason: str | None = None,
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
        from_: First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds (in UTC).
        to: End of the range, exclusive; the same forms.
        force: Build all closed hours of the range, current or not.
        reason: With force: why; it is kept in the manifests of the hours.
        workers: How many groups of hours are built at a time.
        home: Home folder or URL; by default HOURTALLY_HOME, else ./data, of the machine.
        rates: Rate card; by default rates.toml in the home folder.
        settle_minutes: Minutes after its end at which an hour closes.
        now: Pretend it is this time (RFC 3339), such as 2026-11-22T14:15:00Z.
        threads: Cores for all workers together (on Dask: for each); by default all cores of the
            machine.
        memory_mib: Memory for the engine of each worker, in MiB.
        export: Folder or URL of one JSON file per customer and hour to update after the build.
        dask_scheduler: Address of a Dask scheduler, such as tcp://10.0.0.5:8786, whose workers
            build the hours; by default this machine builds them.
    """

    def steps(report: JobReport) -> None:
        first, end = Hour.parse(from_), Hour.parse(to)
        if end <= first:
            message = f"to {to} is not after from {from_}"
            raise InvalidArgument(message)
        cores = threads or usable_cores()
        job = replace(
            resolve_parameters(home, rates, now, export),
            settle_ms=round(settle_minutes * 60_000),
            workers=workers,
            # On Dask each worker has a machine, or a share of one, to itself.
            threads=cores * workers if dask_scheduler else cores,
            memory_mib=memory_mib,
            force=force,
            reason=reason or "",
        )
        card = load_rate_card(job.rates)
        stale = find_stale_hours(job, card, first, end)
        tasks_on = _dask(dask_scheduler) if dask_scheduler else local_workers(job, stale)
        with tasks_on as runner:
            progress = ProgressArtifact(f"{_BACKFILL}-progress")
            BuildQueue(job, stale, runner, progress).build_all(report.built)
        report.held = find_held_customers(job, card, first, end)
        export_documents(job, report)

    return run_steps(_BACKFILL, steps)


@contextmanager
def _dask(scheduler: str) -> Iterator[TaskRunner[Any]]:
    """A task runner on the workers of a Dask scheduler.

    Raises:
        HourtallyError: Dask is not installed, or no scheduler answers at the address.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        message = "dask_scheduler is given, but Dask is not installed: pip install hourtally[dask]"
        raise HourtallyError(message) from error
    with ExitStack() as stack:
        try:
            runner = stack.enter_context(DaskTaskRunner(address=scheduler))
            # It connects when asked for its client; here a failure can still be reported.
            assert runner.client is not None
        except (OSError, ValueError) as error:
            message = f"no Dask scheduler answers at {scheduler}: {error}"
            raise HourtallyError(message) from error
        yield runner


def run_backfill(progress: Progress | None, stop: Stop, **parameters: Any) -> JobReport:
    """Run the flow; it returns the same report and raises the same errors as without Prefect."""
    with recorded(), use_caller(Caller(progress, stop, signal.getsignal(signal.SIGTERM))):
        report: JobReport = unwrap(backfill(**parameters, return_state=True))
    return report
