"""Folder locks between processes."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hourtally.runtime.notices import notify
from hourtally.store.durable import make_folder
from hourtally.store.files import files_at

_RETRY_SECONDS: Final = 0.05
# Most waits are shorter, and nobody needs to know of them.
_SILENT_SECONDS: Final = 2.0


@contextlib.contextmanager
def locked_folder(
    folder: Path,
    while_waiting: Callable[[], None] | None = None,
    *,
    what: str | None = None,
    durably: bool = True,
) -> Iterator[None]:
    """Hold a folder's lock; the kernel releases it when the process ends, however it ends.

    Two builds of one hour would notice each other when they commit. Two ingests of one file would
    not, so a local home needs a file system whose locks are seen by everything that writes into
    it. An object store has no locks, and needs none: there, nothing is held.

    Args:
        folder: made if it is missing.
        while_waiting: called repeatedly while another process holds the lock; may raise.
        what: what a wait of over two seconds is said to be for, by default the folder.
        durably: whether a folder that is made has to survive a power loss.
    """
    if not files_at(folder).has_folders:
        yield
        return
    what = what or f"another process that works in {folder}"
    while True:
        if durably:
            make_folder(folder)
        else:
            if not folder.parent.is_dir():
                make_folder(folder.parent)
            # Not `exist_ok`, which fails where the previous holder removes it just then.
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            # The previous holder has just removed it.
            continue
        try:
            lock(descriptor, what, while_waiting)
            # It may also have removed it while we waited: then our lock is on a deleted folder.
            try:
                ours = folder.stat().st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                ours = False
            if ours:
                yield
                return
        finally:
            os.close(descriptor)


def lock(descriptor: int, what: str, while_waiting: Callable[[], None] | None = None) -> None:
    """Lock an open folder until it is closed.

    Args:
        descriptor: of the folder.
        what: what a wait of over two seconds is said to be for.
        while_waiting: called repeatedly while another process holds the lock; may raise.
    """
    say_at = time.monotonic() + _SILENT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if while_waiting is not None:
                while_waiting()
            if time.monotonic() >= say_at:
                say_at = math.inf
                notify(f"waiting for {what}")
            time.sleep(_RETRY_SECONDS)
        else:
            return
