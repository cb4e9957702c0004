"""One event file to slices by hour, a quarantine file and a numbered ingest record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hourtally.errors import BatchWithdrawn, Damaged, FileRejected
from hourtally.ingest.discovery import path_text
from hourtally.ingest.event_file import EventFile, open_event_file
from hourtally.ingest.observations import Observations
from hourtally.model.hours import format_instant
from hourtally.store import durable
from hourtally.store.batches import INGESTED, record_name
from hourtally.store.layout import Home
from hourtally.store.records import (
    DecidingRecord,
    commit_record,
    deciding_record,
    finish,
    locked_batch,
    move_into_place,
    remove_leftovers,
)

if TYPE_CHECKING:
    from hourtally.ingest.staging import Progress


@dataclass(frozen=True)
class IngestReceipt:
    """The counts of one file.

    Attributes:
        file: the file that was read now, also where its batch bears another name.
        hours: how many hours it touches.
        skipped: its batch exists already, and the counts are that batch's.
        number: of the record that has the counts.
        again: the file was judged anew (`--again`).
        known: `skipped`, and an earlier run had taken it from the inbox.
        rules: quarantined lines by rule.
        hour_names: of the hours that it touches, in order.
        observations: what counts nothing, or not yet.
        conflicts: identities with several contents in one hour of the file.
        conflict_losers: slices that do not count because of it.
    """

    file: str
    batch: str
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    hours: int
    skipped: bool
    number: int = 1
    again: bool = False
    known: bool = False
    rules: Mapping[str, int] = field(default_factory=dict)
    hour_names: tuple[str, ...] = ()
    observations: Observations = field(default_factory=Observations)
    conflicts: int = 0
    conflict_losers: int = 0

    @property
    def record(self) -> str:
        """The name of the record, which its quarantine file bears too."""
        return record_name(self.batch, self.number)


@dataclass(frozen=True)
class _Ingest:
    """How a file is ingested. again: judge it anew, though its batch exists."""

    home: Home
    file: EventFile
    now_ms: int
    threads: int
    progress: Progress | None
    again: bool

    def find(self) -> DecidingRecord | None:
        """The deciding record of the file's batch, if the batch exists.

        Raises:
            FileRejected: the batch is another file.
            Damaged: the record is damaged, and is needed.
        """
        found = deciding_record(self.home, self.file.batch)
        if found is None or (found.damage and self.again):
            return found
        if found.damage:
            raise found.damage
        if found.content.get("sha256") != self.file.sha256:
            reason = (
                f"its SHA-256 starts like that of batch {self.file.batch}, which is another file; "
                "add a blank line to this file and ingest it again"
            )
            raise FileRejected(self.file.path, reason)
        return found

    def stage(self, staging: Path, number: int) -> dict[str, Any]:
        """Write the file's slices and quarantine to the folder; the record that describes them."""
        from hourtally.ingest.staging import stage_events

        path = self.file.path
        record = {
            "batch": self.file.batch,
            "number": number,
            "status": INGESTED,
            "sha256": self.file.sha256,
            "size": self.file.status.st_size,
            "file": path_text(path),
            "ingested_at": format_instant(self.now_ms),
        }
        try:
            record |= stage_events(path, staging, self.now_ms, self.threads, self.progress)
            self.file.check_unchanged()
        except FileRejected:
            durable.remove_folder(staging)
            raise
        return record


def ingest_file(
    home: Home,
    path: Path,
    now_ms: int,
    threads: int,
    progress: Progress | None = None,
    *,
    again: bool = False,
) -> IngestReceipt:
    """Ingest one file, unless its batch already exists.

    Args:
        home: the home folder.
        path: the file.
        now_ms: the current time.
        threads: how many blocks are parsed at a time.
        progress: called with what was read.
        again: judge the file anew also where its batch exists or is withdrawn. Where its slices
            and quarantined lines come out equal, and nothing was withdrawn, nothing is written.

    Raises:
        FileRejected: the file cannot be read to its end; none of its events count.
        BatchWithdrawn: its batch is withdrawn, and it was not to be ingested again.
        Damaged: the batch's record exists, but is not a valid record.
    """
    work = _Ingest(home, open_event_file(path), now_ms, threads, progress, again)
    with durable.storage_faults(home.root, "ingesting"):
        found = work.find()
        if found and not again:
            return _skip(work, found)
    with locked_batch(home, work.file.batch) as staging:
        while True:
            found = work.find()
            if found and not again:
                return _skip(work, found)
            receipt = _write_next(work, found, staging)
            if receipt is not None:
                return receipt


def _skip(work: _Ingest, found: DecidingRecord) -> IngestReceipt:
    """Leave an existing batch as it is.

    Raises:
        BatchWithdrawn: it is withdrawn.
        FileRejected: the file changed while it was being read, so that it may be another batch.
    """
    work.file.check_unchanged()
    finish(work.home, work.home.staging(found.batch))
    if found.is_withdrawn:
        at, reason = (str(found.content.get(name)) for name in ("withdrawn_at", "reason"))
        raise BatchWithdrawn(work.file.path, found.batch, at, reason)
    return replace(_receipt(work, found.content), skipped=True)


def _write_next(work: _Ingest, found: DecidingRecord | None, staging: Path) -> IngestReceipt | None:
    """Write the batch's next record; None if another machine took its number."""
    home, batch = work.home, work.file.batch
    remove_leftovers(home, batch, staging)
    number = 1 if found is None else found.number + 1
    record = work.stage(staging, number)
    if found is not None and _is_equal(home, found, record, staging):
        durable.remove_folder(staging)
        return replace(_receipt(work, found.content), skipped=True, again=True)
    name = record_name(batch, number)
    move_into_place(home, name, staging, record)
    if not commit_record(home, name, staging, record):
        return None
    durable.remove_folder(staging)
    return replace(_receipt(work, record), again=found is not None)


def _is_equal(home: Home, found: DecidingRecord, record: dict[str, Any], staging: Path) -> bool:
    """Whether a file judged anew comes out as its deciding record has it."""
    if found.damage or found.is_withdrawn:
        return False
    from hourtally.ingest.comparison import comes_out_equal

    return comes_out_equal(home, found, record, staging)


def _receipt(work: _Ingest, record: dict[str, Any]) -> IngestReceipt:
    try:
        return IngestReceipt(
            file=path_text(work.file.path),
            batch=record["batch"],
            lines=record["lines"],
            accepted=record["accepted"],
            duplicates=record["duplicates"],
            quarantined=record["quarantined"],
            hours=len(record["hours"]),
            skipped=False,
            number=record.get("number", 1),
            rules=record["rules"],
            hour_names=tuple(sorted(record["hours"])),
            observations=Observations.of_record(record),
            # Records of build version 1 have no conflicts.
            conflicts=record.get("conflicts", {}).get("identities", 0),
            conflict_losers=record.get("conflicts", {}).get("slices_not_counted", 0),
        )
    except KeyError as error:
        path = Path(f"batches/{record.get('batch')}.json")
        raise Damaged(path, f"the ingest record lacks {error}") from error
