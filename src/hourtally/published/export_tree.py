"""The folder that an export writes into: locked, and never left through what lies in it.

Whoever may write into the tree cannot lead an export out of it: everything is reached from the
tree's own descriptor, and no symbolic link in it is followed. Each file is replaced whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hourtally.errors import StorageFault
from hourtally.model.hours import Hour
from hourtally.store import durable

_MARKERS: Final = "@hourtally"
# What a file system takes as one name.
_MOST_NAME_BYTES: Final = 255
# Markers wait until the files that they vouch for are on the disk: so many at a time.
_FILES_A_SYNC: Final = 20_000


def folder_name(customer: str) -> str:
    """The folder of a customer: its id percent-encoded, unreserved characters as they are.

    `.` and `..` are encoded too. An id whose encoding no file system would take as a name has
    its first 180 characters, `,`, and the SHA-256 of the id, which no encoded id looks like.
    """
    # A surrogate, from a command line in Latin-1, is in no customer's id, so in no folder's name.
    name = quote(customer, safe="", errors="surrogatepass")
    if name in {".", ".."}:
        return "%2E" * len(name)
    if len(name) > _MOST_NAME_BYTES:
        digest = hashlib.sha256(customer.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{name[:180]},{digest}"
    return name


@dataclass
class ExportTree:
    """An export folder, locked.

    Attributes:
        path: for messages; nothing is opened by it.
        root: its descriptor.
        markers: that of the markers' folder.
        found: the customers' folders that were there when it was opened.
        folders: those that are there now.
        pending: markers to be written, by hour.
        pending_files: how many files they vouch for.
    """

    path: Path
    root: int
    markers: int
    found: frozenset[str]
    folders: set[str]
    pending: dict[str, bytes] = field(default_factory=dict)
    pending_files: int = 0

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[int]:
        """The descriptor of a customer's folder, made if it is not there."""
        with _faults_named(self.path / name):
            if name not in self.folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=self.root)
                self.folders.add(name)
            descriptor = _open_folder(self.path, self.root, name)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def write(self, folder: str, name: str, document: bytes) -> None:
        """Write a customer's file whole."""
        with self.folder(folder) as descriptor:
            _replace(self.path / folder, descriptor, name, document)

    def remove(self, folder: str, name: str) -> int:
        """Remove a file and what an interrupted write of it left; how many files (0 or 1)."""
        removed = 0
        present = [
            one
            for one in (_temporary(name), name)
            if os.access(f"{folder}/{one}", os.F_OK, dir_fd=self.root, follow_symlinks=False)
        ]
        if present:
            with self.folder(folder) as descriptor:
                for one in present:
                    os.unlink(one, dir_fd=descriptor)
                    removed += one == name
            with contextlib.suppress(OSError):
                os.rmdir(folder, dir_fd=self.root)
                self.folders.discard(folder)
        return removed

    def is_current(self, hour: Hour, documents: str) -> bool:
        """Whether the hour's files are those of the documents with this SHA-256."""
        flags = os.O_RDONLY | os.O_NOFOLLOW
        with _faults_named(self.path / _MARKERS):
            try:
                descriptor = os.open(f"{hour.name}.json", flags, dir_fd=self.markers)
            except FileNotFoundError:
                return False
            with os.fdopen(descriptor, "rb") as file:
                try:
                    return bool(json.load(file)["documents"] == documents)
                except (ValueError, KeyError, TypeError):
                    return False

    def remove_marker(self, hour: Hour) -> None:
        """Say that the hour's files are in no known state."""
        self.pending.pop(hour.name, None)
        with _faults_named(self.path / _MARKERS), contextlib.suppress(FileNotFoundError):
            os.unlink(f"{hour.name}.json", dir_fd=self.markers)

    def mark(self, hour: Hour, documents: str, files: int) -> None:
        """Say, once they are on the disk, that the hour's files are of these documents."""
        record = {"hour": hour.name, "documents": documents, "files": files}
        self.pending[hour.name] = durable.to_json(record)
        self.pending_files += files
        if self.pending_files >= _FILES_A_SYNC:
            self.write_markers()

    def write_markers(self) -> None:
        """Write the markers that wait."""
        if self.pending:
            # One for all: an fsync a file would take 20,000 files from 2 seconds to minutes.
            os.sync()
        folder = self.path / _MARKERS
        with _faults_named(folder):
            for name, content in self.pending.items():
                _replace(folder, self.markers, f"{name}.json", content)
        self.pending.clear()
        self.pending_files = 0


@contextlib.contextmanager
def open_tree(directory: Path) -> Iterator[ExportTree]:
    """Open an export folder and hold its lock, so that two exports take turns."""
    durable.make_folder(directory)
    with _faults_named(directory), contextlib.ExitStack() as stack:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, root)
        fcntl.flock(root, fcntl.LOCK_EX)
        with contextlib.suppress(FileExistsError):
            os.mkdir(_MARKERS, dir_fd=root)
        markers = _open_folder(directory, root, _MARKERS)
        stack.callback(os.close, markers)
        with os.scandir(root) as entries:
            inside = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        found = frozenset(inside - {_MARKERS})
        yield ExportTree(directory, root, markers, found, set(found))


@contextlib.contextmanager
def _faults_named(folder: Path) -> Iterator[None]:
    """Name what is in the folder whole: of an open one the system names what is inside alone."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        if os.sep not in name and name != str(folder):
            error.filename = str(folder / name)
        raise


def _temporary(name: str) -> str:
    return f".{name}.tmp"


def _open_folder(parent: Path, descriptor: int, name: str) -> int:
    """The descriptor of a folder inside another one."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=descriptor)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        raise _unexpected_entry(parent / name) from None


def _replace(folder: Path, descriptor: int, name: str, content: bytes) -> None:
    """Write a file whole in an open folder; what bears its name must be a file, or nothing."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
            raise _unexpected_entry(folder / name)
    temporary = _temporary(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        written = os.open(temporary, flags, 0o666, dir_fd=descriptor)
    except FileExistsError:
        os.unlink(temporary, dir_fd=descriptor)
        written = os.open(temporary, flags, 0o666, dir_fd=descriptor)
    try:
        with os.fdopen(written, "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
        os.rename(temporary, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=descriptor)
        raise


def _unexpected_entry(path: Path) -> StorageFault:
    message = (
        f"{path}: a symbolic link, or something else that an export did not write, is in the way; "
        "it is not followed. Remove it, then run the same command again"
    )
    return StorageFault(message)
