"""The folder that an export writes to: locked, and safe against symbolic links inside it.

Somebody else who may write into the tree cannot redirect an export out of it: every file is opened
relative to the tree's own descriptor, and symbolic links are not followed. Files are replaced
atomically, by temporary files at the top of the tree, so that its folders never have any other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hourtally.model.hours import Hour
from hourtally.published.export.held_list import HELD_FILE, HeldList
from hourtally.published.export.identity import (
    IDENTITY_FILE,
    Identity,
    Kind,
    check_identity,
)
from hourtally.published.export.marks import Mark, Marks, forget_trees, new_token
from hourtally.published.export.old_markers import OLD_MARKERS, read_old_markers, remove_old_markers
from hourtally.published.export.safe_files import (
    open_folder,
    path_in_error,
    read_file,
    replace_file,
)
from hourtally.store import durable
from hourtally.store.home_id import home_id
from hourtally.store.layout import Home
from hourtally.store.locking import lock

# The limit of file systems for one name.
_MAX_NAME_BYTES: Final = 255
# Marks are written after their files are on disk, for this many files at a time.
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
        identity: whose it is.
        marks: what it has, as the home keeps it.
        existing_folders: the folders that existed when the tree was opened.
        folders: the folders that exist now.
        held: who is held, as `@held.ndjson` says.
        pending: marks to be written, by the name of the hour.
        pending_files: how many files they cover.
    """

    path: Path
    root: int
    identity: Identity
    marks: Marks
    existing_folders: frozenset[str]
    folders: set[str]
    held: HeldList
    pending: dict[str, Mark] = field(default_factory=dict)
    pending_files: int = 0
    _is_changing: bool = False

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[int]:
        """The descriptor of a folder of the tree, which is created if needed."""
        with path_in_error(self.path / name):
            if name not in self.folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=self.root)
                self.folders.add(name)
            descriptor = open_folder(self.path, self.root, name)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file into a folder atomically."""
        self.begin_changes()
        with self.folder(folder) as descriptor:
            replace_file(self.path / folder, descriptor, name, content, staging=self.root)

    def write_top(self, name: str, content: bytes) -> None:
        """Write a file at the top of the tree atomically.

        Durably, as nobody could tell whose a tree is whose `@home.json` was torn by a power loss.
        """
        with path_in_error(self.path):
            replace_file(self.path, self.root, name, content, staging=self.root, durably=True)

    def write_top_if_changed(self, name: str, content: bytes) -> None:
        """Write a file at the top of the tree, unless it is there as it should be."""
        with path_in_error(self.path):
            if read_file(self.root, name) != content:
                self.write_top(name, content)

    def remove(self, folder: str, name: str) -> int:
        """Remove a file; return how many files (0 or 1)."""
        if not os.access(f"{folder}/{name}", os.F_OK, dir_fd=self.root, follow_symlinks=False):
            return 0
        self.begin_changes()
        with self.folder(folder) as descriptor:
            os.unlink(name, dir_fd=descriptor)
        with contextlib.suppress(OSError):
            os.rmdir(folder, dir_fd=self.root)
            self.folders.discard(folder)
        return 1

    def mark_of(self, hour: Hour) -> Mark | None:
        """From what the files of an hour are; None if that is not known."""
        return self.marks.read(hour)

    def remove_mark(self, hour: Hour) -> None:
        """Remove the hour's mark: its files are in an unknown state."""
        self.begin_changes()
        self.pending.pop(hour.name, None)
        self.marks.remove(hour)

    def mark(self, hour: Hour, mark: Mark, files: int) -> None:
        """Record, once so many files of the hour are on disk, what they are from."""
        self.pending[hour.name] = {"hour": hour.name, **mark}
        self.pending_files += files
        if self.pending_files >= _FILES_PER_SYNC:
            self.write_marks()

    def begin_changes(self) -> None:
        """Renew the state of the tree, before its first change.

        The home has the new one first: a crash in between leaves the two different.
        """
        if not self._is_changing:
            self._is_changing = True
            self.identity = self.identity.renewed()
            self.marks.begin(self.path, self.identity.state)
            self.write_top(IDENTITY_FILE, self.identity.content)

    def begin_new(self, taken_over: dict[str, Mark]) -> None:
        """Give the tree its identity, and the marks that an earlier version left in it."""
        self._is_changing = True
        forget_trees(self.marks.home, self.path)
        self.marks.begin(self.path, self.identity.state)
        for hour_name, mark in taken_over.items():
            self.marks.write(hour_name, mark)
        self.write_top(IDENTITY_FILE, self.identity.content)

    def write_held(self) -> None:
        """Write `@held.ndjson`, unless it is there as it should be."""
        if self.held.is_changed:
            self.write_top(HELD_FILE, self.held.content)

    def write_marks(self) -> None:
        """Write the pending marks."""
        if self.pending:
            # One sync for all: an fsync per file would take minutes for 20,000 files, not 2 s.
            os.sync()
        for hour_name, mark in self.pending.items():
            self.marks.write(hour_name, mark)
        self.pending.clear()
        self.pending_files = 0


@contextlib.contextmanager
def open_tree(home: Home, directory: Path, kind: Kind) -> Iterator[ExportTree]:
    """Open an export folder and hold its lock, so that exports run one at a time.

    Raises:
        ForeignTree: it holds an export of another home, or of another kind.
    """
    durable.make_folder(directory)
    directory = directory.resolve()
    with path_in_error(directory), contextlib.ExitStack() as stack:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, root)
        lock(root, f"another export into {directory}")
        tree = _opened(home, directory, root, kind)
        if OLD_MARKERS in tree.existing_folders:
            remove_old_markers(directory, root, tree.existing_folders)
            tree.existing_folders -= {OLD_MARKERS}
            tree.folders.discard(OLD_MARKERS)
        yield tree


def _opened(home: Home, directory: Path, root: int, kind: Kind) -> ExportTree:
    content = read_file(root, IDENTITY_FILE)
    own = home_id(home)
    identity = (
        Identity(own, kind) if content is None else check_identity(directory, content, own, kind)
    )
    marks = Marks(home, identity.tree)
    is_known = content is not None and marks.has_state(identity.state)
    if content is not None and not is_known:
        # Put back from a copy, or a copy itself: the marks are not of this tree.
        identity = Identity(own, kind, new_token())
        marks = Marks(home, identity.tree)
    with os.scandir(root) as entries:
        folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    held = HeldList(read_file(root, HELD_FILE))
    tree = ExportTree(directory, root, identity, marks, frozenset(folders), folders, held)
    if not is_known:
        tree.begin_new(read_old_markers(directory, root) if content is None else {})
    return tree
