"""Everything that can go wrong on purpose. A class is a decision its catcher can make.

    HourtallyError              could not be done; exit status 1
    ├── WrongUse                the call itself is wrong; exit status 2
    ├── FileRefused             one event file cannot be read to its end; others go on
    ├── RateCardError           the card is wrong; nothing is priced with it
    ├── UnratedUsage            an hour lacks a rate; its last revision stays, other hours go on
    ├── BoundExceeded           a sum does not fit its column; nothing is published
    ├── HourNotPublished        the hour has no revision to read
    ├── NotFound                there is no such home, or not what was asked for in an hour of it
    ├── TokensError             the tokens file is wrong; nobody is let in with it
    ├── Damaged                 a stored file is not what its record says; names the file
    └── StorageFault            the system refused a read or a write; names the path

Every message says what, where, how many, and what to do next.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar


class HourtallyError(Exception):
    """Base of all of them. The message is fit to be shown to a person as it is."""


_Error = TypeVar("_Error", bound=HourtallyError)


class WrongUse(HourtallyError):
    """An argument is not of its form, or arguments contradict each other."""


class FileRefused(HourtallyError):
    """An event file of which nothing was counted.

    Attributes: path (the file), reason (a sentence).
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: refused whole, nothing of it counts: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[FileRefused], tuple[Path, str]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.path, self.reason)


class RateCardError(HourtallyError):
    """A rate card with its problems, each a sentence that names the rates by id."""

    def __init__(self, source: str, problems: list[str]) -> None:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        said = f"{len(problems)} problems in the rate card:{lines}"
        super().__init__(f"{source}: {problems[0] if len(problems) == 1 else said}")
        self.source = source
        self.problems = problems

    def __reduce__(self) -> tuple[type[RateCardError], tuple[str, list[str]]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.source, self.problems)


@dataclass(frozen=True)
class RateGap:
    """Usage above zero without a rate: what the missing rate has to match, and since when."""

    meter: str
    resource_type: str | None
    region: str | None
    gpu_model: str | None
    from_instant: str
    until_instant: str
    resources: int
    customers: tuple[str, ...]

    def __str__(self) -> str:
        """One line from which the missing rate can be written down."""
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
    """Usage that no rate covers. Nothing of the hour is published.

    Attributes: hour (its name), gaps.
    """

    def __init__(self, hour: str, gaps: list[RateGap]) -> None:
        lines = "".join(f"\n  - {gap}" for gap in gaps)
        super().__init__(
            f"hour {hour}: usage without a rate in force, nothing of the hour is published, "
            f"its last revision stays:{lines}\n"
            "  Add a [[rate]] for each line to the rate card, then run the same command again."
        )
        self.hour = hour
        self.gaps = gaps

    def __reduce__(self) -> tuple[type[UnratedUsage], tuple[str, list[RateGap]]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.hour, self.gaps)


class BoundExceeded(HourtallyError):
    """A charge or a sum of charges passes what its column can hold."""


class HourNotPublished(HourtallyError):
    """The hour is open, in the future, or was never built."""


class NotFound(HourtallyError):
    """There is no such home, or no such customer, resource or revision of a published hour."""


class TokensError(HourtallyError):
    """The tokens file cannot be read, or a line of it is not of its form."""


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


def what_to_do(error: OSError, other: str) -> str:
    """How to mend what the system refused; `other` is what may be named instead of the path."""
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"let this user do that, or name {other}"
    return "free space or repair the path"


def without_frames(error: _Error) -> _Error:
    """The error for its message only: its trace would keep an engine and tables alive."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
