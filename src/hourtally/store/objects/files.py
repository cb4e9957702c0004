"""A home in an object store. A path under its local working folder stands for an object.

There are no locks: a record or a manifest is created only if it is absent, after everything that it
names is uploaded. Only what belongs to people, exports or the inbox is overwritten by other bytes.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Final

from hourtally.store.faults import too_late
from hourtally.store.files import AnyPath, Files, FileState, NewFile, ReadRange
from hourtally.store.local_files import read_ranges
from hourtally.store.objects.abandoned import find_abandoned
from hourtally.store.objects.cache import RecordCache
from hourtally.store.objects.client import CALLS_AT_ONCE, Client
from hourtally.store.objects.listing import Folder, ListedFolders, Listing, SharedListing
from hourtally.store.objects.owners import Owners
from hourtally.store.objects.parts import PartCache

# Whatever no record names is removed once it is a day old, so who takes long does not commit.
LONGEST_HOURS: Final = 12
_BY_DIGEST: Final = re.compile(r"(?:cases|rates)/[0-9a-f]{64}\.[a-z]+")
# Created once and never changed; a home that was removed and made anew may have another.
_CREATED_ONCE: Final = re.compile(r"hours/[^/]+/[^/]+\.json|batches/[^/]+\.json|home\.json")
_REVISION: Final = re.compile(r"(hours/[^/]+/rev-[^/]+)(?:/.*)?")


class ObjectFiles(Files):
    """The objects of a home. root: its local working folder. cache: of small objects."""

    has_folders = False
    reads_at_once = CALLS_AT_ONCE

    def __init__(self, client: Client, root: Path, cache: RecordCache) -> None:
        self.client = client
        self._root = f"{root}/"
        self._cache = cache
        self._shared = SharedListing()
        self._known: dict[str, FileState] = {}
        self._owners = Owners(self)
        self._parts = PartCache()
        # Folders of revisions of which nothing is uploaded yet; when each was begun, and owners.
        self._drafts: set[str] = set()
        self._begun: dict[str, float] = {}

    def names(self, folder: AnyPath) -> list[str]:
        of = self.key(folder)
        if (listing := self._shared.listing) and listing.has(of):
            found = listing.names(of)
        else:
            listing, found = None, ListedFolders(self._list_folders([of])).names(of)
        return sorted(set(self._owners.plain_names(of, found, listing)))

    def exists(self, path: AnyPath) -> bool:
        if os.path.isfile(path):  # noqa: PTH113 - making a path takes longer
            return True
        try:
            self.meta(path)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, path: Path) -> bool:
        return bool(self.names(path))

    def state(self, path: Path) -> FileState:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            return self.meta(path)
        inside = self.objects_below(self.key(path))
        if not inside:
            raise self._missing(self.key(path))
        return FileState(0, max(meta.changed_ns for meta in inside.values()))

    def meta(self, path: AnyPath) -> FileState:
        """The object of a path."""
        key = self._owners.resolve(self.key(path))
        if (listing := self._shared.listing) and listing.has(key.rpartition("/")[0]):
            meta = listing.meta(key)
            if meta is None:
                raise self._missing(key)
            return meta
        return self.client.head(key)

    def below(self, folder: Path) -> dict[str, FileState]:
        of = self.key(folder)
        start = len(of) + 1 if of else 0
        return {key[start:]: meta for key, meta in self.objects_below(of).items()}

    def objects_below(self, folder: str) -> dict[str, FileState]:
        """The objects below a folder, by key."""
        if isinstance(listing := self._shared.listing, Listing) and listing.has(folder):
            return listing.below(folder)
        return self._list_top(folder)

    def read(self, path: Path, most: int = -1) -> bytes:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            return file.read(most)
        content = self.read_key(self._owners.resolve(self.key(path)))
        return content if most < 0 else content[:most]

    def read_key(self, key: str) -> bytes:
        """An object, from the cache if its copy there is that of the object as it is now."""
        etag = self.known_etag(key)
        content = None if etag is None else self._cache.get(key, etag)
        if content is None:
            with self._forgetting(key):
                content, meta = self.client.get(key)
            self._remember({key: meta})
            if etag is not None or _CREATED_ONCE.fullmatch(key):
                self._cache.put(key, etag if etag is not None else meta.etag, content)
        return content

    @contextlib.contextmanager
    def ranges(self, path: Path) -> Iterator[ReadRange]:
        key = self._owners.resolve(self.key(path))
        with ExitStack() as stack:
            if path.exists():
                yield stack.enter_context(read_ranges(path))
            else:
                yield lambda offset, length: self._parts.get(self.client, key, offset, length)

    def local(self, path: Path) -> Path:
        if not path.exists():
            key = self._owners.resolve(self.key(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            try:
                if self.known_etag(key) is not None and _CREATED_ONCE.fullmatch(key):
                    temporary.write_bytes(self.read(path))
                else:
                    with self._forgetting(key):
                        self.client.download(key, temporary)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        return path

    def fetch(self, paths: Iterable[Path]) -> None:
        self._get_all(self.read, paths)

    def fetch_files(self, paths: Iterable[Path]) -> None:
        self._get_all(self.local, paths)

    def _get_all(self, get: Callable[[Path], object], paths: Iterable[Path]) -> None:
        def get_one(path: Path) -> None:
            with contextlib.suppress(FileNotFoundError):
                get(path)

        for _ in self.client.together(self._shared.for_helpers(get_one), paths):
            pass

    def release(self, paths: Iterable[Path]) -> None:
        for path in paths:
            assert str(path).startswith(self._root), "what is not in the working folder is no copy"
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def create(self, files: Sequence[NewFile]) -> list[bool]:
        def create(new: NewFile) -> bool:
            key = self.key(new.path)
            created = self.client.create(key, new.content)
            if created.etag:
                self._cache.put(key, created.etag, new.content)
            return created.is_ours

        return list(self.client.together(create, files))

    def replace(self, path: Path, content: bytes, mode: int, staging: Path | None) -> None:
        key = self.key(path)
        etag = self.client.put(key, content)
        self._known.pop(key, None)
        # The next run would read each note of an inbox file once.
        if etag and key.startswith(".inbox/"):
            self._cache.put(key, etag, content)

    def make_folder(self, folder: Path) -> None: ...

    def publish(self, folder: Path) -> None:
        self._drafts.discard(self.key(folder))
        files = [path for path in folder.iterdir() if path.is_file()]
        for _ in self.client.together(lambda path: self.client.put(self.key(path), path), files):
            pass

    def begin_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._drafts.add(self.key(folder))
        self._begun[str(folder)] = _clock()

    def check_in_time(self, name: str) -> None:
        if _clock() - self._begun.pop(name, _clock()) > LONGEST_HOURS * 3_600:
            raise too_late(self.client.url, LONGEST_HOURS)

    def new_owner(self) -> str:
        owner = secrets.token_hex(8)
        self._begun[owner] = _clock()
        return owner

    def move(self, staged: Mapping[Path, Path], owner: str) -> list[Path]:
        def upload(pair: tuple[Path, Path]) -> list[Path]:
            path, target = pair
            return [target] if self._owners.upload(path, self.key(target), owner) else []

        return [one for aside in self.client.together(upload, staged.items()) for one in aside]

    def undo_move(self, targets: Iterable[Path], owner: str) -> None:
        self.client.delete([self._owners.owned(self.key(path), owner) for path in targets])

    def sync(self, folder: Path) -> None: ...

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        key = self._owners.resolve(self.key(path))
        self.client.delete([key])
        self._known.pop(key, None)

    def remove_folder(self, folder: Path) -> None:
        revision = _REVISION.fullmatch(self.key(folder))
        if revision is None or revision[1] not in self._drafts:
            self.client.delete(list(self.objects_below(self.key(folder))))
        shutil.rmtree(folder, ignore_errors=True)

    def abandoned(self, before_ns: int | None = None) -> dict[str, int]:
        with self.one_listing():
            return find_abandoned(self.objects_below, self._owners, before_ns)

    def remove_abandoned(self, names: Iterable[str]) -> None:
        self.client.delete(list(names))

    def one_listing(self, folders: Sequence[Path] | None = None) -> AbstractContextManager[None]:
        if folders is None:
            return self._shared.entered(lambda: Listing(self._list_top))
        keys = list(map(self.key, folders))
        return self._shared.entered(lambda: ListedFolders(self._list_folders(keys)))

    def requests(self) -> dict[str, int]:
        return {kind: number for kind, number in self.client.requests.items() if number}

    def add_requests(self, made: Mapping[str, int]) -> None:
        self.client.requests.update(made)

    def _missing(self, key: str) -> FileNotFoundError:
        return FileNotFoundError(2, "there is no such object", self.client.url_of(key))

    def key(self, path: AnyPath) -> str:
        """The key of a path; empty for the root."""
        return os.fspath(path).removeprefix(self._root[:-1]).strip("/")

    def _list_folders(self, folders: Iterable[str]) -> dict[str, Folder]:
        names = list(folders)
        found = dict(zip(names, self.client.together(self.client.list_folder, names), strict=True))
        for objects, _ in found.values():
            self._remember(objects)
        return found

    def _list_top(self, folder: str) -> dict[str, FileState]:
        found = self.client.list_all(folder)
        self._remember(found)
        return found

    def _remember(self, found: Mapping[str, FileState]) -> None:
        """What will not change; anything else would fill the memory of a server."""
        self._known |= {key: meta for key, meta in found.items() if _CREATED_ONCE.fullmatch(key)}

    def known_etag(self, key: str) -> str | None:
        """What finds a copy of an object as it is now; None where that is not known."""
        if _BY_DIGEST.fullmatch(key):
            return ""
        meta = self._known.get(key) if _CREATED_ONCE.fullmatch(key) else None
        if meta is None and (listing := self._shared.listing):
            meta = listing.meta(key) if listing.has(key.rpartition("/")[0]) else None
        return meta.etag or None if meta else None

    @contextlib.contextmanager
    def _forgetting(self, key: str) -> Iterator[None]:
        """List anew where a listed object is missing: it was removed since."""
        try:
            yield
        except FileNotFoundError:
            listing = self._shared.listing
            if listing and listing.has(key.rpartition("/")[0]) and listing.meta(key):
                self._shared.replace(listing)
            raise


def _clock() -> float:
    """Seconds that go on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
