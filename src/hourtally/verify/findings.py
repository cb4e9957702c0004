"""The result of a verification: the first differences in full, the rest by number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MAX_LISTED: Final = 20
_MAX_SHOWN: Final = 100
_SHOWN_BEFORE_DIFFERENCE: Final = 30


@dataclass(frozen=True)
class Difference:
    """One thing that is wrong: in which file, and what."""

    file: Path
    problem: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.file}: {self.problem}"


@dataclass
class Findings:
    """What was verified, and the differences.

    differences: how many. listed: the first 20 of them. checksums_only: stale hours, by name,
    each with the reason; today's rates and code cannot recompute them. pruned: superseded revisions
    whose files are removed on request. files: event files that were read again, with so many lines.
    files_left_out: how many could not be. left_out: the first 20 of them, each with the reason.
    """

    hours: int = 0
    documents: int = 0
    charges: int = 0
    differences: int = 0
    listed: list[Difference] = field(default_factory=list)
    checksums_only: list[tuple[str, str]] = field(default_factory=list)
    pruned: int = 0
    files: int = 0
    lines: int = 0
    files_left_out: int = 0
    left_out: list[tuple[Path | str, str]] = field(default_factory=list)

    def merge(self, part: Findings) -> None:
        """Add what was found in a part of the hours."""
        self.hours += part.hours
        self.documents += part.documents
        self.charges += part.charges
        self.differences += part.differences
        self.listed += part.listed[: MAX_LISTED - len(self.listed)]
        self.checksums_only += part.checksums_only
        self.pruned += part.pruned

    def add(self, file: Path, problem: str) -> None:
        """Add a difference."""
        self.differences += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(Difference(file, problem))

    def leave_out(self, file: Path | str, why: str) -> None:
        """Count an event file that is not read again; its name where no path stands for it."""
        self.files_left_out += 1
        if len(self.left_out) < MAX_LISTED:
            self.left_out.append((file, why))

    def compare(self, file: Path, what: str, expected: object, got: object) -> bool:
        """Add a difference unless both values are equal; whether they are."""
        # To Python 1, 1.0 and True are equal.
        if expected == got and type(expected) is type(got):
            return True
        first, second = shown_pair(expected, got)
        self.add(file, f"{what}: expected {first}, got {second}")
        return False

    def compare_records(self, file: Path, expected: object, got: object, what: str = "") -> None:
        """Compare two JSON values field by field."""
        if isinstance(expected, list) and isinstance(got, list):
            expected, got = dict(enumerate(expected)), dict(enumerate(got))
        if not isinstance(expected, dict) or not isinstance(got, dict):
            self.compare(file, what, expected, got)
            return
        for name in dict.fromkeys([*expected, *got]):
            field_name = f"{what}.{name}" if what else str(name)
            self.compare_records(file, expected.get(name), got.get(name), field_name)


def shown_pair(expected: object, got: object) -> tuple[str, str]:
    """Two values as text; of long ones the part around the first difference."""
    first, second = ("none" if value is None else repr(value) for value in (expected, got))
    if max(len(first), len(second)) <= _MAX_SHOWN:
        return first, second
    pairs = enumerate(zip(first, second, strict=False))
    differs_at = next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))
    start = max(0, differs_at - _SHOWN_BEFORE_DIFFERENCE)
    return _part(first, start), _part(second, start)


def _part(text: str, start: int) -> str:
    end = start + _MAX_SHOWN
    return ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")
