"""Who called a flow in this process, and waits for it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field

from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress


@dataclass(frozen=True)
class Caller:
    """The caller of a flow: sees its progress and can stop it.

    Attributes:
        at_sigterm: the handler of SIGTERM; None leaves it to Prefect, which ends the flow.
        processes: the worker processes that build hours for the tasks; None if each task builds
            its own.
        hour_done: called with the name of every hour that a task has finished.
    """

    progress: Progress | None = None
    stop: Stop = field(default_factory=Stop)
    at_sigterm: signal._HANDLER = None
    processes: ProcessPoolExecutor | None = None
    hour_done: Callable[[str], None] | None = None


# Prefect passes it on to the threads of tasks. On other machines there is no caller.
_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


@contextlib.contextmanager
def use_caller(caller: Caller | None = None) -> Iterator[Caller]:
    """Set the caller of the flows inside: the given one, else the present one, else a new one."""
    one = caller or current_caller()
    token = _caller.set(one)
    try:
        yield one
    finally:
        _caller.reset(token)


def current_caller() -> Caller:
    """The caller of this flow; one that neither looks nor interrupts if there is none."""
    return _caller.get() or Caller()
