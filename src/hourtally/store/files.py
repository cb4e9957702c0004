"""Where files lie: one interface, for a local folder and for a place in an object store.

The code above names files by paths under the home's root and does not know which it has. A home in
an object store has a local working folder as its root: a path under it stands for the object of
that name, and its unfinished work lies there.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hourtally.errors import URLS

AnyPath = Path | str
ReadRange = Callable[[int, int], bytes]
"""The bytes of a file from an offset on, so many of them, or as many as it has."""


@dataclass(frozen=True)
class NewFile:
    """A file to create in a folder. staging: where its temporary file is written."""

    path: Path
    content: bytes
    staging: Path


class Files(ABC):
    """What is needed of a place with files. Missing files raise `FileNotFoundError`.

    Every other refusal is an `OSError`. What a call has written when it returns is durable.

    Attributes: has_folders (whether there are folders, which can be locked and made durable).
    """

    has_folders: bool

    @abstractmethod
    def names(self, folder: AnyPath) -> list[str]:
        """The names of the entries of a folder, sorted; empty if there is no such folder."""

    @abstractmethod
    def exists(self, path: AnyPath) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def is_folder(self, path: Path) -> bool:
        """Whether there is such a folder."""

    @abstractmethod
    def size(self, path: Path) -> int:
        """The bytes of a file."""

    @abstractmethod
    def changed_ns(self, path: Path) -> int:
        """When a file, or what lies right in a folder, was last changed, in Unix nanoseconds."""

    @abstractmethod
    def read(self, path: Path, most: int = -1) -> bytes:
        """The content of a file, or its first bytes, at most so many."""

    @abstractmethod
    def ranges(self, path: Path) -> AbstractContextManager[ReadRange]:
        """Read parts of a file."""

    @abstractmethod
    def local(self, path: Path) -> Path:
        """A local file of this content, for engines that open files themselves."""

    @abstractmethod
    def fetch(self, paths: Iterable[Path]) -> None:
        """Get files that will be read soon, all at once where that is faster."""

    @abstractmethod
    def release(self, paths: Iterable[Path]) -> None:
        """Drop local copies of files that will not be read again soon."""

    @abstractmethod
    def create(self, files: Sequence[NewFile]) -> list[bool]:
        """Create files of one folder, each unless its name is taken; which this call created."""

    @abstractmethod
    def replace(self, path: Path, content: bytes, mode: int, staging: Path | None) -> None:
        """Write a file; an older one of that name is replaced atomically.

        Without `staging` it may be lost in a power loss, but not torn.
        """

    @abstractmethod
    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents."""

    @abstractmethod
    def publish(self, folder: Path) -> None:
        """Make files durable that were written below a folder, and their names."""

    @abstractmethod
    def move(self, staged: Mapping[Path, Path], owner: str) -> None:
        """Give staged files, which are durable, their final names in folders that exist.

        owner: tells what this caller moves from what another one moves to the same names.
        """

    @abstractmethod
    def new_owner(self) -> str:
        """An owner for `move`; empty where a lock lets one caller move at a time."""

    @abstractmethod
    def undo_move(self, targets: Iterable[Path], owner: str) -> None:
        """Remove what a `move` with this owner gave these names."""

    @abstractmethod
    def sync(self, folder: Path) -> None:
        """Make the names in a folder durable."""

    @abstractmethod
    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def remove_folder(self, folder: Path) -> None:
        """Remove a folder and everything in it, if it is there."""

    @abstractmethod
    def one_listing(self) -> AbstractContextManager[None]:
        """Within it, names are those of one moment, if that takes less than asking each time."""


_mounted: dict[str, Files] = {}
_local: list[Files] = []


def files_at(path: AnyPath) -> Files:
    """Where a path lies."""
    if _mounted:
        text = os.fspath(path)
        for root, files in _mounted.items():
            rest = text[len(root) :]
            # Unfinished work is local.
            if text.startswith(root) and rest[:1] in {"", "/"} and not rest.startswith("/."):
                return files
            if text.startswith(root) and rest.startswith("/.inbox"):
                return files
    return _local[0]


def use_local(files: Files) -> None:
    """Say what local paths are in."""
    _local.append(files)


def mount(root: Path, files: Files, url: str) -> None:
    """Let paths under a folder stand for what `files` has; messages show its URL."""
    _mounted[str(root)] = files
    URLS[str(root)] = url


@contextmanager
def nothing() -> Iterator[None]:
    """A context in which nothing is different."""
    yield
