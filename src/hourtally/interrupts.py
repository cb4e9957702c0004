"""Being asked to stop: the first interrupt finishes what is in hand, the second abandons it.

Both leave a home folder whole. An interrupt is a SIGINT (Ctrl-C) or a SIGTERM. Where nothing is
in hand that can be abandoned, and all that is left is to say what was done, it is said.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as SharedEvent
from types import FrameType
from typing import Final

from hourtally.errors import HourtallyError
from hourtally.settings import limit_polars

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop(threading.Event):
    """Whether to stop.

    also: what else is to be set with it, in other processes.
    abandons: whether an interrupt after the first one abandons what is in hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.also: list[SharedEvent] = []
        self.abandons = True

    def set(self) -> None:
        """Ask for it."""
        super().set()
        for event in self.also:
            event.set()


@contextlib.contextmanager
def gently(say: str) -> Iterator[Stop]:
    """Take the first interrupt as a request to stop, and say so on standard error.

    Raises:
        KeyboardInterrupt: at the second one, or where that abandons nothing, at the one after.
    """
    stop = Stop()
    # Counted, as `stop` may be set before the first one is taken here: Polars sees interrupts on
    # its own and raises in whichever thread is in a query.
    taken = itertools.count(1)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        if next(taken) == 1:
            stop.set()
            print(say, file=sys.stderr, flush=True)  # noqa: T201 - for whoever pressed Ctrl-C
        elif stop.abandons:
            raise KeyboardInterrupt
        else:
            # The end is near; whoever does not see it come gets out by another one.
            stop.abandons = True

    before = {number: signal.signal(number, interrupted) for number in _INTERRUPTS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def abandoned_at_an_interrupt(stop: Stop | None) -> Iterator[None]:
    """Around work that an interrupt ends as a request to stop does, if anybody can request it.

    After it nothing is left to abandon.

    Raises:
        KeyboardInterrupt: nobody can.
    """
    try:
        try:
            yield
        finally:
            # One that comes before this is caught below.
            if stop is not None:
                stop.abandons = False
    except KeyboardInterrupt:
        if stop is None:
            raise
        stop.abandons = False
        stop.set()


class _WorkerProcess(SpawnProcess):
    """A process that the pool can get rid of, and that no interrupt meets half started."""

    def start(self) -> None:
        """Start it; interrupts wait until it is told all, and until it knows how to take them."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
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
    """Processes that are asked to stop together with the caller; `in_hand` there.

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

    interrupted: whether it was interrupted itself. is_working: whether it has something in
    hand, which a second interrupt abandons; where it waits for work, or hands over what it has
    done, its parent is interrupted as well and ends it.
    """

    def __init__(self, asked: SharedEvent) -> None:
        super().__init__()
        self.asked = asked
        self.interrupted = False
        self.is_working = False

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
        if stop.interrupted and stop.is_working:
            raise KeyboardInterrupt
        stop.interrupted = True

    for number in _INTERRUPTS:
        signal.signal(number, interrupted)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    _of_this_worker.append(stop)


def _end_with(parent: BaseProcess) -> None:
    """End as the parent does that is killed; else this one would wait for work for ever."""
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def in_hand() -> Iterator[Stop]:
    """Around work of the worker process that calls this; what asks it to stop."""
    stop = _of_this_worker[0]
    stop.is_working = True
    try:
        yield stop
    finally:
        stop.is_working = False
