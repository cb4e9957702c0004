"""Processes that build hours: how they are started, asked to stop, and how they end.

They know no Prefect, and die with the process that has started them.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Final

from hourtally.errors import HourtallyError
from hourtally.runtime.interrupts import INTERRUPTS, Stop
from hourtally.settings import limit_polars

# What workers are asked for.
_NOTHING: Final = 0
_STOP: Final = 1
_ABANDON: Final = 2


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
    """Processes of so many threads each, told what the caller is asked for (`stop_of_this_worker`).

    A terminal interrupts them as well: that ends the queries of hours that are abandoned.

    Raises:
        HourtallyError: one of them was ended from outside.
    """
    context = _WorkerContext()
    # Without a lock, which one that is killed would take with it.
    asked = context.RawValue("i", _NOTHING)

    def ask(is_abandoned: bool) -> None:  # noqa: FBT001 - as `Stop.tell` calls it
        asked.value = _ABANDON if is_abandoned else max(asked.value, _STOP)

    if stop is not None:
        stop.tell(ask)
    with (
        report_lost_workers(),
        ProcessPoolExecutor(workers, context, _begin_worker, (asked, threads)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            ask(is_abandoned=False)
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextlib.contextmanager
def report_lost_workers() -> Iterator[None]:
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
    """Asked for by interrupts of the worker process itself, or by its parent."""

    def __init__(self, asked: ctypes.c_int) -> None:
        super().__init__()
        self._asked = asked

    def is_set(self) -> bool:
        """Whether either has asked to stop."""
        return super().is_set() or self._asked.value >= _STOP

    def check(self) -> None:
        """Look whether either has what is in hand abandoned."""
        if self._asked.value >= _ABANDON:
            raise KeyboardInterrupt
        super().check()


_of_this_worker: list[_WorkerStop] = []


def _begin_worker(asked: ctypes.c_int, threads: int) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    limit_polars(threads)
    stop = _WorkerStop(asked)
    numbers = itertools.count(1)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        if next(numbers) > 1:
            stop.abandon()
        stop.set()

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
