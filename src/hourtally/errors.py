"""The errors that callers can expect; each class is a decision that a caller can make.

    HourtallyError              it could not be done; exit status 1
    ├── InvalidArgument         the call itself is wrong; exit status 2
    ├── FileRejected            an event file cannot be read to its end; other files go on
    ├── RateCardError           the rate card is wrong; nothing is priced with it
    ├── UnratedUsage            an hour lacks a rate; it keeps its last revision, others go on
    ├── BoundExceeded           a sum does not fit its column; nothing is published
    ├── HourNotPublished        the hour has no revision to read
    ├── NotFound                no such home, or no such customer, resource or revision in an hour
    ├── TokensError             the tokens file is wrong; nobody is authorized by it
    ├── Damaged                 a stored file differs from its record; names the file
    └── StorageFault            the system refused a read or a write; names the path

Every message says what happened, where, how often, and what to do next.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar


class HourtallyError(Exception):
    """Base class. The message can be shown to a person as it is."""


_Error = TypeVar("_Error", bound=HourtallyError)


class InvalidArgument(HourtallyError):
    """An argument is malformed, or arguments contradict each other."""


class FileRejected(HourtallyError):
    """An event file was rejected; none of its events count.

    Attributes: path (the file), reason (a sentence).
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: rejected, none of its events count: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[FileRejected], tuple[Path, str]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.path, self.reason)


class RateCardError(HourtallyError):
    """A rate card has problems, each a sentence that names the rates by id.

    Attributes: source (what messages call the card), problems.
    """

    def __init__(self, source: str, problems: list[str]) -> None:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        listed = f"{len(problems)} problems in the rate card:{lines}"
        super().__init__(f"{source}: {problems[0] if len(problems) == 1 else listed}")
        self.source = source
        self.problems = problems

    def __reduce__(self) -> tuple[type[RateCardError], tuple[str, list[str]]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.source, self.problems)


@dataclass(frozen=True)
class RateGap:
    """Usage above zero without a rate: what the missing rate must match, and when."""

    meter: str
    resource_type: str | None
    region: str | None
    gpu_model: str | None
    from_instant: str
    until_instant: str
    resources: int
    customers: tuple[str, ...]

    def __str__(self) -> str:
        """One line with everything needed to write the missing rate."""
        selectors = ", ".join(
            f"{name} = {value!r}"
            for name, value in (
                ("resource_type", self.resource_type),
                ("region", self.region),
                ("gpu_model", self.gpu_model),
            )
            if value is not None
        )
        return (
            f"meter {self.meter!r} ({selectors or 'any selectors'}) from {self.from_instant} "
            f"until {self.until_instant}: {self.resources} resource(s), "
            f"for example of customer {', '.join(repr(c) for c in self.customers)}"
        )


class UnratedUsage(HourtallyError):
    """No rate covers some usage of an hour. Nothing of the hour is published.

    Attributes: hour (its name), gaps.
    """

    def __init__(self, hour: str, gaps: list[RateGap]) -> None:
        lines = "".join(f"\n  - {gap}" for gap in gaps)
        super().__init__(
            f"hour {hour}: usage without a rate in force; the hour is not published and keeps its "
            f"last revision:{lines}\n"
            "  Add a [[rate]] for each line to the rate card, then run the same command again."
        )
        self.hour = hour
        self.gaps = gaps

    def __reduce__(self) -> tuple[type[UnratedUsage], tuple[str, list[RateGap]]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.hour, self.gaps)


class BoundExceeded(HourtallyError):
    """A charge or a sum of charges is larger than its column can hold."""


class HourNotPublished(HourtallyError):
    """The hour is open, in the future, or was never built."""


class NotFound(HourtallyError):
    """There is no such home, or no such customer, resource or revision in a published hour."""


class TokensError(HourtallyError):
    """The tokens file cannot be read, or one of its lines is malformed."""


class Damaged(HourtallyError):
    """A stored file differs from its record.

    Attributes: path (the file), reason (a sentence).
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: damaged: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[Damaged], tuple[Path, str]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.path, self.reason)


class StorageFault(HourtallyError):
    """The operating system refused a read or a write."""


def suggested_fix(error: OSError, other: str) -> str:
    """What to do about a system error; `other` names an alternative to the path."""
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"give this user permission, or use {other}"
    return "free space or repair the path"


def without_traceback(error: _Error) -> _Error:
    """The error without its traceback, which would keep an engine and tables in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
