"""A backfill as a flow: the stale closed hours of a range, many hours a task.

Tasks run on threads, as Prefect does by default: the engines do the work, and they release
the interpreter. For many machines the same flow runs with
`backfill.with_options(task_runner=DaskTaskRunner(...))` of prefect-dask (the extra `dask`) on
a home folder that all of them mount.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.futures import PrefectFuture

from flows.tasks import (
    MOST_HOURS_A_TASK,
    build,
    collect,
    failed,
    finish,
    outcome,
    stopping,
    work_of,
)
from hourtally.errors import HourtallyError, WrongUse
from hourtally.home import Home
from hourtally.hours import Hour, format_instant
from hourtally.pipeline import BuildReport, stale_hours
from hourtally.ratecard import RateCard
from hourtally.settings import Settings
from hourtally.staleness import StaleHour


@flow(name="backfill", persist_result=False)
def backfill(
    first: str,
    end: str,
    home: Path | None = None,
    rates: Path | None = None,
    now: str | None = None,
    settings: Settings | None = None,
    workers: int = 1,
    force: bool = False,  # noqa: FBT001, FBT002 - a flow's parameters are given by name
) -> State[Any]:
    """Build the stale closed hours of `[first, end)`.

    Args:
        first: the first hour, such as 2026-11-22T13.
        end: the hour after the last one.
        home: the home folder; HOURTALLY_HOME or ./data where it is not given.
        rates: the rate card; `rates.toml` in the home where it is not given.
        now: an RFC 3339 instant that stands for the clock.
        settings: settle time, threads, memory; all workers together.
        workers: tasks at a time.
        force: build hours that are not stale too.
    """
    try:
        if workers < 1:
            message = f"workers is {workers}, not at least 1"
            raise WrongUse(message)
        where, card, now_ms, how = work_of(home, rates, now, settings)
        stale = stale_hours(
            where, card, now_ms, how, Hour.parse(first), Hour.parse(end), force=force
        )
        share = replace(how, threads=max(1, how.threads // workers))
        built = _build_all(where, card, stale, now_ms, share, workers, force=force)
    except HourtallyError as error:
        return failed(error)
    return finish("hourtally-backfill", None, built)


def _build_all(
    home: Home,
    card: RateCard,
    stale: Sequence[StaleHour],
    now_ms: int,
    settings: Settings,
    workers: int,
    *,
    force: bool,
) -> BuildReport:
    """Build hours in tasks of many, as many tasks at a time as there are workers."""
    built = BuildReport()
    running: deque[PrefectFuture[Any]] = deque()
    size = max(1, min(MOST_HOURS_A_TASK, -(-len(stale) // workers)))
    stopping.clear()
    try:
        for start in range(0, len(stale), size):
            if len(running) == workers:
                collect(built, outcome(_settled(running.popleft())))
            group = stale[start : start + size]
            report = BuildReport()
            running.append(build.submit(home, card, group, now_ms, settings, report, force=force))
        while running:
            collect(built, outcome(_settled(running.popleft())))
    except BaseException:
        stopping.set()
        raise
    return built


def _settled(future: PrefectFuture[Any]) -> State[Any]:
    """The state in which a task has ended."""
    future.wait()
    return future.state


def run_backfill(
    home: Home,
    rates: Path | None,
    first: Hour,
    end: Hour,
    now_ms: int,
    settings: Settings,
    workers: int,
    *,
    force: bool,
) -> BuildReport:
    """Run the flow; the same report, and the same errors raised, as the pipeline's own."""
    report: BuildReport = outcome(
        backfill(
            first.name,
            end.name,
            home=home.root.absolute(),
            rates=rates and rates.absolute(),
            now=format_instant(now_ms),
            settings=settings,
            workers=workers,
            force=force,
            return_state=True,
        )
    )
    return report
