"""Which files of the inbox were ingested as they are now.

Inbox files stay where they are, and hashing all of them every hour would grow without end.
So a file's size, times and inode are noted beside its batch, as git does for its index. A
file that changed so shortly before its note that its times could not tell is read again.
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

# Coarser than the clock of any file system in use.
_RACY_NS: Final = 2_000_000_000


def remembered(home: Home, file: Path) -> bool:
    """Whether the file was ingested, its batch exists, and it has not been touched since."""
    path = _note(home, file)
    try:
        note = durable.read_sealed_json(path)
        noted_ns = path.stat().st_mtime_ns
        state = _state(file)
    except (FileNotFoundError, Damaged):
        return False
    told_apart = noted_ns - max(state["mtime_ns"], state["ctime_ns"]) >= _RACY_NS
    batch = str(note.get("batch"))
    return note.get("file") == state and told_apart and home.batch_record(batch).exists()


def remember(home: Home, file: Path, batch: str) -> None:
    """Note that the file, as it is now, is the batch."""
    note = _note(home, file)
    try:
        state = _state(file)
    except FileNotFoundError:
        # It is out of the inbox; if it comes back it is read again.
        return
    reject_symlinks(home, note.parent)
    with durable.storage_faults(note, "noting an ingested file"):
        durable.make_folder(note.parent)
        # Neither fsynced nor renamed: of a note that is not whole its seal tells, and the file
        # is read once more.
        note.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError), note.open("xb") as out:
            out.write(durable.to_sealed_json({"batch": batch, "file": state}))


def _note(home: Home, file: Path) -> Path:
    name = hashlib.sha256(str(file.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
    return home.root / ".inbox" / f"{name}.json"


def _state(file: Path) -> dict[str, Any]:
    status = file.stat()
    return {
        "path": str(file.absolute()).encode(errors="surrogateescape").hex(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }
