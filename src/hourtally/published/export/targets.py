"""Where an export's files go: a local folder, or a place in an object store."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from hourtally.published.export.marks import Mark
from hourtally.published.export.old_markers import OLD_MARKERS, read_old_markers, remove_old_markers
from hourtally.published.export.safe_files import (
    open_folder,
    path_in_error,
    read_file,
    replace_file,
)
from hourtally.store import durable
from hourtally.store.locking import lock

_UPLOADS_AT_ONCE: Final = 32
_MOST_WAITING: Final = 1_000


class Target(ABC):
    """A tree of files: some at the top, the others in folders one below.

    Attributes: path (only for messages), existing_folders (those that were there at the start).
    """

    path: Path
    existing_folders: frozenset[str]

    @abstractmethod
    def read_top(self, name: str) -> bytes | None:
        """A file at the top; None if there is none."""

    @abstractmethod
    def write_top(self, name: str, content: bytes) -> None:
        """Write a file at the top atomically and durably, after all that was written before."""

    @abstractmethod
    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file into a folder atomically; it is there after `sync`."""

    @abstractmethod
    def has(self, folder: str, name: str) -> bool:
        """Whether a file that an earlier export may have written is there."""

    @abstractmethod
    def remove(self, folder: str, name: str) -> None:
        """Remove a file, and its folder where nothing is left in it."""

    @abstractmethod
    def sync(self) -> None:
        """Make durable what was written."""

    @abstractmethod
    def old_marks(self) -> dict[str, Mark]:
        """The marks that an earlier version left in the tree."""

    @abstractmethod
    def remove_old_marks(self) -> None:
        """Remove them."""


class LocalTarget(Target):
    """A local folder, safe against symbolic links in it. root: its descriptor."""

    def __init__(self, path: Path, root: int) -> None:
        self.path = path
        self._root = root
        with os.scandir(root) as entries:
            self._folders = {e.name for e in entries if e.is_dir(follow_symlinks=False)}
        self.existing_folders = frozenset(self._folders)

    @contextlib.contextmanager
    def _folder(self, name: str) -> Iterator[int]:
        """The descriptor of a folder of the tree, which is created if needed."""
        with path_in_error(self.path / name):
            if name not in self._folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=self._root)
                self._folders.add(name)
            descriptor = open_folder(self.path, self._root, name)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def read_top(self, name: str) -> bytes | None:
        with path_in_error(self.path):
            return read_file(self._root, name)

    def write_top(self, name: str, content: bytes) -> None:
        # Nobody could tell whose a tree is whose `@home.json` was torn by a power loss.
        with path_in_error(self.path):
            replace_file(self.path, self._root, name, content, staging=self._root, durably=True)

    def write(self, folder: str, name: str, content: bytes) -> None:
        with self._folder(folder) as descriptor:
            replace_file(self.path / folder, descriptor, name, content, staging=self._root)

    def has(self, folder: str, name: str) -> bool:
        return os.access(f"{folder}/{name}", os.F_OK, dir_fd=self._root, follow_symlinks=False)

    def remove(self, folder: str, name: str) -> None:
        with self._folder(folder) as descriptor:
            os.unlink(name, dir_fd=descriptor)
        with contextlib.suppress(OSError):
            os.rmdir(folder, dir_fd=self._root)
            self._folders.discard(folder)

    def sync(self) -> None:
        # One sync for all: an fsync per file would take minutes for 20,000 files, not 2 s.
        os.sync()

    def old_marks(self) -> dict[str, Mark]:
        return read_old_markers(self.path, self._root)

    def remove_old_marks(self) -> None:
        if OLD_MARKERS in self.existing_folders:
            remove_old_markers(self.path, self._root, self.existing_folders)
            self.existing_folders -= {OLD_MARKERS}
            self._folders.discard(OLD_MARKERS)


class ObjectTarget(Target):
    """A place in an object store, listed once; files are uploaded many at a time."""

    def __init__(self, path: Path, pool: ThreadPoolExecutor) -> None:
        self.path = path
        self._pool = pool
        self._waiting: deque[Future[None]] = deque()
        there = [one.relative_to(path).parts for one in durable.files_below(path)]
        self._files = {parts for parts in there if len(parts) == 2}
        self.existing_folders = frozenset(folder for folder, _ in self._files)

    def read_top(self, name: str) -> bytes | None:
        try:
            return durable.read_file(self.path / name)
        except FileNotFoundError:
            return None

    def write_top(self, name: str, content: bytes) -> None:
        self.sync()
        durable.replace_file(self.path / name, content)

    def write(self, folder: str, name: str, content: bytes) -> None:
        path = self.path / folder / name
        self._waiting.append(self._pool.submit(durable.replace_file, path, content))
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft().result()

    def has(self, folder: str, name: str) -> bool:
        return (folder, name) in self._files

    def remove(self, folder: str, name: str) -> None:
        self._files.discard((folder, name))
        path = self.path / folder / name
        self._waiting.append(self._pool.submit(durable.remove_file, path))

    def sync(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()

    def old_marks(self) -> dict[str, Mark]:
        return {}

    def remove_old_marks(self) -> None:
        pass


@contextlib.contextmanager
def open_target(directory: Path) -> Iterator[Target]:
    """Open a tree; a local one is locked, so that exports run one at a time."""
    if not durable.has_folders(directory):
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            target = ObjectTarget(directory, pool)
            yield target
            target.sync()
        return
    durable.make_folder(directory)
    directory = directory.resolve()
    with path_in_error(directory), contextlib.ExitStack() as stack:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, root)
        lock(root, f"another export into {directory}")
        yield LocalTarget(directory, root)
