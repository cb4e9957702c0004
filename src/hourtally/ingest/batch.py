"""One event file to slices by hour, an ingest record and a quarantine file.

Everything is written under temporary names first. Then the slices get their final names, then
the quarantine file, and the record is created last. Without the record the batch does not exist:
the next ingest of the file replaces what an interrupted one has left.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hourtally.errors import Damaged, FileRejected
from hourtally.ingest.discovery import EVENT_SUFFIXES, is_event_file, path_text
from hourtally.model.hours import Hour, format_instant
from hourtally.runtime.concurrency import import_in_background
from hourtally.runtime.interrupts import load_polars
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder
from hourtally.store.symlinks import reject_symlinks

if TYPE_CHECKING:
    from hourtally.ingest.staging import Progress

BATCH_DIGITS: Final = 16


@dataclass(frozen=True)
class IngestReceipt:
    """The counts of one file. skipped: it was ingested earlier, and the counts are from then."""

    file: str
    batch: str
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    hours: int
    skipped: bool


@dataclass(frozen=True)
class _EventFile:
    """An event file. status: from before its first byte was read."""

    path: Path
    status: os.stat_result
    sha256: str

    @property
    def batch(self) -> str:
        return self.sha256[:BATCH_DIGITS]

    def check_unchanged(self) -> None:
        """Refuse the file if it was written to since `status`."""
        try:
            now = self.path.stat()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        before = self.status
        if (before.st_size, before.st_mtime_ns, before.st_ino) != (
            now.st_size,
            now.st_mtime_ns,
            now.st_ino,
        ):
            reason = "it changed while it was being read; ingest it again once it is complete"
            raise FileRejected(self.path, reason)


def ingest_file(
    home: Home, path: Path, now_ms: int, threads: int, progress: Progress | None = None
) -> IngestReceipt:
    """Ingest one file, unless its batch already exists.

    Raises:
        FileRejected: the file cannot be read to its end; none of its events count.
        Damaged: the batch's record exists, but is not a valid record.
    """
    if not is_event_file(path):
        raise FileRejected(path, f"its name does not end in {EVENT_SUFFIXES}")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait for its writer; reading a device might never end.
            raise FileRejected(path, "it is not a regular file")
        # Hashing leaves a core idle.
        with import_in_background("hourtally.ingest.staging"):
            sha256 = durable.sha256_of(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    # The other thread imported Polars, whose import takes over SIGINT: an interrupt would be
    # raised twice, the second time during cleanup.
    load_polars()
    return _ingest(home, _EventFile(path, status, sha256), now_ms, threads, progress)


def _unreadable(path: Path, error: OSError) -> FileRejected:
    return FileRejected(path, f"it cannot be read: {error.strerror or error}")


def _ingest(
    home: Home, file: _EventFile, now_ms: int, threads: int, progress: Progress | None
) -> IngestReceipt:
    batch = file.batch
    staging = home.staging(batch)
    with durable.storage_faults(home.root, "ingesting"):
        if record := _find_record(home, file):
            return _skip(home, staging, record)
    reject_symlinks(home, staging, home.batches, home.quarantine(batch).parent, home.events)
    from hourtally.ingest.staging import stage_events

    with durable.storage_faults(staging, "ingesting"), locked_folder(staging):
        if record := _find_record(home, file):
            return _skip(home, staging, record)
        _remove_leftovers(home, batch, staging)
        record = {
            "batch": batch,
            "sha256": file.sha256,
            "size": file.status.st_size,
            "file": path_text(file.path),
            "ingested_at": format_instant(now_ms),
        }
        try:
            record |= stage_events(file.path, staging, now_ms, threads, progress)
            file.check_unchanged()
        except FileRejected:
            durable.remove_folder(staging)
            raise
        _move_into_place(home, batch, staging, record)
        sealed = durable.to_sealed_json(record)
        durable.create_file(home.batch_record(batch), sealed, staging=staging)
        durable.remove_folder(staging)
    return _receipt(record, skipped=False)


def _skip(home: Home, staging: Path, record: dict[str, Any]) -> IngestReceipt:
    """Keep an existing batch as it is, and finish what its ingest left open if it was killed."""
    durable.fsync_folder(home.batches)
    reject_symlinks(home, staging)
    durable.remove_folder(staging)
    return _receipt(record, skipped=True)


def _find_record(home: Home, file: _EventFile) -> dict[str, Any] | None:
    """The record of the file's batch, if it exists."""
    try:
        record = durable.read_sealed_json(home.batch_record(file.batch))
    except FileNotFoundError:
        return None
    if record.get("sha256") != file.sha256:
        reason = (
            f"its SHA-256 starts like that of batch {file.batch}, which is another file; "
            "add a blank line to this file and ingest it again"
        )
        raise FileRejected(file.path, reason)
    return record


def _receipt(record: dict[str, Any], *, skipped: bool) -> IngestReceipt:
    try:
        return IngestReceipt(
            file=record["file"],
            batch=record["batch"],
            lines=record["lines"],
            accepted=record["accepted"],
            duplicates=record["duplicates"],
            quarantined=record["quarantined"],
            hours=len(record["hours"]),
            skipped=skipped,
        )
    except KeyError as error:
        path = Path(f"batches/{record.get('batch')}.json")
        raise Damaged(path, f"the ingest record lacks {error}") from error


def _remove_leftovers(home: Home, batch: str, staging: Path) -> None:
    """Remove what an interrupted ingest of this batch left under final names.

    Some slices may lie in hours that this ingest will not write to (with another clock, other
    events are in the future), and would count once the record exists. The mark `naming` says
    that an ingest began to name slices, so the search happens only where it is needed.
    """
    if (staging / "naming").exists():
        if home.batches.exists():
            # A record whose fsync failed was removed; make sure that it does not come back
            # without its slices.
            durable.fsync_folder(home.batches)
        for leftover in home.events.glob(f"hour=*/{batch}.parquet"):
            leftover.unlink()
        home.quarantine(batch).unlink(missing_ok=True)
    for entry in durable.list_folder(staging):
        entry.unlink()


def _move_into_place(home: Home, batch: str, staging: Path, record: dict[str, Any]) -> None:
    """Give staged files their final names, durably; they count only once the record exists."""
    (staging / "naming").touch()
    durable.fsync_folder(staging)
    targets = {name: home.slices(Hour.parse(name), batch) for name in record["hours"]}
    folders = {home.quarantine(batch).parent, *(path.parent for path in targets.values())}
    _make_hour_folders(home, sorted({path.parent for path in targets.values()}))
    for name, target in targets.items():
        (staging / f"{name}.parquet").rename(target)
    durable.make_folder(home.quarantine(batch).parent)
    if record["quarantined"]:
        staged = staging / "quarantine.ndjson"
        durable.fsync_file(staged)
        staged.rename(home.quarantine(batch))
    for folder in sorted(folders):
        durable.fsync_folder(folder)
    durable.make_folder(home.batches)


def _make_hour_folders(home: Home, folders: Sequence[Path]) -> None:
    """Make the folders of hours, with a single fsync for all their names."""
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
