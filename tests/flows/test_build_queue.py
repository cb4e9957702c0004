"""The queue of build tasks, with tasks that end as each test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from prefect import State
from prefect.states import Completed
from prefect.task_runners import TaskRunner

from hourtally.build.builder import BuildReport
from hourtally.build.staleness import StaleHour
from hourtally.errors import HourtallyError, StorageFault
from hourtally.jobs.job import Job
from hourtally.model.hours import Hour, hours_between
from hourtally.orchestration import build_queue
from hourtally.orchestration.artifacts import ProgressArtifact
from hourtally.orchestration.build_queue import BuildQueue
from hourtally.orchestration.caller import Caller, use_caller
from hourtally.orchestration.states import failed_state
from hourtally.runtime.interrupts import Stop
from hourtally.store.layout import Home

# Three days of 24 hours: three tasks.
STALE = [
    StaleHour(hour, ("never built",))
    for hour in hours_between(Hour.parse("2026-11-02T00"), Hour.parse("2026-11-05T00"))
]
FAULT = StorageFault("the disk is full")


class Task:
    """A task that ends when it is waited for, as `end` says."""

    def __init__(self, end: Callable[[], State[Any]]) -> None:
        self.end = end
        self.waits = 0
        self.state: State[Any] | None = None

    def wait(self) -> None:
        self.waits += 1
        if self.state is None:
            self.state = self.end()


class Runner:
    """Submits the given tasks, one after another."""

    def __init__(self, *ends: Callable[[], State[Any]]) -> None:
        self.ends = list(ends)
        self.submitted: list[Task] = []

    def submit(self, _task: object, _parameters: dict[str, Any]) -> Task:
        task = Task(self.ends[len(self.submitted)])
        self.submitted.append(task)
        return task


class Progress:
    def __init__(self) -> None:
        self.shown: list[int] = []

    def begin(self, total: int) -> None:
        self.shown.append(total)

    def show(self, done: int, _total: int, _hour: str | None) -> None:
        self.shown.append(done)


def done(failed_hour: str) -> Callable[[], State[Any]]:
    """A task that returns a report which names one hour."""
    report = BuildReport(failed=[(failed_hour, HourtallyError(failed_hour))])
    return lambda: Completed(data=report)


def fails() -> State[Any]:
    return failed_state(FAULT)


def build(
    monkeypatch: pytest.MonkeyPatch, runner: Runner, built: BuildReport, stop: Stop, workers: int
) -> Progress:
    monkeypatch.setattr(build_queue, "show_days", lambda *_: None)
    home = Home.__new__(Home)
    job = Job(home, rates=cast("Any", None), now_ms=0, threads=1, workers=workers)
    progress = Progress()
    with use_caller(Caller(stop=stop)):
        queue = BuildQueue(
            job, STALE, cast("TaskRunner[Any]", runner), cast("ProgressArtifact", progress)
        )
        queue.build_all(built)
    return progress


def names(built: BuildReport) -> list[str]:
    return [hour for hour, _ in built.failed]


def test_reports_come_in_the_order_of_the_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, built = Runner(done("a"), done("b"), done("c")), BuildReport()

    progress = build(monkeypatch, runner, built, Stop(), workers=2)

    assert names(built) == ["a", "b", "c"]
    assert built.undone == 0
    assert progress.shown == [72, 24, 48, 72]


def test_after_a_failed_task_the_running_ones_are_waited_for_and_no_other_is_submitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner, built, stop = Runner(fails, done("b"), done("c")), BuildReport(), Stop()

    with pytest.raises(StorageFault, match="the disk is full"):
        build(monkeypatch, runner, built, stop, workers=2)

    assert names(built) == ["b"]
    assert len(runner.submitted) == 2
    assert stop.is_set()


def test_an_exception_while_it_waits_loses_no_report_and_counts_none_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = []

    def interrupted_once() -> State[Any]:
        waits.append(1)
        if len(waits) == 1:
            raise KeyboardInterrupt
        return done("b")()

    runner, built = Runner(done("a"), interrupted_once, done("c")), BuildReport()

    with pytest.raises(KeyboardInterrupt):
        build(monkeypatch, runner, built, Stop(), workers=3)

    assert names(built) == ["a", "b", "c"]


def test_after_a_request_to_stop_the_hours_of_the_other_tasks_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop, built = Stop(), BuildReport()

    def stops() -> State[Any]:
        stop.request()
        return done("a")()

    runner = Runner(stops, done("b"))

    build(monkeypatch, runner, built, stop, workers=1)

    assert names(built) == ["a"]
    assert (len(runner.submitted), built.undone) == (1, 48)
