"""Hours built by several worker processes, which share the cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import replace
from typing import Final

from hourtally.build.builder import Builder, BuildReport
from hourtally.build.staleness import StaleHour
from hourtally.errors import StorageFault
from hourtally.runtime.interrupts import Stop, abandoned_at_an_interrupt
from hourtally.runtime.progress import Progress
from hourtally.runtime.worker_pool import stop_of_this_worker, worker_processes

# Enough that handing them over costs nothing, few enough that all workers end together.
_MOST_HOURS_A_TASK: Final = 24


def build_with_workers(
    builder: Builder,
    stale: Sequence[StaleHour],
    workers: int,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> BuildReport:
    """As `Builder.build`, in several processes; the report is in order of hours."""
    threads = max(1, builder.settings.threads // workers)
    share = replace(builder, settings=replace(builder.settings, threads=threads))
    report = BuildReport(undone=len(stale))
    # All of them are started at once, also those that would find no hour left.
    with (
        abandoned_at_an_interrupt(stop),
        worker_processes(min(workers, len(stale)), stop, threads) as pool,
    ):
        tasks = {
            pool.submit(build_in_worker, share, group): group for group in _groups(stale, workers)
        }

        def add(task: Future[tuple[BuildReport, StorageFault | None]]) -> None:
            (part, fault), group = task.result(), tasks.pop(task)
            if fault is not None:
                raise fault
            report.add(part)
            report.undone -= len(group)
            if progress and part.undone < len(group):
                last = group[len(group) - part.undone - 1].hour.name
                progress(len(stale) - report.undone, len(stale), last)

        with abandoned_at_an_interrupt(stop):
            for task in as_completed(tasks):
                add(task)
        # Those that a third interrupt has cut off: the second had their hours abandoned.
        for task in list(tasks):
            if not task.cancel():
                add(task)
    report.built.sort(key=lambda receipt: receipt.hour)
    report.failed.sort(key=lambda failure: failure[0])
    return report


def build_in_worker(
    builder: Builder, group: Sequence[StaleHour]
) -> tuple[BuildReport, StorageFault | None]:
    """Build hours in a worker process, which may be asked to stop; see `Builder.build_so_far`."""
    return builder.build_so_far(group, stop=stop_of_this_worker())


def _groups(stale: Sequence[StaleHour], workers: int) -> Iterator[Sequence[StaleHour]]:
    size = min(_MOST_HOURS_A_TASK, max(1, len(stale) // (4 * workers)))
    for start in range(0, len(stale), size):
        yield stale[start : start + size]
