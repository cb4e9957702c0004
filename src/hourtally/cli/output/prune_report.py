"""What a prune removed, as sentences or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from hourtally.build.prune import PruneReport
from hourtally.cli.output.text_table import console, counted, print_text

_MOST_LISTED: Final = 20


def print_prune(report: PruneReport, *, dry_run: bool) -> None:
    """The revisions by hour, the leftovers, and how much space both took."""
    out = console()
    for line in _shortened([*_revision_lines(report)], "hours"):
        print_text(out, line)
    for line in _shortened([str(path) for path, _ in report.leftovers], "leftovers"):
        print_text(out, line)
    hours = {one.hour for one in report.revisions}
    parts = [
        f"{counted(len(report.revisions), 'superseded revision')} of {counted(len(hours), 'hour')}",
        f"{len(report.leftovers)} leftovers",
    ]
    verb = "would be removed" if dry_run else "removed"
    print_text(out, f"{' and '.join(parts)} {verb}: {_size(report.size)}.")


def _revision_lines(report: PruneReport) -> Iterator[str]:
    for hour, ones in groupby(report.revisions, key=lambda one: one.hour):
        numbers = [one.revision for one in ones]
        if len(numbers) == 1:
            yield f"{hour}: revision {numbers[0]}"
        else:
            yield f"{hour}: revisions {', '.join(map(str, numbers))}"


def _shortened(lines: list[str], what: str) -> list[str]:
    if len(lines) <= _MOST_LISTED:
        return lines
    return [*lines[:_MOST_LISTED], f"… and {len(lines) - _MOST_LISTED} more {what}"]


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def prune_document(report: PruneReport, *, dry_run: bool) -> dict[str, Any]:
    """The facts that `print_prune` prints."""
    return {
        "dry_run": dry_run,
        "revisions": [
            {"hour": one.hour.name, "revision": one.revision, "bytes": one.size}
            for one in report.revisions
        ],
        "leftovers": [{"path": str(path), "bytes": size} for path, size in report.leftovers],
        "bytes": report.size,
        "errors": [str(damage) for damage in report.skipped],
    }
