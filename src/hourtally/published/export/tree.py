"""The tree that an export writes to: whose it is, what it has, and its files.

Somebody else who may write into a local tree cannot redirect an export out of it: every file is
opened relative to the tree's own descriptor, and symbolic links are not followed. Files are
replaced atomically, by temporary files at the top of the tree, so that its folders never have any
other.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hourtally.errors import ForeignTree
from hourtally.model.hours import Hour
from hourtally.published.export.held_list import HELD_FILE, HeldList
from hourtally.published.export.identity import (
    IDENTITY_FILE,
    Identity,
    Kind,
    check_identity,
)
from hourtally.published.export.marks import Mark, Marks, forget_trees, new_token
from hourtally.published.export.targets import Target, open_target
from hourtally.store.home_id import home_id
from hourtally.store.layout import Home

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
    """An export tree.

    Attributes:
        target: its files.
        identity: whose it is.
        marks: what it has, as the home keeps it.
        held: who is held, as `@held.ndjson` says.
        pending: marks to be written, by the name of the hour.
        pending_files: how many files they cover.
    """

    target: Target
    identity: Identity
    marks: Marks
    held: HeldList
    pending: dict[str, Mark] = field(default_factory=dict)
    pending_files: int = 0
    _is_changing: bool = False

    @property
    def existing_folders(self) -> frozenset[str]:
        """The folders that existed when the tree was opened."""
        return self.target.existing_folders

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file into a folder atomically."""
        self.begin_changes()
        self.target.write(folder, name, content)

    def write_top_if_changed(self, name: str, content: bytes) -> None:
        """Write a file at the top of the tree, unless it is there as it should be."""
        if self.target.read_top(name) != content:
            self.target.write_top(name, content)

    def remove(self, folder: str, name: str) -> int:
        """Remove a file; return how many files (0 or 1)."""
        if not self.target.has(folder, name):
            return 0
        self.begin_changes()
        self.target.remove(folder, name)
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
            self.marks.begin(self.target.path, self.identity.state)
            self.target.write_top(IDENTITY_FILE, self.identity.content)

    def begin_new(self, taken_over: dict[str, Mark]) -> None:
        """Give the tree its identity, and the marks that an earlier version left in it."""
        self._is_changing = True
        forget_trees(self.marks.home, self.target.path)
        self.marks.begin(self.target.path, self.identity.state)
        for hour_name, mark in taken_over.items():
            self.marks.write(hour_name, mark)
        self.target.write_top(IDENTITY_FILE, self.identity.content)

    def write_held(self) -> None:
        """Write `@held.ndjson`, unless it is there as it should be."""
        if self.held.is_changed:
            self.target.write_top(HELD_FILE, self.held.content)

    def write_marks(self) -> None:
        """Write the pending marks."""
        if self.pending:
            self.target.sync()
        for hour_name, mark in self.pending.items():
            self.marks.write(hour_name, mark)
        self.pending.clear()
        self.pending_files = 0


@contextlib.contextmanager
def open_tree(home: Home, directory: Path, kind: Kind) -> Iterator[ExportTree]:
    """Open an export tree and hold its lock, where there are locks.

    Raises:
        ForeignTree: it holds an export of another home, or of another kind, or is the home's own:
            a customer `inbox` or `events` would have its documents among the event files.
    """
    if home.is_own_folder(directory):
        message = (
            f"{directory}: this folder belongs to the home itself; export to another folder, "
            "such as one beside the home"
        )
        raise ForeignTree(message)
    with open_target(directory) as target:
        tree = _opened(home, target, kind)
        target.remove_old_marks()
        yield tree


def _opened(home: Home, target: Target, kind: Kind) -> ExportTree:
    content = target.read_top(IDENTITY_FILE)
    own = home_id(home)
    identity = (
        Identity(own, kind) if content is None else check_identity(target.path, content, own, kind)
    )
    marks = Marks(home, identity.tree)
    is_known = content is not None and marks.has_state(identity.state)
    if content is not None and not is_known:
        # Put back from a copy, or a copy itself: the marks are not of this tree.
        identity = Identity(own, kind, new_token())
        marks = Marks(home, identity.tree)
    tree = ExportTree(target, identity, marks, HeldList(target.read_top(HELD_FILE)))
    if not is_known:
        tree.begin_new(target.old_marks() if content is None else {})
    return tree
