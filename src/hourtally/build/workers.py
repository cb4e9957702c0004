"""Build hours in several worker processes, which share the cores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import replace

from hourtally.build.builder import Builder, BuildReport
from hourtally.build.grouping import MAX_GROUP_HOURS
from hourtally.build.staleness import StaleHour
from hourtally.errors import StorageFault
from hourtally.runtime.interrupts import Stop, ended_by_abort
from hourtally.runtime.progress import Progress
from hourtally.runtime.worker_pool import this_worker_stop, worker_processes
from hourtally.store.files import files_at


def build_with_workers(
    builder: Builder,
    stale: Sequence[StaleHour],
    workers: int,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> BuildReport:
    """As `Builder.build`, in several processes; the report is in the order of the hours."""
    threads = max(1, builder.settings.threads // workers)
    share = replace(builder, settings=replace(builder.settings, threads=threads))
    report = BuildReport(undone=len(stale))
    # The pool starts all its processes at once, so no more of them than there are hours.
    with (
        ended_by_abort(stop),
        worker_processes(min(workers, len(stale)), stop, threads) as pool,
    ):
        tasks = {
            pool.submit(build_in_worker, share, group): group for group in _groups(stale, workers)
        }
        for task in as_completed(tasks):
            (part, fault), group = task.result(), tasks[task]
            files_at(builder.home.root).add_requests(part.requests)
            if fault is not None:
                raise fault
            report.add(part)
            report.undone -= len(group)
            if progress and part.undone < len(group):
                last = group[len(group) - part.undone - 1].hour.name
                progress(len(stale) - report.undone, len(stale), last)
    report.built.sort(key=lambda receipt: receipt.hour)
    report.failed.sort(key=lambda failure: failure[0])
    return report


def build_in_worker(
    builder: Builder, group: Sequence[StaleHour]
) -> tuple[BuildReport, StorageFault | None]:
    """Build hours in a worker process, as its parent's stop allows; see `build_so_far`."""
    files = files_at(builder.home.root)
    before = Counter(files.requests())
    report, fault = builder.build_so_far(group, stop=this_worker_stop())
    report.requests = dict(Counter(files.requests()) - before)
    return report, fault


def _groups(stale: Sequence[StaleHour], workers: int) -> Iterator[Sequence[StaleHour]]:
    # Four groups a worker, so that all workers end at about the same time.
    size = min(MAX_GROUP_HOURS, max(1, len(stale) // (4 * workers)))
    for start in range(0, len(stale), size):
        yield stale[start : start + size]
