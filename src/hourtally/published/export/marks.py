"""What a tree of exported files has: marks that the home keeps, `exports/<tree>/<hour>.json`.

A mark says from which revision an hour's files are. It is removed before the first file of the
hour is touched and written after the last one is on disk, so an hour without the right mark is
exported again, whatever interrupted the last export.

Marks count only for the tree as the last export left it. Both sides have a random `state`, which
is renewed before an export changes anything: a tree or a home that was put back from an older
copy, and a copy of a tree, have another one, and are written anew.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from pathlib import Path
from typing import Any, Final

from hourtally.errors import with_urls
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.symlinks import reject_symlinks

Mark = dict[str, Any]

_TREE_FILE: Final = "tree.json"
_MARK: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}\.json", re.ASCII)
_TREE_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)


def new_token() -> str:
    """An id of a tree, or a state of one: 16 hex digits."""
    return secrets.token_hex(8)


class Marks:
    """The marks of one tree of a home. tree: its id."""

    def __init__(self, home: Home, tree: str) -> None:
        self.home = home
        self.tree = tree
        self._folder = home.exports / tree
        reject_symlinks(home, self._folder)

    def has_state(self, state: object) -> bool:
        """Whether the tree is in this state, so that the marks count."""
        known = _read(self._folder / _TREE_FILE)
        return known is not None and isinstance(state, str) and known.get("state") == state

    def begin(self, path: Path, state: str) -> None:
        """Record the state that the tree at this path is about to be in."""
        if durable.has_folders(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._write(_TREE_FILE, {"tree": self.tree, "path": with_urls(str(path)), "state": state})

    def read(self, hour: Hour) -> Mark | None:
        """The mark of an hour; None without one that counts."""
        return _read(self._path(hour))

    def all(self) -> list[Mark]:
        """The marks of all hours, in order."""
        names = [name for name in durable.list_names(self._folder) if _MARK.fullmatch(name)]
        found = (_read(self._folder / name) for name in names)
        return [mark for mark in found if mark is not None]

    def write(self, hour_name: str, mark: Mark) -> None:
        """Write the mark of an hour whose files are on disk."""
        self._write(f"{hour_name}.json", mark)

    def _write(self, name: str, record: dict[str, Any]) -> None:
        """Write a record, without fsync, which would take minutes for the marks of a year.

        What is lost or torn only has files written anew.
        """
        durable.replace_quickly(self._folder / name, durable.to_json(record))

    def remove(self, hour: Hour) -> None:
        """Remove the mark of an hour: its files are in an unknown state."""
        durable.remove_file(self._path(hour))

    def _path(self, hour: Hour) -> Path:
        return self._folder / f"{hour.name}.json"


def forget_trees(home: Home, path: Path) -> None:
    """Remove the marks of trees that were at this path, which are no longer there."""
    for name in durable.list_names(home.exports):
        folder = home.exports / name
        known = _read(folder / _TREE_FILE)
        if (
            _TREE_ID.fullmatch(name)
            and known is not None
            and known.get("path") == with_urls(str(path))
        ):
            reject_symlinks(home, folder)
            durable.remove_folder(folder)


def _read(path: Path) -> dict[str, Any] | None:
    """A record; None if it is not there or not what was written."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        record = json.loads(durable.read_file(path))
        return record if isinstance(record, dict) else None
    return None
