"""Processes that build hours: how they are started, asked to stop, and how they end.

They know no Prefect, and die with the process that has started them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as SharedEvent
from types import FrameType

from hourtally.errors import HourtallyError
from hourtally.interrupts import INTERRUPTS, Stop
from hourtally.settings import limit_polars


class _WorkerProcess(SpawnProcess):
    """A process that the pool can get rid of, and that no interrupt meets half started."""

    def start(self) -> None:
        """Start it; interrupts wait until it is told all, and until it knows how to take them."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def terminate(self) -> None:
        """End it at once: for it, SIGTERM is a request.

        The pool terminates all where one has died, because that one may have died with a lock
        that the others wait for.
        """
        self.kill()


class _WorkerContext(SpawnContext):
    """How workers are started: a forked one would inherit the engines' threads half-alive."""

    Process = _WorkerProcess


@contextlib.contextmanager
def worker_processes(
    workers: int, stop: Stop | None, threads: int
) -> Iterator[ProcessPoolExecutor]:
    """Processes that are asked to stop together with the caller, by `stop_of_this_worker`.

    A terminal interrupts them as well, so a second Ctrl-C abandons what they have in hand.
    Each has so many threads.

    Raises:
        HourtallyError: one of them was ended from outside.
    """
    context = _WorkerContext()
    asked = context.Event()
    if stop is not None:
        stop.also.append(asked)
    with (
        told_of_lost_workers(),
        ProcessPoolExecutor(workers, context, _begin_worker, (asked, threads)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            asked.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextlib.contextmanager
def told_of_lost_workers() -> Iterator[None]:
    """Around what waits for worker processes.

    Raises:
        HourtallyError: one of them was ended from outside.
    """
    try:
        yield
    except BrokenProcessPool as error:
        message = (
            "a worker process was ended from outside, by a lack of memory perhaps; the hours "
            "published so far are whole. Run the same command again, with fewer --workers."
        )
        raise HourtallyError(message) from error


class _WorkerStop(Stop):
    """Set by an interrupt of the worker process itself, or asked for by its parent.

    interrupted: whether it was interrupted itself. Where it waits for work, or hands over what it
    has done, its parent is interrupted as well and ends it.
    """

    def __init__(self, asked: SharedEvent) -> None:
        super().__init__()
        self.asked = asked
        self.interrupted = False

    def is_set(self) -> bool:
        """Whether either was."""
        return self.interrupted or super().is_set() or self.asked.is_set()


_of_this_worker: list[_WorkerStop] = []


def _begin_worker(asked: SharedEvent, threads: int) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    limit_polars(threads)
    stop = _WorkerStop(asked)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        # It does not look at `asked`, whose lock may be held by the code that it interrupts.
        if stop.interrupted:
            stop.abandon()
        stop.interrupted = True

    for number in INTERRUPTS:
        signal.signal(number, interrupted)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    _of_this_worker.append(stop)


def _end_with(parent: BaseProcess) -> None:
    """End as the parent does that is killed; else this one would wait for work for ever."""
    parent.join()
    os._exit(1)


def stop_of_this_worker() -> Stop:
    """What asks the worker process that calls this to stop."""
    return _of_this_worker[0]
