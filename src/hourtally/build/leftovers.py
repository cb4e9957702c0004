"""Remove what no record names: what killed ingests and builds have left behind.

Only `events/`, `quarantine/`, `cases/`, `rates/`, `hours/` and the scratch folders are looked at,
and only what was last written over a day before. Symbolic links are not followed, and stay.
In an object store the day is one before the newest object, if that is earlier than by the clock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from hourtally.build.named_files import NamedFiles, record_of_file
from hourtally.build.staleness import known_hours
from hourtally.model.hours import DAY_MS, Hour
from hourtally.store import durable
from hourtally.store.batches import parse_record_name
from hourtally.store.files import ABANDONED_NS, files_at
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder

_SPILL: Final = ".spill-"


class _Busy(Exception):
    """Another process holds the lock."""


class Leftovers:
    """What no record of a home names.

    Attributes: removed (each path with its size in bytes).
    """

    def __init__(self, home: Home, now_ms: int, *, dry_run: bool) -> None:
        self.removed: list[tuple[Path, int]] = []
        self._home = home
        self._oldest_ns = (now_ms - DAY_MS) * 1_000_000
        self._dry_run = dry_run

    def remove(self) -> None:
        """Remove everything that no record names and that is over a day old."""
        if not durable.has_folders(self._home.root):
            self._remove_from_store()
            return
        self._remove_unnamed_of_batches()
        for path in _files(self._home.hours):
            self._remove(path)
        for hour in known_hours(self._home):
            self._remove_unnamed_of_hour(hour)
        self._remove_unnamed_inputs()
        self._remove_scratch()

    def _remove_from_store(self) -> None:
        """As `remove`, where nobody who uploads just now holds a lock.

        So a clock that is ahead must not count: the newest object tells what is a day old.
        """
        with durable.one_listing(self._home.root):
            self._oldest_ns = min(self._oldest_ns, self._newest_ns() - ABANDONED_NS)
            self._remove_abandoned()
        self._remove_unnamed_inputs()

    def _newest_ns(self) -> int:
        """When the newest file of a batch or a revision was written, by the store's clock."""
        home = self._home
        folders = (home.events, self._quarantine, home.batches, home.hours)
        states = (state for one in folders for state in durable.files_below(one).values())
        return max((state.changed_ns for state in states), default=0)

    def _remove_abandoned(self) -> None:
        """What killed writers left where there are no locks, so that builds cannot remove it."""
        files = files_at(self._home.root)
        found = files.abandoned(self._oldest_ns)
        if not self._dry_run:
            files.remove_abandoned(found)
        self.removed += [(self._home.root / name, size) for name, size in found.items()]

    def _remove_unnamed_of_batches(self) -> None:
        """Slices, voids and quarantined lines without a record."""
        named = NamedFiles(self._home)
        unnamed = [path for path in self._old_files_of_batches() if not _is_named(named, path)]
        unnamed.sort(key=_batch_of)
        for batch, paths in groupby(unnamed, key=_batch_of):
            staging = self._home.staging(batch)
            is_new = not staging.exists()
            # An ingest of the batch may be giving them their names just now.
            with self._unless_busy(staging) as is_locked:
                if is_locked:
                    named = NamedFiles(self._home)
                    for path in paths:
                        if not _is_named(named, path):
                            self._remove(path)
                    if is_new and not self._dry_run:
                        durable.remove_folder(staging)

    def _old_files_of_batches(self) -> Iterator[Path]:
        for folder in (self._home.events, *_folders(self._home.events), self._quarantine):
            for path in _files(folder):
                if self._is_old(path):
                    yield path

    @property
    def _quarantine(self) -> Path:
        return self._home.quarantine("any").parent

    def _remove_unnamed_of_hour(self, hour: Hour) -> None:
        """Folders of revisions without a manifest, and whatever else lies beside them."""
        folder = self._home.hour(hour)
        if not self._unnamed_in(hour):
            return
        with self._unless_busy(folder) as is_locked:
            if is_locked:
                # A manifest whose fsync failed was removed; it must not reappear without its files.
                durable.fsync_folder(folder)
                for path in self._unnamed_in(hour):
                    self._remove(path)

    def _unnamed_in(self, hour: Hour) -> list[Path]:
        folder = self._home.hour(hour)
        old = [path for path in [*_files(folder), *_folders(folder)] if self._is_old(path)]
        named = NamedFiles(self._home).has_in_hour(hour) if old else None
        return [path for path in old if path.name not in named] if named is not None else []

    def _remove_unnamed_inputs(self) -> None:
        """Copies of rate cards, and cases, that no manifest names by digest."""
        folders = (self._home.rates_snapshots, self._home.root / "cases")
        with durable.one_listing(self._home.root):
            old = [path for folder in folders for path in _files(folder) if self._is_old(path)]
            digests = NamedFiles(self._home).digests if old else None
        if digests is not None:
            # Outside the listing: a build that needs one again writes it anew, so it is not old.
            for path in old:
                if path.name.partition(".")[0] not in digests:
                    self._remove(path)

    def _remove_scratch(self) -> None:
        staging = self._home.staging("any").parent
        for path in _files(staging):
            self._remove(path)
        for folder in _folders(staging):
            if self._is_old(folder):
                with self._unless_busy(folder) as is_locked:
                    if is_locked:
                        self._remove(folder)
        for folder in _folders(self._home.root):
            if folder.name.startswith(_SPILL):
                self._remove(folder)

    def _is_old(self, path: Path) -> bool:
        """Whether nothing of it was written within the last day."""
        with contextlib.suppress(FileNotFoundError):
            if not durable.has_folders(path):
                return durable.changed_ns(path) < self._oldest_ns
            return _last_written_ns(path) < self._oldest_ns
        return False

    def _remove(self, path: Path) -> None:
        """Remove a file or folder if it is old."""
        if not self._is_old(path):
            return
        if durable.has_folders(path):
            size = sum(file.lstat().st_size for file in _tree(path) if not file.is_dir())
        else:
            size = durable.file_size(path)
        if not self._dry_run:
            if path.is_dir():
                durable.remove_folder(path)
            else:
                durable.remove_file(path)
        self.removed.append((path, size))

    @contextlib.contextmanager
    def _unless_busy(self, folder: Path) -> Iterator[bool]:
        """Hold a folder's lock, made if it is missing; yields False if another process has it."""
        if self._dry_run:
            yield True
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked_folder(folder, _raise_busy))
            except _Busy:
                yield False
                return
            yield True


def _raise_busy() -> None:
    raise _Busy


def _is_named(named: NamedFiles, path: Path) -> bool:
    if path.parent.name == "quarantine":
        return named.has_quarantine(path)
    return named.has_slices(path)


def _batch_of(path: Path) -> str:
    return parse_record_name(record_of_file(path))[0]


def _files(folder: Path) -> list[Path]:
    """The regular files of a folder, sorted."""
    if not durable.has_folders(folder):
        return [folder / name for name in durable.list_names(folder)]
    return [
        path for path in durable.list_folder(folder) if path.is_file() and not path.is_symlink()
    ]


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted."""
    return [path for path in durable.list_folder(folder) if path.is_dir() and not path.is_symlink()]


def _tree(path: Path) -> Iterator[Path]:
    """A path and everything below it; links are not followed."""
    yield path
    if path.is_dir() and not path.is_symlink():
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                yield Path(folder, name)


def _last_written_ns(path: Path) -> int:
    return max(one.lstat().st_mtime_ns for one in _tree(path))
