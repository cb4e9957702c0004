"""Files in an open folder, without following symbolic links in it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hourtally.errors import StorageFault

# One export at a time writes into a tree, one file at a time.
_TEMPORARY: Final = ".export.tmp"


@contextlib.contextmanager
def path_in_error(folder: Path) -> Iterator[None]:
    """Put the full path into an error: relative to a descriptor the system has only the name."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        if os.sep not in name and name != str(folder):
            error.filename = str(folder / name)
        raise


def read_file(descriptor: int, name: str) -> bytes | None:
    """A file in an open folder; None if there is none."""
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    with os.fdopen(opened, "rb") as file:
        return file.read()


def open_folder(parent: Path, descriptor: int, name: str) -> int:
    """The descriptor of a folder in an open folder."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=descriptor)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        raise _unexpected_entry(parent / name) from None


def replace_file(
    folder: Path,
    descriptor: int,
    name: str,
    content: bytes,
    *,
    staging: int,
    durably: bool = False,
) -> None:
    """Write a file atomically in an open folder; the name must be free or a regular file.

    staging: the descriptor of a folder on the same file system, for the temporary file.
    durably: whether the content has to be on disk before the name is.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
            raise _unexpected_entry(folder / name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        written = os.open(_TEMPORARY, flags, 0o666, dir_fd=staging)
    except FileExistsError:
        os.unlink(_TEMPORARY, dir_fd=staging)
        written = os.open(_TEMPORARY, flags, 0o666, dir_fd=staging)
    try:
        with os.fdopen(written, "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            if durably:
                os.fsync(file.fileno())
        os.rename(_TEMPORARY, name, src_dir_fd=staging, dst_dir_fd=descriptor)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_TEMPORARY, dir_fd=staging)
        raise


def _unexpected_entry(path: Path) -> StorageFault:
    message = (
        f"{path}: a symbolic link, or something else that an export did not write, is in the way; "
        "it is not followed. Remove it, then run the same command again"
    )
    return StorageFault(message)
