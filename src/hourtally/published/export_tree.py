"""The folder that an export writes to: locked, and safe against symbolic links inside it.

Somebody else who may write into the tree cannot redirect an export out of it: every file is opened
relative to the tree's own descriptor, and symbolic links are not followed. Files are replaced
atomically.
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
from hourtally.published.held_list import HELD_FILE, HeldList
from hourtally.store import durable

_MARKERS: Final = "@hourtally"
# The limit of file systems for one name.
_MAX_NAME_BYTES: Final = 255
# Markers are written after their files are on disk, for this many files at a time.
_FILES_PER_SYNC: Final = 20_000


def folder_name(customer: str) -> str:
    """The folder of a customer: its id percent-encoded, unreserved characters as they are.

    `.` and `..` are encoded too. If the encoding is too long for a file name, the folder is its
    first 180 characters, `,`, and the SHA-256 of the id; no encoded id has a `,`.
    """
    # Text from a command line in Latin-1 may have surrogates; no customer's id has any.
    name = quote(customer, safe="", errors="surrogatepass")
    if name in {".", ".."}:
        return "%2E" * len(name)
    if len(name) > _MAX_NAME_BYTES:
        digest = hashlib.sha256(customer.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{name[:180]},{digest}"
    return name


@dataclass
class ExportTree:
    """An export folder, locked.

    Attributes:
        path: only for messages.
        root: the folder's descriptor.
        markers: the descriptor of the markers' folder.
        existing_folders: the customers' folders that existed when the tree was opened.
        folders: the customers' folders that exist now.
        held: who is held, as `@held.ndjson` says.
        pending: markers to be written, by hour.
        pending_files: how many files they cover.
    """

    path: Path
    root: int
    markers: int
    existing_folders: frozenset[str]
    folders: set[str]
    held: HeldList
    pending: dict[str, bytes] = field(default_factory=dict)
    pending_files: int = 0

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[int]:
        """The descriptor of a customer's folder, which is created if needed."""
        with _path_in_error(self.path / name):
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
        """Write a customer's file atomically."""
        with self.folder(folder) as descriptor:
            _replace(self.path / folder, descriptor, name, document)

    def remove(self, folder: str, name: str) -> int:
        """Remove a file and its leftover temporary file; return how many files (0 or 1)."""
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
        """Whether the hour's files are from the documents with this SHA-256."""
        flags = os.O_RDONLY | os.O_NOFOLLOW
        with _path_in_error(self.path / _MARKERS):
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
        """Remove the hour's marker: its files are in an unknown state."""
        self.pending.pop(hour.name, None)
        with _path_in_error(self.path / _MARKERS), contextlib.suppress(FileNotFoundError):
            os.unlink(f"{hour.name}.json", dir_fd=self.markers)

    def mark(self, hour: Hour, documents: str, files: int) -> None:
        """Record, once the hour's files are on disk, which documents they are from."""
        record = {"hour": hour.name, "documents": documents, "files": files}
        self.pending[hour.name] = durable.to_json(record)
        self.pending_files += files
        if self.pending_files >= _FILES_PER_SYNC:
            self.write_markers()

    def write_held(self) -> None:
        """Write `@held.ndjson`, unless it is there as it should be."""
        with _path_in_error(self.path):
            if self.held.is_changed:
                _replace(self.path, self.root, HELD_FILE, self.held.content)

    def write_markers(self) -> None:
        """Write the pending markers."""
        if self.pending:
            # One sync for all: an fsync per file would take minutes for 20,000 files, not 2 s.
            os.sync()
        folder = self.path / _MARKERS
        with _path_in_error(folder):
            for name, content in self.pending.items():
                _replace(folder, self.markers, f"{name}.json", content)
        self.pending.clear()
        self.pending_files = 0


@contextlib.contextmanager
def open_tree(directory: Path) -> Iterator[ExportTree]:
    """Open an export folder and hold its lock, so that exports run one at a time."""
    durable.make_folder(directory)
    with _path_in_error(directory), contextlib.ExitStack() as stack:
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
        held = HeldList(_read(root, HELD_FILE))
        yield ExportTree(directory, root, markers, found, set(found), held)


@contextlib.contextmanager
def _path_in_error(folder: Path) -> Iterator[None]:
    """Put the full path into an error: relative to a descriptor the system has only the name."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        if os.sep not in name and name != str(folder):
            error.filename = str(folder / name)
        raise


def _read(descriptor: int, name: str) -> bytes | None:
    """A file in an open folder; None if there is none."""
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    with os.fdopen(opened, "rb") as file:
        return file.read()


def _temporary(name: str) -> str:
    return f".{name}.tmp"


def _open_folder(parent: Path, descriptor: int, name: str) -> int:
    """The descriptor of a folder in an open folder."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=descriptor)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        raise _unexpected_entry(parent / name) from None


def _replace(folder: Path, descriptor: int, name: str, content: bytes) -> None:
    """Write a file atomically in an open folder; the name must be free or a regular file."""
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
