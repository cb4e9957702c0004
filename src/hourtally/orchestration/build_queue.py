"""Building stale hours in tasks: a few at a time, with no report lost or counted twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from hourtally.build.builder import BuildReport
from hourtally.build.grouping import MAX_GROUP_HOURS
from hourtally.build.staleness import StaleHour
from hourtally.jobs.job import Job
from hourtally.orchestration.artifacts import ProgressArtifact, show_days
from hourtally.orchestration.caller import current_caller, use_caller
from hourtally.orchestration.states import unwrap
from hourtally.orchestration.tasks import build
from hourtally.runtime.progress import Progress


class BuildQueue:
    """Groups of stale hours, each of which one task builds.

    Reports are kept by the number of their group, and a group is only taken off the running ones
    once its report is kept. So whatever ends the flow in between, no report is lost and none is
    counted twice.
    """

    def __init__(
        self,
        job: Job,
        stale: Sequence[StaleHour],
        runner: TaskRunner[Any],
        progress: ProgressArtifact,
    ) -> None:
        """Nothing is submitted yet. `runner` is in use; `progress` is updated after each task."""
        self._job = job
        self._groups = list(_groups(stale, job.workers))
        self._total = len(stale)
        self._runner = runner
        self._progress = progress
        self._caller = current_caller()
        self._hours = _FinishedHours(self._caller.progress, len(stale))
        # Worker processes take hours from all tasks: with one more task than workers, none waits
        # while a task starts.
        self._max_running = job.workers + (self._caller.processes is not None)
        self._running: dict[int, PrefectFuture[Any]] = {}
        self._reports: dict[int, BuildReport] = {}

    def build_all(self, built: BuildReport) -> None:
        """Build all hours into the empty report `built`, which is filled even if this raises.

        Raises:
            HourtallyError: a task failed. The other running tasks have ended by then.
        """
        stop = self._caller.stop
        stop.current_work = "current hours"
        # The tasks check it. A KeyboardInterrupt here, while this thread waits for them or talks
        # to the server, would end nothing sooner and lose the reports.
        stop.is_checked = True
        self._progress.begin(self._total)
        try:
            with use_caller(replace(self._caller, hour_done=self._hours.add)):
                for number in range(len(self._groups)):
                    ended = [self._collect()] if len(self._running) == self._max_running else []
                    # Tasks on other machines do not see the stop: they must not be submitted.
                    if not stop.is_set():
                        self._submit(number)
                    # Only now, so that no worker waits for the server.
                    self._show(*ended)
                while self._running:
                    self._show(self._collect())
        except BaseException:
            stop.request()
            self._drain()
            raise
        else:
            built.undone += sum(
                len(group)
                for number, group in enumerate(self._groups)
                if number not in self._reports
            )
        finally:
            for report in self._reports.values():
                built.add(report)

    def _submit(self, number: int) -> None:
        """Submit the task of a group; its parameters are all that travels to its machine."""
        parameters = {
            "job": self._job,
            "stale": self._groups[number],
            "report": BuildReport(),
        }
        self._running[number] = self._runner.submit(build, parameters)

    def _collect(self) -> BuildReport:
        """Wait for the task that has run longest, and keep its report.

        Raises:
            HourtallyError: the task failed.
        """
        number, future = next(iter(self._running.items()))
        future.wait()
        report: BuildReport = unwrap(future.state)
        self._reports[number] = report
        del self._running[number]
        # A task on another machine could not report its hours one by one.
        group = self._groups[number]
        self._hours.add(*(one.hour.name for one in group[: len(group) - report.undone]))
        return report

    def _drain(self) -> None:
        """Wait for all running tasks, and keep the reports of those that did not fail."""
        for number, future in self._running.items():
            future.wait()
            # What ended the flow is told, not what a task ended with meanwhile.
            with suppress(Exception):
                report = unwrap(future.state)
                if isinstance(report, BuildReport):
                    self._reports[number] = report

    def _show(self, *reports: BuildReport) -> None:
        for report in reports:
            show_days(self._job.home, report)
            self._progress.show(len(self._hours.names), self._total, self._hours.last)


class _FinishedHours:
    """The hours finished so far, reported by any thread and shown to the caller."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.names: set[str] = set()
        self.last: str | None = None
        self._progress = progress
        self._total = total
        self._lock = threading.Lock()

    def add(self, *names: str) -> None:
        """Add hours; those that are known already change nothing."""
        with self._lock:
            for name in names:
                if name not in self.names:
                    self.names.add(name)
                    self.last = name
                    if self._progress is not None:
                        self._progress(len(self.names), self._total, name)


def _groups(stale: Sequence[StaleHour], workers: int) -> Iterator[Sequence[StaleHour]]:
    """The hours of each task: of one day, and few enough that every worker gets some.

    An hour takes seconds; a task costs the Prefect server 25 ms on top.
    """
    size = max(1, min(MAX_GROUP_HOURS, -(-len(stale) // workers)))
    for _, of_a_day in groupby(stale, key=lambda one: one.hour.name[:10]):
        hours = list(of_a_day)
        for start in range(0, len(hours), size):
            yield hours[start : start + size]
