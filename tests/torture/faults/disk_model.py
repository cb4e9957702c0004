"""A disk that keeps what was fsynced and may lose, reorder or tear everything else.

A file's bytes are on it once the file was fsynced after they were written; a name in a folder
once that folder was fsynced after the name was given or taken. Until then each of them may be
there or not, whatever became of the others: no order between them is relied on. Only a rename
within one folder is there as a whole or not at all.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

ROOT: Final = 0

Tree = dict[str, bytes]
"""Every file by its path below the root, after the power came back."""


class Write(NamedTuple):
    """A file's bytes are these from now on."""

    node: int
    content: bytes


class NewFolder(NamedTuple):
    """A folder that has no name yet."""

    node: int


class Rename(NamedTuple):
    """Names that one call gave or took (node: None) in one folder."""

    folder: int
    names: tuple[tuple[str, int | None], ...]


class Fsync(NamedTuple):
    """What was written to a file, or named in a folder, is on the disk. node None: everything."""

    node: int | None
    path: str


class FailedFsync(NamedTuple):
    """What this fsync was for may never be on the disk, whatever the next one says."""

    node: int
    path: str


class Mark(NamedTuple):
    """A command has ended well: from now on its effect must last."""

    promises: tuple[str, ...]


Step = Write | NewFolder | Rename | Fsync | FailedFsync | Mark
DataLoss = Literal["none", "all", "torn", "zeros"]


@dataclass
class _File:
    kept: bytes = b""
    written: list[bytes] = field(default_factory=list)
    doomed: bool = False

    @property
    def now(self) -> bytes:
        return self.written[-1] if self.written else self.kept


@dataclass
class _Folder:
    kept: dict[str, int] = field(default_factory=dict)
    renames: list[Rename] = field(default_factory=list)
    # Of the renames, by `id`: those that no fsync reaches any more, and those that are safe
    # though they come after one of these.
    doomed: set[int] = field(default_factory=set)
    safe: set[int] = field(default_factory=set)

    def entries(self, lost: Set[int] = frozenset()) -> dict[str, int]:
        """What it names; lost: by `id`, the renames that have not survived. To read only."""
        if not self.renames:
            return self.kept
        entries = dict(self.kept)
        for rename in self.renames:
            if id(rename) in lost:
                continue
            for name, node in rename.names:
                if node is None:
                    entries.pop(name, None)
                else:
                    entries[name] = node
        return entries


@dataclass
class Disk:
    """The state after some steps. promises: files that must be there whatever is lost."""

    files: dict[int, _File] = field(default_factory=dict)
    folders: dict[int, _Folder] = field(default_factory=lambda: {ROOT: _Folder()})
    promises: set[str] = field(default_factory=set)

    def clone(self) -> Disk:
        """The same disk, to go on with in another way."""
        return copy.deepcopy(self)

    def apply(self, step: Step) -> None:
        """Go on by one step."""
        match step:
            case Write(node, content):
                self.files.setdefault(node, _File()).written.append(content)
            case NewFolder(node):
                self.folders[node] = _Folder()
            case Rename(folder, _):
                self.folders[folder].renames.append(step)
            case Fsync(None, _):
                for node in [*self.files, *self.folders]:
                    self._keep(node)
            case Fsync(int(node), _):
                self._keep(node)
            case FailedFsync(node, _) if node in self.folders:
                failed = self.folders[node]
                failed.doomed |= {id(rename) for rename in failed.renames} - failed.safe
            case FailedFsync(node, _):
                self.files[node].doomed = True
            case Mark(promises):
                self.promises |= set(promises)

    def _keep(self, node: int) -> None:
        if node in self.folders:
            folder = self.folders[node]
            if folder.doomed:
                folder.safe |= {id(rename) for rename in folder.renames} - folder.doomed
            else:
                folder.kept, folder.renames = folder.entries(), []
        elif not self.files[node].doomed:
            file = self.files[node]
            file.kept, file.written = file.now, []

    def paths(self, lost: Set[int] = frozenset()) -> dict[str, int]:
        """Every file and folder that is there now, or after a loss of renames, by its path."""
        found: dict[str, int] = {}
        above = [(ROOT, "")]
        while above:
            node, path = above.pop()
            for name, inner in self.folders[node].entries(lost).items():
                found[path + name] = inner
                if inner in self.folders:
                    above.append((inner, f"{path}{name}/"))
        return found

    def file_paths(self, lost: Set[int] = frozenset()) -> dict[str, int]:
        """Every file that is there after a loss of power that has lost these renames."""
        return {path: node for path, node in self.paths(lost).items() if node in self.files}

    def losses(self, chance: random.Random, at_random: int) -> Iterator[Tree]:
        """Trees that a loss of power may leave now: all regular ones, and some at random."""
        pending: set[int] = set()
        for folder in self.folders.values():
            pending |= {id(rename) for rename in folder.renames} - folder.safe
        here = self.file_paths()
        dirty = [node for node in set(here.values()) if self.files[node].written]
        kinds: tuple[DataLoss, ...] = ("none", "all", "torn", "zeros")
        for kind in kinds:
            yield self._tree(here, self._data(kind, chance))
        yield self._tree(self.file_paths(pending), self._data("none", chance))
        for one in sorted(pending):
            without, alone = self.file_paths({one}), self.file_paths(pending - {one})
            for kind in kinds[:3]:
                yield self._tree(without, self._data(kind, chance))
                yield self._tree(alone, self._data(kind, chance))
        for node in dirty:
            for kind in kinds[1:]:
                yield self._tree(here, self._data(kind, chance, {node}))
        for _ in range(at_random if pending or dirty else 0):
            lost = {one for one in sorted(pending) if chance.random() < 0.5}
            nodes = {node for node in dirty if chance.random() < 0.5}
            yield self._tree(self.file_paths(lost), self._data(chance.choice(kinds), chance, nodes))

    @staticmethod
    def _tree(paths: dict[str, int], content: Callable[[int], bytes]) -> Tree:
        return {path: content(node) for path, node in paths.items()}

    def _data(
        self, kind: DataLoss, chance: random.Random, lossy: set[int] | None = None
    ) -> Callable[[int], bytes]:
        """What files hold where those that are lossy (None: all) have lost what was not fsynced."""

        def content(node: int) -> bytes:
            file = self.files[node]
            if kind == "none" or not file.written or (lossy is not None and node not in lossy):
                return file.now
            if kind == "all":
                return chance.choice([file.kept, *file.written[:-1]])
            if kind == "zeros":
                return bytes(len(file.now))
            return file.now[: chance.randrange(len(file.now) + 1)]

        return content
