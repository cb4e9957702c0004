"""Manifests: read the current manifest of an hour, commit the next one.

An hour's current revision is its highest-numbered manifest. A manifest is created only if
its number is free, so of two simultaneous builds of one hour one commits and the other starts
over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hourtally.errors import Damaged, NotFound
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.input_files import HourFiles
from hourtally.store.layout import Home

_MANIFEST_NAME: Final = re.compile(r"(\d{6,})\.json", re.ASCII)
_FOLDER_NAME: Final = re.compile(r"rev-(\d{6,})-[0-9a-f]+", re.ASCII)


@dataclass(frozen=True)
class Manifest:
    """The manifest of a revision. record: its content. folder: where the revision's files are."""

    hour: Hour
    revision: int
    path: Path
    record: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder of the revision's files."""
        return self.path.parent / str(self.record["folder"])

    @property
    def inputs(self) -> dict[str, Any]:
        """`batches` (sorted), `build` (a version), and digests.

        `rates`: of those in force in the hour. From build version 2 on also `cases`: what its
        usage asks of a card, and `selection`: what the card said.
        """
        inputs: dict[str, Any] = self.record["inputs"]
        return inputs

    @property
    def held_customers(self) -> int:
        """How many customers the revision holds; those of build version 1 hold nobody."""
        held = self.record.get("held") or {}
        return int(held.get("customers", 0))


@dataclass(frozen=True)
class PendingRevision:
    """A revision that is being built. folder: where its files are written.

    parent: the hour's newest revision so far. reasons: why it is built. inputs: everything that it
    depends on, as its manifest records it. files: of its inputs, once they are checked.
    """

    hour: Hour
    revision: int
    parent: Manifest | None
    reasons: tuple[str, ...]
    inputs: dict[str, Any]
    folder: Path
    files: HourFiles = field(default_factory=HourFiles)


def revisions_of(home: Home, hour: Hour) -> list[int]:
    """The numbers of an hour's revisions, ascending."""
    return _revisions_in(home.names_in_hour(hour.name))


def _revisions_in(names: Iterable[str]) -> list[int]:
    return sorted(int(match[1]) for name in names if (match := _MANIFEST_NAME.fullmatch(name)))


def is_built(home: Home, hour_name: str) -> bool:
    """Whether an hour has a revision.

    Usually it has its first one, and checking for that takes a third of the time of a listing.
    """
    return home.has_first_manifest(hour_name) or bool(_revisions_in(home.names_in_hour(hour_name)))


def current_manifest(home: Home, hour: Hour) -> Manifest | None:
    """The newest manifest of an hour; None if it was never built.

    Raises:
        Damaged: the file is not a valid manifest.
    """
    return newest_in(home, hour, home.names_in_hour(hour.name))


def newest_in(home: Home, hour: Hour, names: Iterable[str]) -> Manifest | None:
    """The newest manifest among the names in an hour's folder; None without any.

    Raises:
        Damaged: as `read_manifest`.
    """
    revisions = _revisions_in(names)
    return read_manifest(home, hour, revisions[-1]) if revisions else None


def fetch_current(home: Home, hours: Iterable[Hour]) -> None:
    """Get the newest manifests of hours, which will be read one by one, at once if that helps."""
    if not durable.has_folders(home.root):
        newest = ((hour, revisions_of(home, hour)) for hour in hours)
        durable.fetch([home.manifest(hour, of[-1]) for hour, of in newest if of])


def read_manifest(home: Home, hour: Hour, revision: int) -> Manifest:
    """The manifest of one revision.

    Raises:
        NotFound: the hour has no such revision.
        Damaged: the file is not a valid manifest, or is the manifest of another revision.
    """
    path = home.manifest(hour, revision)
    try:
        record = durable.read_sealed_json(path)
    except FileNotFoundError:
        have = ", ".join(map(str, revisions_of(home, hour))) or "none"
        message = f"hour {hour} has no revision {revision}; its revisions: {have}"
        raise NotFound(message) from None
    folder = _FOLDER_NAME.fullmatch(str(record.get("folder")))
    needed = {"hour", "revision", "inputs", "files", "totals", "rows", "conflicts", "currency"}
    if (
        not needed <= record.keys()
        or folder is None
        or (record["hour"], record["revision"]) != (hour.name, revision)
        or int(folder[1]) != revision
        or not isinstance(record["inputs"], dict)
        or not {"batches", "rates", "build"} <= record["inputs"].keys()
    ):
        raise Damaged(path, f"it is not the manifest of revision {revision} of hour {hour}")
    return Manifest(hour, revision, path, record)


def commit_manifest(home: Home, hour: Hour, revision: int, record: dict[str, Any]) -> bool:
    """Create the manifest of a revision whose files are durable; False if the number is taken."""
    return durable.create_file(home.manifest(hour, revision), durable.to_sealed_json(record))


def remove_unfinished(home: Home, hour: Hour) -> None:
    """Remove what interrupted builds of an hour left; the caller holds the hour's lock.

    Where there are no locks another build may be at work: `Files.abandoned` tells what is left.
    """
    if not durable.has_folders(home.root):
        return
    published = {read_manifest(home, hour, n).folder for n in revisions_of(home, hour)}
    left = [
        entry
        for entry in durable.list_folder(home.hour(hour))
        if (_FOLDER_NAME.fullmatch(entry.name) and entry not in published)
        or (entry.name.startswith(".") and entry.name.endswith(".tmp"))
    ]
    if left:
        # A manifest whose fsync failed was removed; it must not reappear without its files.
        durable.fsync_folder(home.hour(hour))
    for entry in left:
        if durable.folder_exists(entry):
            durable.remove_folder(entry)
        else:
            durable.remove_file(entry)
