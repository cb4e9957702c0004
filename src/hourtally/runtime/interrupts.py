"""Graceful shutdown: the first Ctrl-C finishes the work in progress, the second aborts it.

A job is in one of three states, and only ever moves forward:

    RUNNING ──first interrupt──> STOPPING ──second interrupt──> ABORTING

- STOPPING: no new hour or file is started; those in progress are finished and published.
- ABORTING: the work in progress is dropped. Nothing half-built is published, and the same
  command afterwards completes to the same bytes.

An interrupt is a SIGINT (Ctrl-C) or a SIGTERM. Any further one repeats the second.

How an abort reaches the work depends on the work. A build calls `Stop.check` between its stages,
because an exception raised at an arbitrary line inside an engine may end in a panic there or get
lost. Work that never checks gets a KeyboardInterrupt at once.
"""

from __future__ import annotations

import contextlib
import enum
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn

INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
# How many KeyboardInterrupts `raise_interrupt` has raised in this process.
_raised = 0


def raise_interrupt(_signal: int | None = None, _frame: FrameType | None = None) -> NoReturn:
    """Interrupt whatever the main thread is doing; also usable as a signal handler.

    Raises:
        KeyboardInterrupt: always. A library may turn it into another exception on its way; see
            `as_keyboard_interrupt`.
    """
    global _raised
    _raised += 1
    raise KeyboardInterrupt


@contextlib.contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """Restore a KeyboardInterrupt that a library has turned into another exception.

    DuckDB raises a RuntimeError when a query is interrupted, and an InvalidInputException when
    that happens while it asks Python for an object's rows. Polars panics, or loses the interrupt
    in the hash of a data type and raises a TypeError.

    Raises:
        KeyboardInterrupt: instead of any exception that follows a `raise_interrupt`.
    """
    before = _raised
    try:
        yield
    except BaseException as error:
        if _raised == before or isinstance(error, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt from error


def load_polars() -> None:
    """Import Polars and keep the SIGINT handler that was installed before.

    On import Polars installs its own handler in front of the existing one, and raises
    KeyboardInterrupt in its queries even if that one only takes note. Only the main thread can
    set handlers, so the main thread calls this before other threads import Polars.
    """
    import polars  # noqa: F401 - imported for its side effect

    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


class StopState(enum.IntEnum):
    """How far a job has been asked to stop."""

    RUNNING = 0
    STOPPING = 1
    ABORTING = 2


class Stop:
    """Whether a job has been asked to stop, for the job to look at.

    It has no locks: a signal handler would wait for the code that it interrupts.

    Attributes:
        current_work: what STOPPING finishes, for the message to the user.
        is_checked: whether the work in progress calls `check`. If not, an abort is raised.
    """

    def __init__(self) -> None:
        self.current_work = "current hours"
        self.is_checked = False
        # Only added to: a handler that interrupts another one cannot move the state back.
        self._reached = {StopState.RUNNING}
        self._listeners: list[Callable[[StopState], None]] = []
        self._queries: list[Callable[[], None]] = []

    @property
    def state(self) -> StopState:
        """How far the job has been asked to stop."""
        return max(self._reached)

    def is_set(self) -> bool:
        """Whether to start nothing more."""
        return self.state >= StopState.STOPPING

    def request(self) -> None:
        """Finish the work in progress and start nothing more."""
        self._reach(StopState.STOPPING)

    def abort(self) -> None:
        """Drop the work in progress at its next `check`; running queries end at once."""
        self._reach(StopState.ABORTING)
        for interrupt in list(self._queries):
            interrupt()

    def _reach(self, state: StopState) -> None:
        self._reached.add(state)
        for listener in self._listeners:
            listener(state)

    def check(self) -> None:
        """Called between two stages of the work in progress.

        Raises:
            KeyboardInterrupt: the job is aborting.
        """
        if self.state is StopState.ABORTING:
            raise KeyboardInterrupt

    def add_listener(self, listener: Callable[[StopState], None]) -> None:
        """Call `listener` with each state that the job reaches, and now with the present one."""
        self._listeners.append(listener)
        listener(self.state)

    @contextlib.contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Around an engine's queries; an abort calls `interrupt` to end the running one."""
        self._queries.append(interrupt)
        try:
            self.check()
            yield
        finally:
            self._queries.remove(interrupt)


@contextlib.contextmanager
def graceful_shutdown() -> Iterator[Stop]:
    """Turn interrupts into requests to stop, and tell the user what to expect.

    Raises:
        KeyboardInterrupt: at the second interrupt, if the work in progress never checks.
    """
    stop = Stop()
    is_first = True

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        # Not derived from `stop.state`: a job that ends by an error requests its own stop, and
        # the user's first interrupt then still finishes what is in progress.
        nonlocal is_first
        if is_first:
            is_first = False
            stop.request()
            message = f"Stopping after the {stop.current_work}. Press Ctrl-C again to abort."
            print(f"hourtally: {message}", file=sys.stderr, flush=True)  # noqa: T201
            return
        stop.abort()
        if not stop.is_checked:
            raise_interrupt()

    before = {number: signal.signal(number, on_interrupt) for number in INTERRUPTS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ended_by_abort(stop: Stop | None) -> Iterator[Stop]:
    """Around work that checks `stop`: an abort ends it early, like a request to stop.

    `stop.is_checked` stays on afterwards. What follows is either such work again or the report of
    what was done, which another interrupt must not cut off.

    Raises:
        KeyboardInterrupt: there is no `stop`; then the one that is yielded is never set.
    """
    if stop is None:
        yield Stop()
        return
    stop.is_checked = True
    try:
        yield stop
    except KeyboardInterrupt:
        stop.request()
