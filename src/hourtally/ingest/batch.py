"""An event file to slices by hour, an ingest record and a quarantine file.

Everything is written under temporary names first. The slices get their names, then the
quarantine file, and the record last: without it the batch does not exist, and what an
interrupted ingest has left is replaced by the next one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hourtally.errors import Damaged, FileRejected
from hourtally.ingest.discovery import EVENT_SUFFIXES, is_event_file, written_path
from hourtally.model.hours import Hour, format_instant
from hourtally.runtime.concurrency import run_in_background
from hourtally.runtime.interrupts import load_polars
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder
from hourtally.store.symlinks import reject_symlinks

if TYPE_CHECKING:
    from hourtally.ingest.staging import Progress, Reading

BATCH_DIGITS: Final = 16


@dataclass(frozen=True)
class IngestReceipt:
    """What became of one file. skipped: it was ingested before, the counts are from then."""

    file: str
    batch: str
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    hours: int
    skipped: bool


def ingest_file(
    home: Home, path: Path, now_ms: int, threads: int, progress: Progress | None = None
) -> IngestReceipt:
    """Ingest one file, unless the batch that it is exists.

    Raises:
        FileRejected: the file cannot be read to its end; nothing of it counts.
        Damaged: the batch's record is there and is none.
    """
    if not is_event_file(path):
        reason = f"its name ends in none of {EVENT_SUFFIXES}"
        raise FileRejected(path, reason)
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            # To open a pipe would wait for its writer, to read a device might never end.
            raise FileRejected(path, "it is no regular file")
        with run_in_background(_begin, path, before.st_size, now_ms, threads) as beginning:
            sha256 = durable.sha256_of(path)
    except OSError as error:
        raise FileRejected(path, f"it cannot be read: {error.strerror or error}") from error
    with closing(beginning.result()) as reading:
        # A thread has loaded it; of one interrupt it would else make two, the second amid cleanup.
        load_polars()
        return _ingest(home, path, before, sha256, reading, now_ms, threads, progress)


def _begin(path: Path, size: int, now_ms: int, threads: int) -> Reading:
    """Load the engines and begin to read: to hash a file leaves a core free."""
    from hourtally.ingest.staging import Reading

    return Reading(path, size, now_ms, threads)


def _ingest(
    home: Home,
    path: Path,
    before: os.stat_result,
    sha256: str,
    reading: Reading,
    now_ms: int,
    threads: int,
    progress: Progress | None,
) -> IngestReceipt:
    batch = sha256[:BATCH_DIGITS]
    staging = home.staging(batch)
    with durable.storage_faults(home.root, "ingesting"):
        if record := _record_of(home, path, batch, sha256):
            return _skip(home, staging, record)
    reject_symlinks(home, staging, home.batches, home.quarantine(batch).parent, home.events)
    from hourtally.ingest.staging import take_in

    with durable.storage_faults(staging, "ingesting"), locked_folder(staging):
        if record := _record_of(home, path, batch, sha256):
            return _skip(home, staging, record)
        _clear_leftovers(home, batch, staging)
        record = {
            "batch": batch,
            "sha256": sha256,
            "size": before.st_size,
            "file": written_path(path),
            "ingested_at": format_instant(now_ms),
        }
        try:
            record |= take_in(reading, staging, threads, progress)
            _check_unchanged(path, before)
        except FileRejected:
            durable.remove_folder(staging)
            raise
        _put_in_place(home, batch, staging, record)
        sealed = durable.to_sealed_json(record)
        durable.create_file(home.batch_record(batch), sealed, staging=staging)
        durable.remove_folder(staging)
    return _receipt(record, skipped=False)


def _skip(home: Home, staging: Path, record: dict[str, Any]) -> IngestReceipt:
    """Leave a batch that exists as it is, and finish what its ingest, if killed, has not done."""
    durable.fsync_folder(home.batches)
    reject_symlinks(home, staging)
    durable.remove_folder(staging)
    return _receipt(record, skipped=True)


def _check_unchanged(path: Path, before: os.stat_result) -> None:
    """Refuse a file that was written to between its hash and its last line."""
    try:
        after = path.stat()
    except OSError as error:
        raise FileRejected(path, f"it cannot be read: {error.strerror or error}") from error
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    ):
        raise FileRejected(path, "it changed while it was read; ingest it again")


def _record_of(home: Home, path: Path, batch: str, sha256: str) -> dict[str, Any] | None:
    """The record of a batch, if it exists."""
    try:
        record = durable.read_sealed_json(home.batch_record(batch))
    except FileNotFoundError:
        return None
    if record.get("sha256") != sha256:
        reason = (
            f"its SHA-256 begins like that of batch {batch} and is another; "
            "add a blank line to the file and ingest it again"
        )
        raise FileRejected(path, reason)
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


def _clear_leftovers(home: Home, batch: str, staging: Path) -> None:
    """Remove what an interrupted ingest of this batch has left under final names.

    Slices may lie in hours that this ingest will not touch (another clock decides otherwise
    what is in the future), and would count once the record is there. An ingest marks that it
    has begun to name slices, so that this search is made only where it is needed.
    """
    if (staging / "naming").exists():
        if home.batches.exists():
            # A record whose fsync failed was taken back; it must not come back without its slices.
            durable.fsync_folder(home.batches)
        for leftover in home.events.glob(f"hour=*/{batch}.parquet"):
            leftover.unlink()
        home.quarantine(batch).unlink(missing_ok=True)
    for entry in durable.list_folder(staging):
        entry.unlink()


def _put_in_place(home: Home, batch: str, staging: Path, record: dict[str, Any]) -> None:
    """Give staged files their names, durably; the record still decides whether they count."""
    (staging / "naming").touch()
    durable.fsync_folder(staging)
    targets = {name: home.slices(Hour.parse(name), batch) for name in record["hours"]}
    folders = {home.quarantine(batch).parent, *(path.parent for path in targets.values())}
    _make_hours(home, sorted({path.parent for path in targets.values()}))
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


def _make_hours(home: Home, folders: Sequence[Path]) -> None:
    """Make the folders of hours, with one fsync for the names of all of them."""
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
