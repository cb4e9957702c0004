"""Where files lie: one interface, for a local folder and for a place in an object store.

The code above names files by paths under the home's root and does not know which it has. A home in
an object store has a local working folder as its root: a path under it stands for the object of
that name, and its unfinished work lies there.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from hourtally.errors import URLS

# What no record names is removed once it is a day old, so that nobody loses what he is writing.
ABANDONED_NS: Final = 86_400_000_000_000
AnyPath = Path | str
ReadRange = Callable[[int, int], bytes]
"""The bytes of a file from an offset on, so many of them, or as many as it has."""


class FileState(NamedTuple):
    """A file as it is now. etag: of its content, where the place keeps one; else empty."""

    size: int
    changed_ns: int
    etag: str = ""


@dataclass(frozen=True)
class NewFile:
    """A file to create in a folder. staging: where its temporary file is written."""

    path: Path
    content: bytes
    staging: Path


class Files(ABC):
    """What is needed of a place with files. Missing files raise `FileNotFoundError`.

    Every other refusal is an `OSError`. What a call has written when it returns is durable.

    Attributes:
        has_folders: whether there are folders, which can be locked and made durable.
        reads_at_once: how many reads are best made at a time.
    """

    has_folders: bool
    reads_at_once: int

    @abstractmethod
    def names(self, folder: AnyPath) -> list[str]:
        """The names of the entries of a folder, sorted; empty if there is no such folder."""

    @abstractmethod
    def below(self, folder: Path) -> dict[str, FileState]:
        """The files in a folder and its subfolders, by path from the folder, links left out."""

    @abstractmethod
    def exists(self, path: AnyPath) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def is_folder(self, path: Path) -> bool:
        """Whether there is such a folder."""

    @abstractmethod
    def state(self, path: Path) -> FileState:
        """A file, or a folder, which has changed when the names in it did."""

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
        """Get records that will be read soon, all at once where that is faster."""

    @abstractmethod
    def fetch_files(self, paths: Iterable[Path]) -> None:
        """Make `local` files of many, all at once where that is faster."""

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
    def begin_folder(self, folder: Path) -> None:
        """Make the folder of a revision, to be written locally and published."""

    @abstractmethod
    def check_in_time(self, name: str) -> None:
        """Check that a folder or an owner was not begun so long ago that its files may be gone."""

    @abstractmethod
    def publish(self, folder: Path) -> None:
        """Make files durable that were written below a folder, and their names."""

    @abstractmethod
    def move(self, staged: Mapping[Path, Path], owner: str) -> list[Path]:
        """Give staged files, which are durable, their final names in folders that exist.

        owner: tells what this caller moves from what another one moves to the same names.

        Returns the quarantine files whose names were taken, which are found by the owner.
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
    def abandoned(self, before_ns: int | None = None) -> dict[str, int]:
        """What writers uploaded before that time and no record names: bytes by name.

        Only where nobody is locked out, so that it cannot be removed at once. By default, what is
        a day older than the newest object: so no clock of a machine, which may be wrong, counts.
        """

    @abstractmethod
    def remove_abandoned(self, names: Iterable[str]) -> None:
        """Remove what `abandoned` found."""

    @abstractmethod
    def one_listing(self, folders: Sequence[Path] | None = None) -> AbstractContextManager[None]:
        """Within it, names are those of one moment, if that takes less than asking each time.

        Of some folders, listed at once, or of whatever is asked for.
        """

    @abstractmethod
    def requests(self) -> dict[str, int]:
        """How many requests of each kind were made so far; empty where files need none."""

    @abstractmethod
    def add_requests(self, made: Mapping[str, int]) -> None:
        """Count requests that a worker process has made."""


# Unfinished work of a home, which is local wherever the home is.
_SCRATCH: Final = re.compile(r"/\.(?:(?:staging|prefect)(?:/|$)|spill-)")
_mounted: dict[str, Files] = {}
_local: list[Files] = []


def files_at(path: AnyPath) -> Files:
    """Where a path lies."""
    if _mounted:
        text = os.fspath(path)
        for root, files in _mounted.items():
            rest = text[len(root) :]
            if text.startswith(root) and rest[:1] in {"", "/"} and not _SCRATCH.match(rest):
                return files
    return _local[0]


def all_requests() -> Counter[str]:
    """How many requests of each kind this process made to all object stores so far."""
    made: Counter[str] = Counter()
    for files in _mounted.values():
        made.update(files.requests())
    return made


def use_local(files: Files) -> None:
    """Say what local paths are in."""
    _local.append(files)


def mounted_at(url: str) -> Path | None:
    """The folder that stands for a place in an object store, if it is mounted."""
    return next((Path(root) for root, of in URLS.items() if of == url), None)


def mount(root: Path, files: Files, url: str) -> None:
    """Let paths under a folder stand for what `files` has; messages show its URL."""
    _mounted[str(root)] = files
    URLS[str(root)] = url
