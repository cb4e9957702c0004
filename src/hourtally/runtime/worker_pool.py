"""Worker processes: how they are started, asked to stop, and how they end.

They know nothing of Prefect, and die with the process that started them.
"""

from __future__ import annotations

import contextlib
import ctypes
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
from hourtally.runtime.interrupts import INTERRUPTS, Stop, StopState
from hourtally.settings import limit_polars

_AFTER_LOSS: Final = (
    "Hours published so far are complete. Run the same command again, with fewer --workers."
)


class _WorkerProcess(SpawnProcess):
    """A process that the pool can always end, and that no interrupt hits half started."""

    def start(self) -> None:
        """Start it with interrupts blocked, until it has its handlers in place."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def terminate(self) -> None:
        """Kill it: to a worker, SIGTERM is only a request to stop.

        When one worker has died the pool terminates all of them, because the dead one may hold a
        lock that the others wait for.
        """
        self.kill()


class _WorkerContext(SpawnContext):
    """Spawns workers: a forked one would inherit the engines' threads in an unusable state."""

    Process = _WorkerProcess


@contextlib.contextmanager
def worker_processes(
    workers: int, stop: Stop | None, threads: int, after_loss: str = _AFTER_LOSS
) -> Iterator[ProcessPoolExecutor]:
    """Worker processes with `threads` threads each, which follow `stop` (`this_worker_stop`).

    A terminal interrupts the workers as well; that ends their running queries on an abort.
    after_loss: what to tell the user where a worker was killed.

    Raises:
        HourtallyError: a worker was killed from outside.
    """
    context = _WorkerContext()
    # One flag a state, only ever set; no lock, as a killed worker would never release it.
    shared = context.RawArray("b", len(StopState))

    def share(state: StopState) -> None:
        shared[state] = True

    if stop is not None:
        stop.add_listener(share)
    with (
        report_lost_workers(after_loss),
        ProcessPoolExecutor(workers, context, _begin_worker, (shared, threads)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            share(StopState.STOPPING)
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextlib.contextmanager
def report_lost_workers(after_loss: str = _AFTER_LOSS) -> Iterator[None]:
    """Around code that waits for worker processes.

    Raises:
        HourtallyError: a worker was killed from outside.
    """
    try:
        yield
    except BrokenProcessPool as error:
        message = f"a worker process was killed, perhaps for lack of memory. {after_loss}"
        raise HourtallyError(message) from error


class _WorkerStop(Stop):
    """Follows both the interrupts of the worker process itself and its parent's state."""

    def __init__(self, shared: ctypes.Array[ctypes.c_byte]) -> None:
        super().__init__()
        self._shared = shared

    @property
    def state(self) -> StopState:
        """The further of the two."""
        return max([super().state, *(state for state in StopState if self._shared[state])])


_this_worker_stop: list[_WorkerStop] = []


def _begin_worker(shared: ctypes.Array[ctypes.c_byte], threads: int) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()
    limit_polars(threads)
    stop = _WorkerStop(shared)
    is_first = True

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            stop.request()
        else:
            stop.abort()

    for number in INTERRUPTS:
        signal.signal(number, on_interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    _this_worker_stop.append(stop)


def _exit_with(parent: BaseProcess) -> None:
    """Exit once the parent is gone, even if killed; the worker would wait for work for ever."""
    parent.join()
    os._exit(1)


def this_worker_stop() -> Stop:
    """The stop of the worker process that calls this."""
    return _this_worker_stop[0]
