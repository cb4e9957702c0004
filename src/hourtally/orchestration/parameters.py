"""What a flow works with, who waits for it in the same process, and how it ends.

A flow's parameters are what a person types into a form or a deployment file: texts, numbers,
yes or no. `Work` is what they stand for. It travels to tasks on other machines, so it holds
paths and small values only; the rate card is read where it is used.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from prefect import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner
from pydantic import Field

from hourtally.errors import HourtallyError, UnratedUsage, WrongUse
from hourtally.jobs.report import JobReport
from hourtally.model.hours import parse_instant_ms
from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress
from hourtally.settings import DEFAULT_SETTLE_MS, Settings, default_home, usable_cores
from hourtally.store.layout import Home

Minutes = Annotated[float, Field(ge=0, le=366 * 24 * 60)]
Count = Annotated[int, Field(ge=1)]
DEFAULT_SETTLE_MINUTES: Final = DEFAULT_SETTLE_MS / 60_000

# States, in the order in which the first that applies is taken; README, "Run it every hour".
UNRATED: Final = "Unrated"
REFUSED: Final = "Refused"
FAILED: Final = "Failed"
INTERRUPTED: Final = "Interrupted"
QUARANTINED: Final = "Quarantined"
CONFLICTS: Final = "Conflicts"
# A notification is read by a person; the artifact has more of them.
_MOST_ERRORS_NAMED: Final = 10


@dataclass(frozen=True)
class Work:
    """Where and how a flow works. settings: of one task, of which `workers` run at a time."""

    home: Home
    rates: Path
    now_ms: int
    settings: Settings
    workers: int = 1
    force: bool = False
    export: Path | None = None


class RunFailed(HourtallyError):
    """A run came to its end, and not all could be done. report: what was.

    Prefect raises what a failed state holds, so it is to be an exception.
    """

    def __init__(self, message: str, report: JobReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Caller:
    """Who waits for a flow in its own process: shown its progress, and able to stop it.

    at_sigterm: what is done at a SIGTERM; None leaves that to Prefect, which ends the flow.
    processes: those that build hours for the tasks; None where each builds its own.
    hour_done: told of every hour that a task is done with.
    """

    progress: Progress | None = None
    stop: Stop = field(default_factory=Stop)
    at_sigterm: signal._HANDLER = None
    processes: ProcessPoolExecutor | None = None
    hour_done: Callable[[str], None] | None = None


# Prefect hands it on to the threads of tasks; on other machines nobody waits.
_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


@contextlib.contextmanager
def use_caller(caller: Caller | None = None) -> Iterator[Caller]:
    """Have somebody wait for the flow that is called inside: this one, else whoever does."""
    one = caller or _caller.get() or Caller()
    token = _caller.set(one)
    try:
        yield one
    finally:
        _caller.reset(token)


def current_caller() -> Caller:
    """Whoever waits for the flow; somebody who neither looks nor interrupts where nobody does."""
    return _caller.get() or Caller()


def resolve_parameters(
    home: str | None,
    rates: str | None,
    settle_minutes: float,
    now: str | None,
    workers: int,
    threads: int | None,
    memory_mib: int,
    export: str | None,
) -> Work:
    """A flow's parameters, each with what it stands for where it is not given.

    Raises:
        WrongUse: `now` is no instant.
    """
    where = Home((Path(home) if home else default_home()).absolute())
    try:
        now_ms = time.time_ns() // 1_000_000 if now is None else parse_instant_ms(now)
    except ValueError as error:
        message = f"now {now!r} {error}"
        raise WrongUse(message) from error
    return Work(
        home=where,
        rates=Path(rates).absolute() if rates else where.rates,
        now_ms=now_ms,
        settings=Settings(
            settle_ms=round(settle_minutes * 60_000),
            threads=max(1, (threads or usable_cores()) // workers),
            memory_mib=memory_mib,
        ),
        workers=workers,
        export=Path(export).absolute() if export else None,
    )


def runner_of_this_flow() -> TaskRunner[Any]:
    """What the flow that calls this runs its tasks on: threads, unless it was told otherwise."""
    context = FlowRunContext.get()
    assert context is not None
    return context.task_runner


def failed(error: HourtallyError) -> State[Any]:
    """The state of what this error ended."""
    name = UNRATED if isinstance(error, UnratedUsage) else FAILED
    return Failed(name=name, message=str(error), data=error)


def unwrap(state: State[Any]) -> Any:
    """What a task or a flow gave back, also where its state is a failed one.

    Raises:
        BaseException: the one that ended it before its end.
    """
    result = state.result(raise_on_failure=False)
    if isinstance(result, RunFailed):
        return result.report
    if isinstance(result, BaseException):
        raise result
    return result


def final_state(report: JobReport) -> State[Any]:
    """How a flow ends that came to its end: its name says what a person has to look at first."""
    ingested, built = report.ingested, report.built
    conflicts = sum(receipt.conflicts for receipt in built.built)
    counts = {
        "hours built": len(built.built),
        "hours failed": len(built.failed),
        "files refused": len(ingested.refused),
        "lines quarantined": ingested.quarantined,
        "conflicts": conflicts,
        "hours left": built.undone,
        "files left": ingested.undone,
    }
    message = ", ".join(f"{what}: {n}" for what, n in counts.items() if n) or "nothing was to do"
    errors = [*(str(e) for _, e in built.failed), *(str(refusal) for refusal in ingested.refused)]
    if isinstance(report.exported, HourtallyError):
        errors.append(str(report.exported))
    if errors:
        name = REFUSED if len(errors) == len(ingested.refused) else FAILED
        if any(isinstance(error, UnratedUsage) for _, error in built.failed):
            name = UNRATED
        more = len(errors) - _MOST_ERRORS_NAMED
        lines = [message, *errors[:_MOST_ERRORS_NAMED], *([f"and {more} more"] if more > 0 else [])]
        message = "\n".join(lines)
        return Failed(name=name, message=message, data=RunFailed(message, report))
    if built.undone or ingested.undone:
        return Cancelled(name=INTERRUPTED, message=message, data=RunFailed(message, report))
    if ingested.quarantined or conflicts:
        name = QUARANTINED if ingested.quarantined else CONFLICTS
        return Completed(name=name, message=message, data=report)
    return Completed(message=message, data=report)
