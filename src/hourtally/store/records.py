"""Write a batch's next numbered record: lock the batch, give files their names, commit.

Everything is written under temporary names first. Then the slices get their final names, then
the quarantine file, and the record is created last. Without the record none of it counts: the
next job on the batch removes what an interrupted one has left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.batches import is_withdrawn, record_name
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder
from hourtally.store.symlinks import reject_symlinks


@dataclass(frozen=True)
class DecidingRecord:
    """A batch's record with the highest number. damage: what is wrong with it; then it is empty."""

    batch: str
    number: int
    content: dict[str, Any]
    damage: Damaged | None = None

    @property
    def name(self) -> str:
        """The name of the record and its files."""
        return record_name(self.batch, self.number)

    @property
    def is_withdrawn(self) -> bool:
        """Whether it takes the batch back."""
        return is_withdrawn(self.content)

    @property
    def hours(self) -> tuple[str, ...]:
        """The names of the hours that it touches, in order."""
        return tuple(sorted(self.content.get("hours", {})))


def deciding_record(home: Home, batch: str) -> DecidingRecord | None:
    """A batch's record with the highest number; None if the batch does not exist.

    Looks for the names, as listing the records of a year would take 5 ms for each file. One name
    may be missing among them, where somebody removed a damaged record.
    """
    number = 0
    while True:
        following = (number + 1, number + 2)
        there = [n for n in following if durable.file_exists(_record_path(home, batch, n))]
        if not there:
            break
        number = there[-1]
    if not number:
        return None
    try:
        content = durable.read_sealed_json(_record_path(home, batch, number))
    except Damaged as damage:
        return DecidingRecord(batch, number, {}, damage)
    return DecidingRecord(batch, number, content)


def _record_path(home: Home, batch: str, number: int) -> Path:
    return home.batch_record(record_name(batch, number))


@contextlib.contextmanager
def locked_batch(home: Home, batch: str, work: str = "ingesting") -> Iterator[Path]:
    """Hold a batch's lock; yields its folder for unfinished work, which `finish` removes.

    work: what a message says that failed.
    """
    staging = home.staging(batch)
    reject_symlinks(home, staging, home.batches, home.quarantine(batch).parent, home.events)
    what = f"batch {batch}, which another process is ingesting or withdrawing"
    with (
        durable.storage_faults(staging, work),
        # What is in it counts only after `move_into_place`, which makes it durable.
        locked_folder(staging, what=what, durably=False),
    ):
        yield staging


def remove_leftovers(home: Home, batch: str, staging: Path) -> None:
    """Remove what an interrupted job on this batch left under final names.

    Some slices may lie in hours that the next ingest will not write to (an earlier version judged
    events by the clock), and would count once the record exists. The mark `naming` says which
    record's files a job began to name, so the search happens only where it is needed.
    """
    mark = staging / "naming"
    if mark.exists():
        with contextlib.suppress(FileNotFoundError):
            # A record whose fsync failed was removed; make sure that it does not come back
            # without its slices.
            durable.fsync_folder(home.batches)
        # The version before left the mark empty.
        name = mark.read_text() or batch
        if not durable.file_exists(home.batch_record(name)):
            remove_files(home, name)
    for entry in durable.list_folder(staging):
        entry.unlink()


def remove_files(home: Home, name: str, listed: Collection[str] = ()) -> None:
    """Remove slices and voids that bear the name of a record, and its quarantined lines.

    listed: names of hours to leave alone, with the quarantine, as the record lists them.
    """
    if not durable.has_folders(home.root):
        # They are somebody else's: our own work begins in an empty folder.
        return
    for folder in durable.list_folder(home.events):
        if folder.name.startswith("hour=") and folder.name.removeprefix("hour=") not in listed:
            for path_of in (home.slices, home.voids):
                durable.remove_file(folder / path_of(Hour(0), name).name)
    if not listed:
        durable.remove_file(home.quarantine(name))


@dataclass(frozen=True)
class StagedBatch:
    """A batch whose files are staged. name: of its record, and of its files."""

    name: str
    staging: Path
    record: dict[str, Any]


def move_into_place(home: Home, batches: Sequence[StagedBatch]) -> None:
    """Give staged files their final names, durably; they count only once the records exist."""
    owner = durable.new_owner(home.root)
    if owner:
        # Nobody is locked out, so each writer has files of its own; the record says whose count.
        for one in batches:
            one.record["owner"] = owner
    targets = [_targets(home, one) for one in batches]

    def make_durable(one: StagedBatch, paths: Iterable[Path]) -> None:
        mark = one.staging / "naming"
        mark.write_text(one.name)
        for path in (mark, *paths):
            durable.fsync_file(path)
        durable.fsync_folder(one.staging)

    durable.call_together(make_durable, zip(batches, targets, strict=True))
    durable.fsync_folder(batches[0].staging.parent)
    quarantine = home.quarantine("").parent
    hours = {target.parent for of_batch in targets for target in of_batch.values()} - {quarantine}
    _make_hour_folders(home, sorted(hours))
    durable.make_folder(quarantine)
    every = {path: target for of_batch in targets for path, target in of_batch.items()}
    aside = durable.move_files(every, owner)
    for one in batches:
        if home.quarantine(one.name) in aside:
            one.record["quarantine_owner"] = owner
    durable.call_together(durable.fsync_folder, ((one,) for one in sorted({quarantine, *hours})))


def _targets(home: Home, one: StagedBatch) -> dict[Path, Path]:
    """The final path of each staged file."""
    targets = {}
    for of_hour, entry in one.record["hours"].items():
        hour = Hour.parse(of_hour)
        if "sha256" in entry:
            targets[one.staging / f"{of_hour}.parquet"] = home.slices(hour, one.name)
        if "voids" in entry:
            targets[one.staging / f"{of_hour}.voids.parquet"] = home.voids(hour, one.name)
    if one.record["quarantined"]:
        targets[one.staging / "quarantine.ndjson"] = home.quarantine(one.name)
    return targets


def commit_records(home: Home, batches: Sequence[StagedBatch]) -> list[bool]:
    """Create records; False for one whose number another machine took.

    Then files of its name in hours that the other's record does not list are removed. In those
    that it lists, both machines wrote the same bytes. Files with an owner are all removed.
    """
    durable.make_folder(home.batches)
    new = [
        durable.NewFile(
            home.batch_record(one.name), durable.to_sealed_json(one.record), one.staging
        )
        for one in batches
    ]
    for one in batches:
        durable.check_in_time(home.root, one.record.get("owner", ""))
    created = durable.create_files(new)
    for one, is_ours in zip(batches, created, strict=True):
        if not is_ours and "owner" in one.record:
            durable.undo_move(list(_targets(home, one).values()), one.record["owner"])
        elif not is_ours:
            with contextlib.suppress(Damaged):
                other = durable.read_sealed_json(home.batch_record(one.name))
                remove_files(home, one.name, other["hours"])
    return created


def finish(home: Home, staging: Path) -> None:
    """Keep a batch as it is, and finish what a job that was killed left open."""
    durable.fsync_folder(home.batches)
    reject_symlinks(home, staging)
    durable.remove_folder(staging)


def _make_hour_folders(home: Home, folders: Sequence[Path]) -> None:
    """Make the folders of hours, with a single fsync for all their names."""
    if not durable.has_folders(home.events):
        return
    durable.make_folder(home.events)
    made = []
    for folder in folders:
        reject_symlinks(home, folder)
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            made.append(folder)

    def remove() -> None:
        for folder in made:
            folder.rmdir()

    with durable.undo_on_failure(remove):
        durable.fsync_folder(home.events)
