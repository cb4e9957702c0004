"""The final states of tasks and flows, and how to get a result back out of one."""

from __future__ import annotations

from typing import Any, Final

from prefect import State
from prefect.states import Cancelled, Completed, Failed

from hourtally.errors import HourtallyError, UnratedUsage
from hourtally.jobs.report import JobReport

# Names of states, of which the first that applies is taken; notifications depend on them.
UNRATED: Final = "Unrated"
REFUSED: Final = "Refused"
FAILED: Final = "Failed"
INTERRUPTED: Final = "Interrupted"
QUARANTINED: Final = "Quarantined"
CONFLICTS: Final = "Conflicts"
# A person reads the notification; the artifact lists more.
_MAX_ERRORS_SHOWN: Final = 10


class RunFailed(HourtallyError):
    """A run completed, but not everything in it succeeded. report: what did.

    It is an exception because Prefect raises what a failed state holds.
    """

    def __init__(self, message: str, report: JobReport) -> None:
        super().__init__(message)
        self.report = report


def failed_state(error: HourtallyError) -> State[Any]:
    """The state of a task or flow that this error ended."""
    name = UNRATED if isinstance(error, UnratedUsage) else FAILED
    return Failed(name=name, message=str(error), data=error)


def unwrap(state: State[Any]) -> Any:
    """The result of a task or flow, even if its state is a failed one.

    Raises:
        BaseException: the one that ended it early.
    """
    result = state.result(raise_on_failure=False)
    if isinstance(result, RunFailed):
        return result.report
    if isinstance(result, BaseException):
        raise result
    return result


def final_state(report: JobReport) -> State[Any]:
    """The state of a flow that completed; its name says what a person should look at first."""
    ingested, built = report.ingested, report.built
    conflicts = sum(receipt.conflicts for receipt in built.built)
    counts = {
        "hours built": len(built.built),
        "hours failed": len(built.failed),
        "files rejected": len(ingested.refused),
        "lines quarantined": ingested.quarantined,
        "conflicts": conflicts,
        "hours left": built.undone,
        "files left": ingested.undone,
    }
    message = ", ".join(f"{what}: {n}" for what, n in counts.items() if n) or "nothing to do"
    errors = [*(str(e) for _, e in built.failed), *(str(refusal) for refusal in ingested.refused)]
    if isinstance(report.exported, HourtallyError):
        errors.append(str(report.exported))
    if errors:
        name = REFUSED if len(errors) == len(ingested.refused) else FAILED
        if any(isinstance(error, UnratedUsage) for _, error in built.failed):
            name = UNRATED
        more = len(errors) - _MAX_ERRORS_SHOWN
        lines = [message, *errors[:_MAX_ERRORS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        message = "\n".join(lines)
        return Failed(name=name, message=message, data=RunFailed(message, report))
    if built.undone or ingested.undone:
        return Cancelled(name=INTERRUPTED, message=message, data=RunFailed(message, report))
    if ingested.quarantined or conflicts:
        name = QUARANTINED if ingested.quarantined else CONFLICTS
        return Completed(name=name, message=message, data=report)
    return Completed(message=message, data=report)
