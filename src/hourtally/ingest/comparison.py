"""Whether a file that is judged anew comes out as it did before."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.records import DecidingRecord


def comes_out_equal(
    home: Home, found: DecidingRecord, record: dict[str, Any], staging: Path
) -> bool:
    """Whether the staged slices, voids and quarantined lines are those of an earlier record.

    Args:
        home: the home folder.
        found: the earlier record.
        record: describes what is staged.
        staging: the folder of staged files.
    """
    before = found.content
    if record["hours"] != before["hours"] or record["rules"] != before["rules"]:
        return False
    # Stored files that differ from their record are written anew.
    return all(
        _is_stored(home, found.name, Hour.parse(name), entry)
        for name, entry in before["hours"].items()
    ) and _same_quarantine(home.quarantine(found.name), staging / "quarantine.ndjson")


def _is_stored(home: Home, name: str, hour: Hour, entry: dict[str, Any]) -> bool:
    files = [(home.slices(hour, name), entry.get("sha256"))]
    if "voids" in entry:
        files.append((home.voids(hour, name), entry["voids"]["sha256"]))
    try:
        return all(sha256 in (None, durable.sha256_of(path)) for path, sha256 in files)
    except FileNotFoundError:
        return False


def _same_quarantine(stored: Path, staged: Path) -> bool:
    """Whether two quarantine files have the same lines, but for the name of the event file."""
    if not stored.exists():
        return staged.stat().st_size == 0
    with stored.open("rb") as before, staged.open("rb") as after:
        return all(_same_line(*pair) for pair in zip_longest(before, after))


def _same_line(before: bytes | None, after: bytes | None) -> bool:
    if before == after:
        return True
    if before is None or after is None:
        return False
    try:
        old, new = json.loads(before), json.loads(after)
    except ValueError:
        return False
    return bool(old | {"file": ""} == new | {"file": ""})
