"""Being asked to stop: the first interrupt finishes what is in hand, the second abandons it.

Both leave a home folder whole. An interrupt is a SIGINT (Ctrl-C) or a SIGTERM. Hours in hand look
between their stages whether they are abandoned: an exception that is raised amid the engines' code
may end in a panic of theirs, or get lost. So the second is raised only where nothing looks; the
third always is, for whoever has no time.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn

INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


class _BrokenOff:
    """How often something was broken off in this process."""

    times = 0


def raise_interrupt(_signal: int | None = None, _frame: FrameType | None = None) -> NoReturn:
    """Break off whatever goes on; also a handler of a signal.

    Raises:
        KeyboardInterrupt: always. Where that passes through a library it may become another
            exception; see `as_keyboard_interrupt`.
    """
    _BrokenOff.times += 1
    raise KeyboardInterrupt


@contextlib.contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """Around what an interrupt may end by way of a library: however that put it, it is told.

    DuckDB has a RuntimeError for an interrupt of its query, and an InvalidInputException for one
    that it meets where it asks Python for the rows of an object; Polars panics, or loses it in
    the hash of a data type and calls that a TypeError.

    Raises:
        KeyboardInterrupt: in place of any error that comes after `raise_interrupt`.
    """
    before = _BrokenOff.times
    try:
        yield
    except BaseException as error:
        if _BrokenOff.times == before or isinstance(error, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt from error


def load_polars() -> None:
    """Have Polars loaded, and SIGINT taken by whoever took it before.

    Polars puts a handler of its own before the one that it finds, and raises KeyboardInterrupt in
    its queries also where that one only takes note. Handlers are set in the main thread alone: in
    others it is loaded only, so where they are to load it the main thread does before.
    """
    import polars  # noqa: F401 - for what it does when it is loaded

    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


class Stop:
    """Whether to stop, and whether to abandon what is in hand too.

    It has no locks: a handler of signals would wait for what it interrupts.

    is_looked_at: whether what is in hand looks here; a second interrupt is then noted here, else
        it is raised.
    is_over: whether all that is left is to say what was done; one interrupt more is spared.
    """

    def __init__(self) -> None:
        self.is_looked_at = False
        self.is_over = False
        self._is_set = False
        self._is_abandoned = False
        self._others: list[Callable[[bool], None]] = []
        self._queries: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set

    def set(self) -> None:
        """Ask for it."""
        self._is_set = True
        self._tell()

    def abandon(self) -> None:
        """Have what is in hand abandoned when it looks the next time; a query is ended at once."""
        self._is_abandoned = True
        self._tell()
        for interrupt in list(self._queries):
            interrupt()

    def tell(self, other: Callable[[bool], None]) -> None:
        """Have another told of what is asked for, also before: whether to abandon, too."""
        self._others.append(other)
        if self._is_set:
            self._tell()

    def _tell(self) -> None:
        for other in self._others:
            other(self._is_abandoned)

    def check(self) -> None:
        """Look, between two stages of what is in hand.

        Raises:
            KeyboardInterrupt: it is abandoned.
        """
        if self._is_abandoned:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def ending(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Around queries of an engine, and what ends one that goes on."""
        self._queries.append(interrupt)
        try:
            self.check()
            yield
        finally:
            self._queries.remove(interrupt)


@contextlib.contextmanager
def graceful_shutdown(say: str) -> Iterator[Stop]:
    """Take the first interrupt as a request to stop, and say so on standard error.

    Raises:
        KeyboardInterrupt: at the second one; where that is noted or one is spared, the one after.
    """
    stop = Stop()
    # Counted, as `stop` may be set before the first one is taken here, by what broke off.
    numbers = itertools.count(1)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        number = next(numbers)
        if number == 1:
            stop.set()
            print(say, file=sys.stderr, flush=True)  # noqa: T201 - for whoever pressed Ctrl-C
        elif number == 2 and stop.is_looked_at:
            stop.abandon()
        elif stop.is_over:
            stop.is_over = False
        else:
            raise_interrupt()

    before = {number: signal.signal(number, interrupted) for number in INTERRUPTS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def abandoned_at_an_interrupt(stop: Stop | None) -> Iterator[Stop]:
    """Around work that looks whether it is abandoned, and then ends as at a request to stop.

    Where nobody can request it, what is yielded is never set.

    Raises:
        KeyboardInterrupt: nobody can.
    """
    if stop is None:
        yield Stop()
        return
    stop.is_looked_at = True
    try:
        yield stop
    except KeyboardInterrupt:
        stop.set()
    finally:
        stop.is_over = True
