"""Records what a command does to a folder, as steps for the disk model.

At each call in this process that names, removes or fsyncs something, the folder is scanned before
and after. So a file that appeared or grew is seen before the next name or fsync, whatever language
its writer is in; no one could rely on an order of writes between two of these.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.torture.faults.disk_model import (
    ROOT,
    Disk,
    FailedFsync,
    Fsync,
    Mark,
    NewFolder,
    Rename,
    Step,
    Write,
)

_NAMING: Final = ("rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir")


class Recorder:
    """Looks at a folder and tells what has changed. ignored: names below it that are inputs.

    Attributes: steps, fsyncs_until_one_fails (None: none does).
    """

    def __init__(self, folder: Path, disk: Disk, ignored: frozenset[str]) -> None:
        self.steps: list[Step] = []
        self.fsyncs_until_one_fails: int | None = None
        self._folder = folder
        self._ignored = ignored
        self._lock = threading.RLock()
        self._node_of: dict[int, int] = {folder.stat().st_ino: ROOT}
        self._next = max([*disk.files, *disk.folders]) + 1
        self._names: dict[int, dict[str, int]] = {}
        self._looks: dict[int, tuple[int, int]] = {}
        self._contents: dict[int, bytes] = {}
        for path, node in disk.paths().items():
            self._node_of[(folder / path).stat().st_ino] = node
        self._names = {node: dict(f.entries()) for node, f in disk.folders.items()}
        self._contents = {node: file.now for node, file in disk.files.items()}

    def look(self) -> None:
        """Take down what has changed since the last look."""
        names: dict[int, dict[str, int]] = {}
        seen: dict[int, int] = {}
        written: list[Step] = []
        self._scan(self._folder, ROOT, names, seen, written)
        renames: list[Step] = []
        for folder in {**self._names, **names}:
            had, has = self._names.get(folder, {}), names.get(folder, {})
            changed = [name for name in {**had, **has} if had.get(name) != has.get(name)]
            if changed and folder in names:
                changes = [(name, has.get(name)) for name in changed]
                renames.append(Rename(folder, tuple(changes)))
        self.steps += [*written, *renames]
        self._names = names
        self._node_of = {**seen, self._folder.stat().st_ino: ROOT}

    def _scan(
        self,
        folder: Path,
        node: int,
        names: dict[int, dict[str, int]],
        seen: dict[int, int],
        written: list[Step],
    ) -> None:
        inside = names.setdefault(node, {})
        for entry in os.scandir(folder):
            if folder == self._folder and entry.name in self._ignored:
                continue
            status = entry.stat(follow_symlinks=False)
            inner = seen.get(status.st_ino, self._node_of.get(status.st_ino))
            if inner is None:
                inner, self._next = self._next, self._next + 1
            seen[status.st_ino] = inside[entry.name] = inner
            if entry.is_dir(follow_symlinks=False):
                if inner not in self._names and inner not in names:
                    written.append(NewFolder(inner))
                self._scan(Path(entry.path), inner, names, seen, written)
                continue
            looks = (status.st_size, status.st_mtime_ns)
            if self._looks.get(inner) != looks:
                content = Path(entry.path).read_bytes()
                self._looks[inner] = looks
                if self._contents.get(inner) != content:
                    self._contents[inner] = content
                    written.append(Write(inner, content))

    def naming(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with a look before and after."""

        def watched(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                self.look()
                try:
                    return call(*arguments, **options)
                finally:
                    self.look()

        return watched

    def fsync(self, descriptor: int) -> None:
        """Stands for `os.fsync`; the disk is spared."""
        with self._lock:
            self.look()
            node = self._node_of.get(os.fstat(descriptor).st_ino)
            if node is not None:
                target = str(Path(f"/proc/self/fd/{descriptor}").readlink())
                path = os.path.relpath(target, self._folder)
                if self.fsyncs_until_one_fails == 0:
                    self.fsyncs_until_one_fails = None
                    self.steps.append(FailedFsync(node, path))
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                if self.fsyncs_until_one_fails is not None:
                    self.fsyncs_until_one_fails -= 1
                self.steps.append(Fsync(node, path))

    def sync(self) -> None:
        """Stands for `os.sync`."""
        with self._lock:
            self.look()
            self.steps.append(Fsync(None, "everything"))

    def mark(self, promises: Iterator[str]) -> None:
        """Say that a command has ended and what must last from now on."""
        self.look()
        self.steps.append(Mark(tuple(promises)))


@contextmanager
def recording(folder: Path, disk: Disk, ignored: frozenset[str]) -> Iterator[Recorder]:
    """Record what this process does to a folder that is now as the disk is."""
    recorder = Recorder(folder, disk, ignored)
    with pytest.MonkeyPatch.context() as patch:
        for name in _NAMING:
            patch.setattr(os, name, recorder.naming(getattr(os, name)))
        patch.setattr(os, "fsync", recorder.fsync)
        patch.setattr(os, "sync", recorder.sync)
        yield recorder
        recorder.look()
