"""The final states of tasks and flows, and how to get a result back out of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from prefect import State
from prefect.states import Cancelled, Completed, Failed

from hourtally.build.builder import BuildReport
from hourtally.errors import HourtallyError
from hourtally.ingest.files import IngestReport
from hourtally.jobs.report import JobReport
from hourtally.jobs.sentences import empty_sentence, held_sentence
from hourtally.model.printable import counted

# Names of states, of which the first that applies is taken; notifications depend on them.
UNRATED: Final = "Unrated"
REFUSED: Final = "Refused"
FAILED: Final = "Failed"
INTERRUPTED: Final = "Interrupted"
QUARANTINED: Final = "Quarantined"
CONFLICTS: Final = "Conflicts"
NO_EVENTS: Final = "NoEvents"
# A person reads the notification; the artifact lists more.
_MAX_ERRORS_SHOWN: Final = 10


class RunFailed(HourtallyError):
    """A flow or task completed, but not everything in it succeeded. report: what did.

    It is an exception because Prefect raises what a failed state holds.
    """

    def __init__(self, message: str, report: JobReport | BuildReport | IngestReport) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[type[RunFailed], tuple[str, Any]]:
        """Tasks on other machines hand their states back pickled."""
        return type(self), (str(self), self.report)


def failed_state(error: HourtallyError) -> State[Any]:
    """The state of a task or flow that this error ended."""
    return Failed(name=FAILED, message=str(error), data=error)


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


def build_state(report: BuildReport) -> BuildReport | State[Any]:
    """How a task that built hours ends: failed if an hour failed, else as its report."""
    errors = [str(error) for _, error in report.failed]
    held = [
        f"hour {receipt.hour}: {counted(receipt.held, 'customer')} held, as usage has no rate"
        for receipt in report.built
        if receipt.held
    ]
    if not errors and not held:
        return report
    name = UNRATED if held else FAILED
    counts = {"hours failed": len(errors), "hours that hold somebody": len(held)}
    text = ", ".join(f"{what}: {n}" for what, n in counts.items() if n)
    message = _with_errors(text, [*held, *errors])
    return Failed(name=name, message=message, data=RunFailed(message, report))


def ingest_state(report: IngestReport) -> IngestReport | State[Any]:
    """How a task that ingested files ends: failed if a file was rejected, else as its report."""
    if not report.refused:
        return report
    errors = [str(refusal) for refusal in report.refused]
    message = _with_errors(f"files rejected: {len(errors)}", errors)
    return Failed(name=REFUSED, message=message, data=RunFailed(message, report))


def _with_errors(message: str, errors: Sequence[str]) -> str:
    """A message with the first errors, a line each."""
    more = len(errors) - _MAX_ERRORS_SHOWN
    last = [f"and {more} more"] if more > 0 else []
    return "\n".join([message, *errors[:_MAX_ERRORS_SHOWN], *last])


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
    if report.empty and (sentence := empty_sentence(report.empty)):
        message = f"{message}\n{sentence}"
    errors = [*(str(e) for _, e in built.failed), *(str(refusal) for refusal in ingested.refused)]
    if isinstance(report.exported, HourtallyError):
        errors.append(str(report.exported))
    if report.held.hours:
        errors.insert(0, held_sentence(report.held))
    if errors:
        name = REFUSED if len(errors) == len(ingested.refused) else FAILED
        if report.held.hours:
            name = UNRATED
        message = _with_errors(message, errors)
        return Failed(name=name, message=message, data=RunFailed(message, report))
    if built.undone or ingested.undone:
        return Cancelled(name=INTERRUPTED, message=message, data=RunFailed(message, report))
    if ingested.quarantined or conflicts:
        name = QUARANTINED if ingested.quarantined else CONFLICTS
        return Completed(name=name, message=message, data=report)
    if report.empty and report.empty.newest_is_empty:
        return Completed(name=NO_EVENTS, message=message, data=report)
    return Completed(message=message, data=report)
