"""The part that both flows have: stale hours, in groups, each a task; shown as they are done."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any

from prefect import State
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from hourtally.build.builder import BuildReport
from hourtally.build.staleness import StaleHour
from hourtally.errors import HourtallyError
from hourtally.ingest.files import IngestReport, new_files
from hourtally.jobs.report import JobReport
from hourtally.orchestration.artifacts import ProgressArtifact, show_days, show_report
from hourtally.orchestration.parameters import (
    Work,
    current_caller,
    failed,
    final_state,
    unwrap,
    use_caller,
)
from hourtally.orchestration.tasks import build, export, ingest
from hourtally.runtime.interrupts import load_polars
from hourtally.runtime.progress import Progress
from hourtally.runtime.worker_pool import worker_processes

# An hour takes seconds, and a task 25 ms of the Prefect server besides. A group is of one day.
_MOST_HOURS_A_TASK = 24
_MOST_FILES_A_TASK = 24


def run_steps(key: str, steps: Callable[[JobReport], None]) -> State[Any]:
    """Take the steps of a job; its final state. What was done is shown, however it ended.

    Args:
        key: of the artifacts.
        steps: they fill the report that they are given.
    """
    report = JobReport()
    with use_caller() as caller:
        if caller.at_sigterm is not None:
            # In the place of the engine's handler, until the engine puts back what it found.
            signal.signal(signal.SIGTERM, caller.at_sigterm)
        # Threads of tasks would do it otherwise, which cannot set handlers.
        load_polars()
        try:
            steps(report)
        except HourtallyError as error:
            show_report(key, report, error)
            return failed(error)
    show_report(key, report)
    return final_state(report)


def ingest_all(work: Work, report: IngestReport) -> None:
    """Ingest the new files of the inbox, some a task, one task at a time.

    Raises:
        HourtallyError: what ended a task.
    """
    files = new_files(work.home, report)
    for start in range(0, len(files), _MOST_FILES_A_TASK):
        group = files[start : start + _MOST_FILES_A_TASK]
        part: IngestReport = unwrap(ingest(work, group, IngestReport(), return_state=True))
        report.files += part.files
        report.refused += part.refused
        report.undone += part.undone


def export_all(work: Work, report: JobReport) -> None:
    """Bring the export into step, if there is one and the job came to its end."""
    if work.export is None or report.interrupted:
        return
    try:
        report.exported = unwrap(export(work, work.export, return_state=True))
    except HourtallyError as error:
        report.exported = error


@contextmanager
def processes_of(work: Work, stale: Sequence[StaleHour]) -> Iterator[None]:
    """Have these hours built by processes of their own, if by several workers, on this machine.

    Threads of one process would wait for each other, and for Prefect's.

    Raises:
        HourtallyError: a process was ended from outside.
    """
    workers = min(work.workers, len(stale))
    caller = current_caller()
    if workers < 2:
        yield
        return
    with (
        worker_processes(workers, caller.stop, work.settings.threads) as processes,
        use_caller(replace(caller, processes=processes)),
    ):
        yield


def build_all(
    work: Work,
    stale: Sequence[StaleHour],
    runner: TaskRunner[Any],
    progress: ProgressArtifact,
    built: BuildReport,
) -> None:
    """Build hours in tasks of many, as many tasks at a time as there are workers.

    Args:
        work, stale: where, how and which.
        runner: of the tasks; it is in use.
        progress: told of every task that has ended.
        built: empty; has what was built also where this raises.

    Raises:
        HourtallyError: what ended a task; the others have ended when it is raised.
    """
    caller = current_caller()
    # To raise a second interrupt in what waits for the tasks, or tells the server of them, would
    # end nothing sooner and lose what was done.
    caller.stop.is_looked_at = True
    # Processes take their hours from all tasks: one more, and none waits while a task begins.
    tasks = work.workers + (caller.processes is not None)
    groups = list(_groups(stale, work.workers))
    running: deque[tuple[int, PrefectFuture[Any]]] = deque()
    # By the number of their group: whatever ends this in between, a report is neither lost nor
    # counted twice.
    parts: dict[int, BuildReport] = {}
    hours = _Hours(caller.progress, len(stale))

    def collect() -> BuildReport:
        number, future = running[0]
        group = groups[number]
        future.wait()
        part: BuildReport = unwrap(future.state)
        parts[number] = part
        running.popleft()
        # Of a task on another machine no hour was told before.
        hours.add(*(one.hour.name for one in group[: len(group) - part.undone]))
        return part

    def show(*several: BuildReport) -> None:
        for part in several:
            show_days(work.home, part)
            progress.show(len(hours.done), len(stale), hours.last)

    progress.begin(len(stale))
    try:
        with use_caller(replace(caller, hour_done=hours.add)):
            for number, group in enumerate(groups):
                ended = [collect()] if len(running) == tasks else []
                # Tasks on other machines do not see it, so they are not begun.
                if not caller.stop.is_set():
                    # All that travels to the machine that builds these hours.
                    given = {"work": work, "stale": group, "report": BuildReport()}
                    running.append((number, runner.submit(build, given)))
                # After that, so that nothing waits for the server.
                show(*ended)
            while running:
                show(collect())
    except BaseException:
        caller.stop.set()
        parts.update(_ended((n, future) for n, future in running if n not in parts))
        raise
    else:
        built.undone += _not_begun(groups, parts)
    finally:
        for part in parts.values():
            built.add(part)


class _Hours:
    """The hours that are done, of so many; told by any thread, and shown to whoever waits."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.done: set[str] = set()
        self.last: str | None = None
        self._progress = progress
        self._total = total
        self._lock = threading.Lock()

    def add(self, *names: str) -> None:
        """Take in hours; those that are known already change nothing."""
        with self._lock:
            for name in names:
                if name not in self.done:
                    self.done.add(name)
                    self.last = name
                    if self._progress is not None:
                        self._progress(len(self.done), self._total, name)


def _not_begun(groups: Sequence[Sequence[StaleHour]], parts: Mapping[int, BuildReport]) -> int:
    """How many hours are of groups that have no report."""
    return sum(len(group) for number, group in enumerate(groups) if number not in parts)


def _ended(
    running: Iterable[tuple[int, PrefectFuture[Any]]],
) -> Iterator[tuple[int, BuildReport]]:
    """The reports of tasks, once they have ended; of those that failed there is none."""
    for number, future in running:
        future.wait()
        part = future.state.result(raise_on_failure=False)
        if isinstance(part, BuildReport):
            yield number, part


def _groups(stale: Sequence[StaleHour], workers: int) -> Iterator[Sequence[StaleHour]]:
    size = max(1, min(_MOST_HOURS_A_TASK, -(-len(stale) // workers)))
    for _, of_a_day in groupby(stale, key=lambda one: one.hour.name[:10]):
        hours = list(of_a_day)
        for start in range(0, len(hours), size):
            yield hours[start : start + size]
