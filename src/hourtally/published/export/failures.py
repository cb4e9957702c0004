"""Hours that could not be exported, while the others were."""

from __future__ import annotations

from collections.abc import Sequence

from hourtally.errors import Damaged, HourtallyError, NotExported
from hourtally.model.hours import Hour


def not_exported(failed: Sequence[tuple[Hour, HourtallyError]]) -> HourtallyError:
    """The error that names every such hour, and why the first one failed; damage goes first."""
    names = ", ".join(hour.name for hour, _ in failed)
    for _, error in failed:
        if isinstance(error, Damaged):
            return Damaged(error.path, f"{error.reason}. Not exported: {names}")
    return NotExported(f"{failed[0][1]}. Not exported: {names}")
