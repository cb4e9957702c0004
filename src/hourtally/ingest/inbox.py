"""Which inbox files have been ingested in their present state.

Inbox files stay where they are, and hashing all of them every hour would take ever longer. So
a file's size, times and inode are noted beside its batch, as git does in its index. They are those
from before its first byte was read: what is written to the file meanwhile has it read again. So
has a change less than two seconds before that, as times may not tell it from a later one.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hourtally.errors import Damaged, FileRejected, with_urls
from hourtally.ingest.discovery import Tally, event_files, path_text, unreadable
from hourtally.store import durable
from hourtally.store.batches import Batches, is_withdrawn, parse_record_name, record_name
from hourtally.store.faults import StoreFault
from hourtally.store.layout import Home
from hourtally.store.symlinks import reject_symlinks

# Coarser than the timestamps of any file system in use.
_TIMESTAMP_RESOLUTION_NS: Final = 2_000_000_000


@dataclass
class Inbox:
    """What the inbox holds.

    Attributes:
        new: files to ingest: new ones, and those changed since they were ingested.
        passed_over: files that are not taken, each with its `file` and `why`.
        quarantined: files of earlier runs that have lines in quarantine, each with its `file` and
            `quarantine`, the file with those lines.
        withdrawn: files of earlier runs whose batch is withdrawn, each with its `file` and `batch`.
        refused: folders that cannot be searched, the inbox among them.
        is_missing: whether it is named by a URL that no object lies below. There an empty inbox is
            none, and a misspelt one as well.
    """

    new: list[Path] = field(default_factory=list)
    passed_over: Tally = field(default_factory=Tally)
    quarantined: Tally = field(default_factory=Tally)
    withdrawn: Tally = field(default_factory=Tally)
    refused: list[FileRejected] = field(default_factory=list)
    is_missing: bool = False


@dataclass(frozen=True)
class Sighting:
    """An inbox file before it is read.

    Attributes:
        state: its path, size, times and inode; None where it is not there.
        settled: whether its times would tell a later change.
        batch: as which it was noted before, in whatever state; None if it never was.
        unchanged: whether it was noted in this state, and `search_inbox` has told of it.
    """

    state: dict[str, Any] | None
    settled: bool
    batch: str | None = None
    unchanged: bool = False


def search_inbox(home: Home, folder: Path | None = None) -> Inbox:
    """Look through the inbox and its subfolders; without an inbox there is nothing to find.

    folder: the inbox, if it is not the home's own, which then has to be there.

    Raises:
        StoreFault: the object store of the inbox or the home refused a read.
    """
    inbox = Inbox()
    place = folder or home.inbox
    with durable.one_listing(home.root):
        try:
            if durable.has_folders(place) and folder is None and not place.is_dir():
                return inbox
            found = event_files(place, homes_too=True)
        except StoreFault:
            raise
        except OSError as error:
            return Inbox(refused=[unreadable(place, error)])
        except FileRejected as refusal:
            return Inbox(refused=[refusal])
        inbox.passed_over, inbox.refused = found.passed_over, found.refused
        is_empty = not (found.files or found.refused or found.passed_over.count)
        inbox.is_missing = is_empty and folder is not None and not durable.has_folders(place)
        _sort_in(inbox, home, found.files)
    return inbox


def _sort_in(inbox: Inbox, home: Home, files: Sequence[Path]) -> None:
    """Add event files to what the inbox holds: new ones, and what to tell of others."""
    batches = Batches(home)
    durable.fetch([_note_path(home, file) for file in files])
    for file in files:
        note = _current_note(home, file, batches)
        if note is None or not note["settled"]:
            inbox.new.append(file)
        if note is not None:
            _tell(inbox, home, file, note, batches)


def is_ingested(home: Home, file: Path) -> bool:
    """Whether the file was ingested, its batch exists, and the file has not changed since."""
    note = _current_note(home, file, Batches(home))
    return note is not None and bool(note["settled"])


def see(home: Home, file: Path) -> Sighting:
    """Look at a file, before a byte of it is read for ingesting it."""
    path = _note_path(home, file)
    note: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, Damaged):
        note = durable.read_sealed_json(path)
    try:
        state = _file_state(file)
    except OSError:
        return Sighting(None, settled=False)
    reject_symlinks(home, path.parent)
    with durable.storage_faults(path, "noting an inbox file"):
        settled = "etag" in state or _is_settled(home, path, state)
    return Sighting(state, settled, note.get("batch"), note.get("file") == state)


def _is_settled(home: Home, note: Path, state: dict[str, Any]) -> bool:
    """Whether the times of a file would tell a later change."""
    if durable.has_folders(home.root):
        _make_folder(note.parent)
    else:
        note = home.staging(note.name)
        note.parent.mkdir(exist_ok=True)
    # The time of the file system that also has the file's times; a clock may differ from it.
    note.unlink(missing_ok=True)
    note.touch()
    now_ns: int = note.stat().st_mtime_ns
    last_change_ns: int = max(state["mtime_ns"], state["ctime_ns"])
    if not durable.has_folders(home.root):
        note.unlink()
    return now_ns - last_change_ns >= _TIMESTAMP_RESOLUTION_NS


def note_ingested(home: Home, file: Path, seen: Sighting, record: str) -> None:
    """Note that the file, as it was seen, is the batch of this record."""
    if seen.state is None:
        return
    note = _note_path(home, file)
    batch, number = parse_record_name(record)
    content = {"batch": batch, "number": number, "settled": seen.settled, "file": seen.state}
    with contextlib.suppress(FileNotFoundError, Damaged):
        found = durable.read_sealed_json(home.batch_record(record))
        content |= {"withdrawn": is_withdrawn(found), "quarantined": found.get("quarantined", 0)}
    reject_symlinks(home, note.parent)
    with durable.storage_faults(note, "noting an inbox file"):
        if not durable.has_folders(note):
            durable.replace_quickly(note, durable.to_sealed_json(content))
            return
        _make_folder(note.parent)
        # Neither fsynced nor renamed: the seal tells an incomplete note, and then the file is
        # just read once more.
        note.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError), note.open("xb") as out:
            out.write(durable.to_sealed_json(content))


def _current_note(home: Home, file: Path, batches: Batches) -> dict[str, Any] | None:
    """The note of a file that has not changed since, and whose batch exists; else None.

    `settled` in it says whether its times would tell a later change.
    """
    path = _note_path(home, file)
    try:
        note = durable.read_sealed_json(path)
        state = _file_state(file)
    except (FileNotFoundError, Damaged):
        return None
    if note.get("file") != state or not batches.number(str(note.get("batch"))):
        return None
    if "settled" in note:
        return note
    # Notes of the version before do not say when the file was seen.
    last_change_ns = max(state["mtime_ns"], state["ctime_ns"])
    noted_ns = durable.changed_ns(path)
    return {"settled": noted_ns - last_change_ns >= _TIMESTAMP_RESOLUTION_NS} | note


def _tell(inbox: Inbox, home: Home, file: Path, note: dict[str, Any], batches: Batches) -> None:
    """Add a file that is ingested to what there is to tell of the inbox."""
    batch = str(note["batch"])
    number = batches.number(batch)
    if note.get("number") != number or "quarantined" not in note:
        # There is a later record, or the note is of the version before.
        try:
            note = durable.read_sealed_json(home.batch_record(record_name(batch, number)))
        except Damaged:
            return
        withdrawn = is_withdrawn(note)
    else:
        withdrawn = bool(note["withdrawn"])
    if withdrawn:
        inbox.withdrawn.add(file=path_text(file), batch=batch)
    elif note.get("quarantined"):
        quarantine = home.quarantine(record_name(batch, number))
        inbox.quarantined.add(file=path_text(file), quarantine=path_text(quarantine))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():  # Where it is, `make_folder` would fsync the home for each file.
        durable.make_folder(folder)


def _note_path(home: Home, file: Path) -> Path:
    name = hashlib.sha256(_place(file)).hexdigest()[:32]
    return home.root / ".inbox" / f"{name}.json"


def _place(file: Path) -> bytes:
    """A file's path, or its URL."""
    return with_urls(str(file.absolute())).encode(errors="surrogateescape")


def _file_state(file: Path) -> dict[str, Any]:
    if not durable.has_folders(file):
        size, changed_ns, etag = durable.file_state(file)
        return {"path": _place(file).hex(), "size": size, "mtime_ns": changed_ns, "etag": etag}
    status = file.stat()
    return {
        "path": _place(file).hex(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }
