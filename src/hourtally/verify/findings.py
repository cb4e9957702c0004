"""What a verification has found: the first differences by name, the rest by number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MOST_NAMED: Final = 20
_LONGEST_SHOWN: Final = 100
_SHOWN_BEFORE: Final = 30


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it must be: in which file, what of it, and how it differs."""

    file: Path
    what: str
    expected: str
    got: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.file}: {self.what}: expected {self.expected}, got {self.got}"


@dataclass
class Findings:
    """What was verified so far.

    differences: how many. named: the first of them. checksums_only: the names of hours that
    could not be re-derived though nothing in them differs, each with the reason.
    """

    hours: int = 0
    documents: int = 0
    charges: int = 0
    differences: int = 0
    named: list[Difference] = field(default_factory=list)
    checksums_only: list[tuple[str, str]] = field(default_factory=list)

    def add(self, file: Path, what: str, expected: str, got: str) -> None:
        """Count a difference."""
        self.differences += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(Difference(file, what, expected, got))

    def compare(self, file: Path, what: str, expected: object, got: object) -> bool:
        """Count a difference where there is one; whether there is none."""
        # To Python 1, 1.0 and True are equal.
        if expected == got and type(expected) is type(got):
            return True
        self.add(file, what, *_shown(expected, got))
        return False

    def compare_records(self, file: Path, expected: object, got: object, what: str = "") -> None:
        """The same of two JSON values, field by field."""
        if isinstance(expected, list) and isinstance(got, list):
            expected, got = dict(enumerate(expected)), dict(enumerate(got))
        if not isinstance(expected, dict) or not isinstance(got, dict):
            self.compare(file, what, expected, got)
            return
        for name in dict.fromkeys([*expected, *got]):
            field_name = f"{what}.{name}" if what else str(name)
            self.compare_records(file, expected.get(name), got.get(name), field_name)


def _shown(expected: object, got: object) -> tuple[str, str]:
    """Two values; of long texts the part that begins a little before they differ."""
    first, second = ("none" if value is None else repr(value) for value in (expected, got))
    if max(len(first), len(second)) <= _LONGEST_SHOWN:
        return first, second
    pairs = enumerate(zip(first, second, strict=False))
    differs_at = next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))
    start = max(0, differs_at - _SHOWN_BEFORE)
    return _part(first, start), _part(second, start)


def _part(text: str, start: int) -> str:
    end = start + _LONGEST_SHOWN
    return ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")
