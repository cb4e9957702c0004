"""Which inbox files have been ingested in their present state.

Inbox files stay where they are, and hashing all of them every hour would take ever longer. So
a file's size, times and inode are noted beside its batch, as git does in its index. A file
that changed less than two seconds before its note is read again: its times may not show a
later change.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Final

from hourtally.errors import Damaged
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.symlinks import reject_symlinks

# Coarser than the timestamps of any file system in use.
_TIMESTAMP_RESOLUTION_NS: Final = 2_000_000_000


def is_ingested(home: Home, file: Path) -> bool:
    """Whether the file was ingested, its batch exists, and the file has not changed since."""
    path = _note_path(home, file)
    try:
        note = durable.read_sealed_json(path)
        noted_ns = path.stat().st_mtime_ns
        state = _file_state(file)
    except (FileNotFoundError, Damaged):
        return False
    last_change_ns = max(state["mtime_ns"], state["ctime_ns"])
    is_settled = noted_ns - last_change_ns >= _TIMESTAMP_RESOLUTION_NS
    batch = str(note.get("batch"))
    return note.get("file") == state and is_settled and home.batch_record(batch).exists()


def note_ingested(home: Home, file: Path, batch: str) -> None:
    """Note that the file, in its present state, was ingested as this batch."""
    note = _note_path(home, file)
    try:
        state = _file_state(file)
    except FileNotFoundError:
        # It has left the inbox; if it comes back, it is read again.
        return
    reject_symlinks(home, note.parent)
    with durable.storage_faults(note, "noting an ingested file"):
        durable.make_folder(note.parent)
        # Neither fsynced nor renamed: the seal tells an incomplete note, and then the file is
        # just read once more.
        note.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError), note.open("xb") as out:
            out.write(durable.to_sealed_json({"batch": batch, "file": state}))


def _note_path(home: Home, file: Path) -> Path:
    name = hashlib.sha256(str(file.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
    return home.root / ".inbox" / f"{name}.json"


def _file_state(file: Path) -> dict[str, Any]:
    status = file.stat()
    return {
        "path": str(file.absolute()).encode(errors="surrogateescape").hex(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }
