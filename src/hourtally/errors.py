"""The errors that callers can expect; each class is a decision that a caller can make.

    HourtallyError              it could not be done; exit status 1
    ├── InvalidArgument         the call itself is wrong; exit status 2
    ├── FileRejected            an event file cannot be read to its end; other files go on
    │   └── BatchWithdrawn      its events were taken back; `run` passes it over
    ├── RateCardError           the rate card is wrong; nothing is priced with it
    ├── BoundExceeded           a sum does not fit its column; nothing is published
    ├── HourNotPublished        the hour has no revision to read
    ├── HourHeld                the hour has usage of the customer without a rate
    ├── NoQuantities            the revision was built before quantities were kept
    ├── NotFound                no such home, or no such customer, resource or revision in an hour
    │   └── Pruned              the files of a superseded revision are removed; a newer one is there
    ├── ForeignTree             a folder to export to belongs to another home or kind of export
    ├── NotExported             some hours could not be exported; names them, the others are
    ├── TokensError             the tokens file is wrong; nobody is authorized by it
    ├── Damaged                 a stored file differs from its record; names the file
    └── StorageFault            the system refused a read or a write; names the path

Every message says what happened, where, how often, and what to do next.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, TypeVar

# The URL of each local folder that stands for a place in an object store.
URLS: dict[str, str] = {}


def with_urls(text: str) -> str:
    """A text in which paths of such folders are URLs."""
    for folder, url in URLS.items():
        text = text.replace(folder, url)
    return text


class HourtallyError(Exception):
    """Base class. The message can be shown to a person as it is."""

    def __str__(self) -> str:
        return with_urls(super().__str__())


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

    def __reduce__(self) -> tuple[type[FileRejected], tuple[Any, ...]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.path, self.reason)


class BatchWithdrawn(FileRejected):
    """An event file's batch is withdrawn.

    Attributes: batch, withdrawn_at (RFC 3339), why (as the one who withdrew it said).
    """

    def __init__(self, path: Path, batch: str, withdrawn_at: str, why: str) -> None:
        reason = (
            f"its batch {batch} was withdrawn at {withdrawn_at} ({why}); "
            "`hourtally ingest --again` ends the withdrawal"
        )
        super().__init__(path, reason)
        self.batch = batch
        self.withdrawn_at = withdrawn_at
        self.why = why

    def __reduce__(self) -> tuple[type[BatchWithdrawn], tuple[Any, ...]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.path, self.batch, self.withdrawn_at, self.why)


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


class HourHeld(HourtallyError):
    """An hour has usage of the customer without a rate: there are no figures of it to show.

    Attributes: hour (its name), customer, gaps (a sentence each).
    """

    def __init__(self, hour: str, customer: str, gaps: list[str], advice: str) -> None:
        lines = "".join(f"\n  - {gap}" for gap in gaps)
        super().__init__(
            f"hour {hour}: customer {customer!r} is held: some of its usage has no rate:{lines}\n"
            f"  {advice}"
        )
        self.hour = hour
        self.customer = customer
        self.gaps = gaps
        self._advice = advice

    def __reduce__(self) -> tuple[type[HourHeld], tuple[str, str, list[str], str]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.hour, self.customer, self.gaps, self._advice)


class NoQuantities(HourtallyError):
    """A revision of a build version that kept no quantities; the next run restates its hour.

    Attributes: hour (its name), revision.
    """

    def __init__(self, hour: str, revision: int, end: str) -> None:
        super().__init__(
            f"hour {hour}: revision {revision} was built by an earlier version, which kept no "
            f"quantities. The next `hourtally run` restates the hour, or "
            f"`hourtally backfill --from {hour} --to {end}` does"
        )
        self.hour = hour
        self.revision = revision
        self._end = end

    def __reduce__(self) -> tuple[type[NoQuantities], tuple[str, int, str]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.hour, self.revision, self._end)


class BoundExceeded(HourtallyError):
    """A charge, a quantity or a sum of them is larger than its column can hold."""


class HourNotPublished(HourtallyError):
    """The hour is open, in the future, or was never built."""


class NotFound(HourtallyError):
    """There is no such home, or no such customer, resource or revision in a published hour."""


class Pruned(NotFound):
    """The files of a superseded revision were removed to save space; its manifest is kept."""


class ForeignTree(HourtallyError):
    """A folder to export to belongs to another home, to another kind of export, or to the home."""


class NotExported(HourtallyError):
    """Some hours could not be exported; the message names them. The others are."""


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
    if advice := getattr(error, "advice", None):
        return str(advice)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"give this user permission, or use {other}"
    return "free space or repair the path"


def without_traceback(error: _Error) -> _Error:
    """The error without its traceback, which would keep an engine and tables in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
