"""What is in a bucket, as listed at one moment: folders and objects by name."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, RLock, local
from typing import Any, Final, TypeVar

from hourtally.store.files import FileState

Item = TypeVar("Item")

_LONGEST_SHARED_SECONDS: Final = 5.0

Folder = tuple[dict[str, FileState], list[str]]
"""The objects right in a folder, by key, and the names of its folders."""


class ListedFolders:
    """Some folders, as listed at one moment."""

    def __init__(self, folders: dict[str, Folder]) -> None:
        self._folders = folders

    def has(self, folder: str) -> bool:
        """Whether a folder is among them."""
        return folder in self._folders

    def meta(self, key: str) -> FileState | None:
        """An object in one of them; None if it is not there."""
        return self._folders[key.rpartition("/")[0]][0].get(key)

    def names(self, folder: str) -> set[str]:
        """The names of the objects and folders in one of them."""
        objects, folders = self._folders[folder]
        return {key.rpartition("/")[2] for key in objects} | set(folders)

    def anew(self) -> ListedFolders:
        """What takes its place once something contradicts it: it tells of no folder."""
        return ListedFolders({})


class Listing:
    """The objects below the folders at the top of a home, each listed once, when it is asked for.

    A listing takes a request for each 1,000 names, and asking for the names of each hour of a year
    would take 17,520.
    """

    def __init__(self, list_all: Callable[[str], dict[str, FileState]]) -> None:
        self._list_all = list_all
        self._lock = RLock()
        self._derived: dict[str, Any] = {}
        self._metas: dict[str, dict[str, FileState]] = {}
        self._children: dict[str, dict[str, set[str]]] = {}

    def has(self, folder: str) -> bool:
        """Whether it tells of a folder: of all but the top itself."""
        return bool(folder)

    def meta(self, key: str) -> FileState | None:
        """An object; None if it is not there."""
        return self._of(key)[0].get(key)

    def names(self, folder: str) -> set[str]:
        """The names of the objects and folders in a folder below the top."""
        return self._of(folder)[1].get(folder, set())

    def below(self, folder: str) -> dict[str, FileState]:
        """The objects below a folder, by key."""
        metas, children = self._of(folder)
        found, waiting = {}, [folder]
        while waiting:
            inside = waiting.pop()
            for name in children.get(inside, ()):
                key = f"{inside}/{name}"
                if key in metas:
                    found[key] = metas[key]
                # Others may lie below a name that is an object's too.
                if key in children:
                    waiting.append(key)
        return found

    def anew(self) -> Listing:
        """What takes its place once something contradicts it: it lists all again."""
        return Listing(self._list_all)

    def derived(self, what: str, find: Callable[[], Any]) -> Any:
        """What follows from the listing, found once."""
        with self._lock:
            if what not in self._derived:
                self._derived[what] = find()
            return self._derived[what]

    def _of(self, key: str) -> tuple[dict[str, FileState], dict[str, set[str]]]:
        top = key.partition("/")[0]
        with self._lock:
            if top not in self._metas:
                self._metas[top] = self._list_all(top)
                self._children[top] = defaultdict(set)
                _add_names(self._children[top], self._metas[top])
            return self._metas[top], self._children[top]


def _add_names(children: dict[str, set[str]], keys: Iterable[str]) -> None:
    for key in keys:
        folder, _, name = key.rpartition("/")
        while name not in children[folder]:
            children[folder].add(name)
            folder, _, name = folder.rpartition("/")
            if not name or not folder:
                break


class SharedListing:
    """The listing that the calls of a process see, while somebody is within `entered`.

    Who has entered sees it to the end, and so do threads that call by `for_helpers`. In a server
    some thread or other may be within it all the time: whoever enters gets a new one once it is
    some seconds old, and who has not entered does not see it any more then.
    """

    def __init__(self) -> None:
        self._listing: Listing | ListedFolders | None = None
        self._lock = Lock()
        self._thread = local()
        self._users = 0
        self._made_at = 0.0

    @property
    def listing(self) -> Listing | ListedFolders | None:
        """What this thread sees; None where it has to ask the store."""
        return self._listing if self._is_within or not self._is_old() else None

    @property
    def _is_within(self) -> bool:
        return getattr(self._thread, "is_within", False)

    def _is_old(self) -> bool:
        return time.monotonic() - self._made_at > _LONGEST_SHARED_SECONDS

    @contextmanager
    def entered(self, make: Callable[[], Listing | ListedFolders]) -> Iterator[None]:
        """Let all see a listing; within it, the one that this thread sees already."""
        if self._is_within:
            yield
            return
        with self._lock:
            if self._listing is None or self._is_old():
                now = time.monotonic()
                self._listing, self._made_at = make(), now
            self._users += 1
        self._thread.is_within = True
        try:
            yield
        finally:
            self._thread.is_within = False
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._listing = None

    def for_helpers(self, call: Callable[[Item], None]) -> Callable[[Item], None]:
        """A call that other threads make for this one, until which it waits: they see the same."""
        is_within = self._is_within

        def helping(item: Item) -> None:
            before = self._is_within
            self._thread.is_within = is_within
            try:
                call(item)
            finally:
                self._thread.is_within = before

        return helping

    def replace(self, contradicted: Listing | ListedFolders) -> None:
        """Let all see another listing; who is reading this one reads it to the end."""
        with self._lock:
            if self._listing is contradicted:
                self._listing = contradicted.anew()
