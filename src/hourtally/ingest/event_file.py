"""One event file: its bytes' digest, which names its batch, and that nobody writes to it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hourtally.errors import FileRejected
from hourtally.ingest.discovery import EVENT_SUFFIXES, is_event_file, unreadable
from hourtally.ingest.magic_bytes import check_first_bytes
from hourtally.runtime.concurrency import import_in_background
from hourtally.runtime.interrupts import load_polars
from hourtally.store import durable
from hourtally.store.faults import StoreFault

BATCH_DIGITS: Final = 16


@dataclass(frozen=True)
class EventFile:
    """An event file. status: from before its first byte was read."""

    path: Path
    status: os.stat_result
    sha256: str

    @property
    def batch(self) -> str:
        """The batch that its bytes are."""
        return self.sha256[:BATCH_DIGITS]

    def check_unchanged(self) -> None:
        """Check that nobody has written to the file since `status`.

        Raises:
            FileRejected: somebody has.
        """
        try:
            now = self.path.stat()
        except OSError as error:
            raise unreadable(self.path, error) from error
        before = self.status
        if (before.st_size, before.st_mtime_ns, before.st_ino) != (
            now.st_size,
            now.st_mtime_ns,
            now.st_ino,
        ):
            reason = "it changed while it was being read; ingest it again once it is complete"
            raise FileRejected(self.path, reason)


def open_event_file(path: Path) -> EventFile:
    """Read an event file for its digest.

    Raises:
        FileRejected: it is no event file by its name, no regular file, or cannot be read, or its
            first bytes contradict its name.
    """
    if not is_event_file(path):
        raise FileRejected(path, f"its name does not end in {EVENT_SUFFIXES}")
    try:
        durable.local_file(path)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait for its writer; reading a device might never end.
            raise FileRejected(path, "it is not a regular file")
        check_first_bytes(path)
        # Hashing leaves a core idle.
        with import_in_background("hourtally.ingest.staging"):
            sha256 = durable.sha256_of(path)
    except OSError as error:
        if isinstance(error, StoreFault):
            # The store itself, not this file.
            raise
        raise unreadable(path, error) from error
    # The other thread imported Polars, whose import takes over SIGINT: an interrupt would be
    # raised twice, the second time during cleanup.
    load_polars()
    return EventFile(path, status, sha256)
