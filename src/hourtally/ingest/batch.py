"""Event files to slices by hour, quarantine files and numbered ingest records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hourtally.errors import BatchWithdrawn, Damaged, FileRejected, StorageFault
from hourtally.ingest.discovery import path_text
from hourtally.ingest.event_file import EventFile, open_event_file
from hourtally.ingest.receipts import IngestReceipt, receipt_of
from hourtally.model.hours import format_instant
from hourtally.store import durable
from hourtally.store.batches import INGESTED, record_name
from hourtally.store.layout import Home
from hourtally.store.records import (
    DecidingRecord,
    StagedBatch,
    commit_records,
    deciding_record,
    finish,
    locked_batch,
    move_into_place,
    remove_leftovers,
)

if TYPE_CHECKING:
    from hourtally.ingest.staging import Progress

# How often another machine may be faster with a record, before the store must be at fault.
_MOST_RACES: Final = 20


@dataclass(frozen=True)
class Ingesting:
    """How files are ingested.

    Attributes:
        home: the home folder.
        now_ms: the current time.
        threads: how many blocks are parsed at a time.
        progress: called with what was read.
        again: judge a file anew also where its batch exists or is withdrawn. Where its slices and
            quarantined lines come out equal, and nothing was withdrawn, nothing is written.
    """

    home: Home
    now_ms: int
    threads: int
    progress: Progress | None = None
    again: bool = False


Outcome = IngestReceipt | FileRejected | BatchWithdrawn | Damaged
"""What became of a file.

FileRejected: it cannot be read to its end, or it is no event file; none of its events count.
BatchWithdrawn: its batch is withdrawn, and it was not to be ingested again.
Damaged: the batch's record exists, but is not a valid record.
"""


def ingest_together(how: Ingesting, paths: Sequence[Path]) -> list[Outcome]:
    """Ingest files, unless their batches already exist; what became of each.

    Raises:
        StorageFault: the system refused a write.
    """
    with durable.storage_faults(how.home.root, "ingesting"):
        opened = [_opened(path) for path in paths]
    outcomes: list[Outcome | None] = [
        one if isinstance(one, FileRejected) else None for one in opened
    ]
    # A file with the bytes of an earlier one waits until that one is done.
    rounds = len(paths) + _MOST_RACES
    while missing := [number for number, outcome in enumerate(outcomes) if outcome is None]:
        numbers: dict[str, int] = {}
        for number in missing:
            file = opened[number]
            assert isinstance(file, EventFile)
            numbers.setdefault(file.batch, number)
        every = [opened[number] for number in numbers.values()]
        files = [file for file in every if isinstance(file, EventFile)]
        found = _ingest(how, files)
        for number, outcome in zip(numbers.values(), found, strict=True):
            outcomes[number] = outcome
        rounds -= 1
        if not rounds and None in outcomes:
            raise _never_listed(files[0])
    return [outcome for outcome in outcomes if outcome is not None]


def _never_listed(file: EventFile) -> StorageFault:
    message = (
        f"{path_text(file.path)}: the ingest record of its batch is there, but is not listed, or "
        "others write it again and again; check the store, then run the same command again"
    )
    return StorageFault(message)


def _opened(path: Path) -> EventFile | FileRejected:
    try:
        return open_event_file(path)
    except FileRejected as refusal:
        return refusal


@dataclass
class _Work:
    """A file that is being ingested, and its deciding record so far."""

    file: EventFile
    outcome: Outcome | None = None
    found: DecidingRecord | None = None

    def look(self, how: Ingesting) -> None:
        """Find the record, and leave the file out if there is nothing to ingest."""
        try:
            self.found = _find(how, self.file)
            if self.found and not how.again:
                self.outcome = _skip(how, self.file, self.found)
        except (FileRejected, BatchWithdrawn, Damaged) as refusal:
            self.outcome = refusal


def _ingest(how: Ingesting, files: Sequence[EventFile]) -> list[Outcome | None]:
    """Ingest files of different batches; None where another machine was faster with a record."""
    work = [_Work(file) for file in files]
    with (
        durable.storage_faults(how.home.root, "ingesting"),
        durable.one_listing(how.home.root),
    ):
        for one in work:
            one.look(how)
    # Everybody locks batches in this order, so that two who ingest the same files never wait for
    # each other.
    new = sorted((one for one in work if one.outcome is None), key=lambda one: one.file.batch)
    with ExitStack() as locks:
        folders = {
            one.file.batch: locks.enter_context(locked_batch(how.home, one.file.batch))
            for one in new
        }
        # Where nobody is locked out, who was faster shows when the record is created.
        for one in new if durable.has_folders(how.home.root) else ():
            one.look(how)
        # In the order of the files.
        _write_next(how, [one for one in work if one.outcome is None], folders)
    return [one.outcome for one in work]


def _find(how: Ingesting, file: EventFile) -> DecidingRecord | None:
    """The deciding record of the file's batch, if the batch exists.

    Raises:
        FileRejected: the batch is another file.
        Damaged: the record is damaged, and is needed.
    """
    found = deciding_record(how.home, file.batch)
    if found is None or (found.damage and how.again):
        return found
    if found.damage:
        raise found.damage
    if found.content.get("sha256") != file.sha256:
        reason = (
            f"its SHA-256 starts like that of batch {file.batch}, which is another file; "
            "add a blank line to this file and ingest it again"
        )
        raise FileRejected(file.path, reason)
    return found


def _skip(how: Ingesting, file: EventFile, found: DecidingRecord) -> IngestReceipt:
    """Leave an existing batch as it is.

    Raises:
        BatchWithdrawn: it is withdrawn.
        FileRejected: the file changed while it was being read, so that it may be another batch.
    """
    file.check_unchanged()
    finish(how.home, how.home.staging(found.batch))
    if found.is_withdrawn:
        at, reason = (str(found.content.get(name)) for name in ("withdrawn_at", "reason"))
        raise BatchWithdrawn(file.path, found.batch, at, reason)
    return replace(receipt_of(file, found.content), skipped=True)


def _write_next(how: Ingesting, work: Sequence[_Work], folders: Mapping[str, Path]) -> None:
    """Write the next record of each file's batch; no outcome where another machine was faster."""
    if not work:
        return
    for one in work:
        remove_leftovers(how.home, one.file.batch, folders[one.file.batch])
    staged: list[tuple[_Work, StagedBatch]] = []
    for one, record in zip(work, _staged(how, work, folders), strict=True):
        staging = folders[one.file.batch]
        if isinstance(record, FileRejected):
            durable.remove_folder(staging)
            one.outcome = record
        elif one.found is not None and _is_equal(how.home, one.found, record, staging):
            durable.remove_folder(staging)
            receipt = receipt_of(one.file, one.found.content)
            one.outcome = replace(receipt, skipped=True, again=True)
        else:
            name = record_name(one.file.batch, record["number"])
            staged.append((one, StagedBatch(name, staging, record)))
    if not staged:
        return
    batches = [batch for _, batch in staged]
    move_into_place(how.home, batches)
    created = commit_records(how.home, batches)
    for (one, batch), is_ours in zip(staged, created, strict=True):
        if is_ours:
            durable.remove_folder(batch.staging)
            one.outcome = replace(receipt_of(one.file, batch.record), again=one.found is not None)


def _staged(
    how: Ingesting, work: Sequence[_Work], folders: Mapping[str, Path]
) -> Iterator[dict[str, Any] | FileRejected]:
    """Write the files' slices and quarantine to their folders; the records that describe them."""
    from hourtally.ingest.staging import FileToStage, stage_files

    files = [FileToStage(one.file.path, folders[one.file.batch]) for one in work]
    described = stage_files(files, how.now_ms, how.threads, how.progress)
    for one, content in zip(work, described, strict=True):
        if isinstance(content, FileRejected):
            yield content
            continue
        try:
            one.file.check_unchanged()
        except FileRejected as refusal:
            yield refusal
            continue
        yield {
            "batch": one.file.batch,
            "number": 1 if one.found is None else one.found.number + 1,
            "status": INGESTED,
            "sha256": one.file.sha256,
            "size": one.file.status.st_size,
            "file": path_text(one.file.path),
            "ingested_at": format_instant(how.now_ms),
            **content,
        }


def _is_equal(home: Home, found: DecidingRecord, record: dict[str, Any], staging: Path) -> bool:
    """Whether a file judged anew comes out as its deciding record has it."""
    if found.damage or found.is_withdrawn:
        return False
    from hourtally.ingest.comparison import comes_out_equal

    return comes_out_equal(home, found, record, staging)
