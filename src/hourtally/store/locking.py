"""Folders held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hourtally.store.durable import make_folder

_SECONDS_BETWEEN_LOOKS: Final = 0.05


@contextlib.contextmanager
def locked_folder(folder: Path, look: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a folder's lock; the kernel gives it back when the process ends, however it ends.

    Two builds of one hour would find out at their commit; two ingests of one file would not, so a
    home needs a file system whose locks hold between all that write into it.

    `look` is called again and again while another process holds it, and may raise.
    """
    while True:
        make_folder(folder)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            # Its holder before us has just removed it.
            continue
        try:
            _lock(descriptor, look)
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


def _lock(descriptor: int, look: Callable[[], None] | None) -> None:
    if look is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            look()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        else:
            return
