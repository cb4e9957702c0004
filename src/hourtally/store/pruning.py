"""Marks of pruned revisions: their files are removed, their manifests stay.

A mark is created before the first file is removed. So whoever finds a file of a revision missing
can tell a pruned revision from a damaged one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from hourtally.errors import Damaged, Pruned
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.layout import Home

_SUFFIX: Final = ".pruned.json"
_REVISION_FOLDER: Final = re.compile(r"rev-(\d{6,})-[0-9a-f]+", re.ASCII)


def marks_in(home: Home, hour: Hour) -> list[str]:
    """The names of the marks of an hour, sorted."""
    return [name for name in home.names_in_hour(hour.name) if name.endswith(_SUFFIX)]


def is_pruned(home: Home, hour: Hour, revision: int) -> bool:
    """Whether the files of a revision are, or are being, removed."""
    return durable.file_exists(_mark(home.hour(hour), revision))


def mark_pruned(home: Home, hour: Hour, revision: int, record: dict[str, Any]) -> None:
    """Mark a revision as pruned, durably, before any of its files is removed."""
    content = durable.to_sealed_json({"hour": hour.name, "revision": revision, **record})
    durable.create_file(_mark(home.hour(hour), revision), content)


def missing_file(path: Path, reason: str) -> Damaged | Pruned:
    """Why a file of a revision is missing.

    Args:
        path: the file, in the folder of its revision.
        reason: what is wrong if the revision was not pruned.
    """
    match = _REVISION_FOLDER.fullmatch(path.parent.name)
    hour_folder = path.parent.parent
    if match is None or not durable.file_exists(mark := _mark(hour_folder, int(match[1]))):
        return Damaged(path, reason)
    try:
        pruned_at = f" at {durable.read_sealed_json(mark)['pruned_at']}"
    except (Damaged, KeyError):
        pruned_at = ""
    message = (
        f"revision {int(match[1])} of hour {hour_folder.name} was pruned{pruned_at}: its manifest "
        "is kept, its files are removed"
    )
    return Pruned(message)


def _mark(hour_folder: Path, revision: int) -> Path:
    return hour_folder / f"{revision:06d}{_SUFFIX}"
