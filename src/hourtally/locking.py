"""Folders held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hourtally.storage import make_folder


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; the kernel gives it back when the process ends, however it ends.

    Two builds of one hour would find out at their commit; two ingests of one file would not, so a
    home needs a file system whose locks hold between all that write into it.
    """
    while True:
        make_folder(folder)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            # Its holder before us has just removed it.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Or has removed it while we waited: then the lock is on nothing.
            try:
                ours = folder.stat().st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                ours = False
            if ours:
                yield
                return
        finally:
            os.close(descriptor)
