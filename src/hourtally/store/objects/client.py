"""Calls on one place in an object store: counted, repeated where that is right, with our errors."""

from __future__ import annotations

import os
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

from hourtally.store.faults import StoreFault, contended, may_pass, store_fault
from hourtally.store.files import FileState

Result = TypeVar("Result")

# The store's own client repeats a request that failed; this is for a body that was cut.
_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.2
# A request has 60 s in all, so larger objects are read in parts, and uploaded in parts.
PART_BYTES: Final = 16 << 20
_PARTS_AT_ONCE: Final = 4
_NAMES_PER_LISTING: Final = 1_000
CALLS_AT_ONCE: Final = 32


class Created(NamedTuple):
    """What came of creating an object: whether its content is there, and whether just now.

    etag: of the new object; empty where it is not known.
    """

    is_ours: bool
    is_new: bool
    etag: str = ""


class Client:
    """The objects below a prefix. requests: how many calls of each kind were made.

    Keys are relative to the prefix. `store` is what obstore's functions take; `calls` are those
    functions, so that tests may put others in front of them.
    """

    def __init__(self, store: Any, prefix: str, url: str, calls: Any) -> None:
        self.url = url
        self.requests: Counter[str] = Counter()
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        self._calls = calls
        self._lock = Lock()

    def url_of(self, key: str) -> str:
        """The URL of an object."""
        return f"{self.url}/{key}" if key else self.url

    def list_all(self, folder: str) -> dict[str, FileState]:
        """Every object below a folder, by key."""

        def run() -> dict[str, FileState]:
            chunks = self._calls.list(self._store, f"{self._prefix}{folder}".strip("/") or None)
            return {self._key(one): _meta(one) for chunk in chunks for one in chunk}

        found = self._call("list", folder, run, count=0)
        self._count("list", 1 + max(0, len(found) - 1) // _NAMES_PER_LISTING)
        return self._without_markers(found, folder)

    def list_folder(self, folder: str) -> tuple[dict[str, FileState], list[str]]:
        """The objects right in a folder, by key, and the names of its folders."""
        path = f"{self._prefix}{folder}".strip("/") or None
        run = lambda: self._calls.list_with_delimiter(self._store, path)  # noqa: E731
        found = self._call("list", folder, run, count=0)
        folders = [one.rstrip("/").rpartition("/")[2] for one in found["common_prefixes"]]
        objects = {self._key(one): _meta(one) for one in found["objects"]}
        entries = len(folders) + len(objects)
        self._count("list", 1 + max(0, entries - 1) // _NAMES_PER_LISTING)
        return self._without_markers(objects, folder, folders), folders

    def _without_markers(
        self, found: dict[str, FileState], folder: str, folders: Sequence[str] = ()
    ) -> dict[str, FileState]:
        """Objects without those that consoles make for folders, `day/`, which are listed as `day`.

        They are empty, and the folder itself or the name of one, or cannot be read by that name.
        """
        markers = {folder} if folder in found else set()
        empty = [key for key, state in found.items() if not state.size and key != folder]
        if empty:
            names = sorted(found)
            inside = {f"{folder}/{name}".lstrip("/") for name in folders}
            for key in empty:
                after = bisect(names, f"{key}/")
                has_children = after < len(names) and names[after].startswith(f"{key}/")
                if has_children or key in inside or self._is_marker(key):
                    markers.add(key)
        if not markers:
            return found
        return {key: state for key, state in found.items() if key not in markers}

    def _is_marker(self, key: str) -> bool:
        """Whether an empty object is named `day/`; of names with a suffix none is asked."""
        name = key.rpartition("/")[2]
        if "." in name or name.startswith("_"):
            return False
        try:
            self.head(key)
        except FileNotFoundError:
            return True
        return False

    def head(self, key: str) -> FileState:
        """An object without its content."""
        path = self._prefix + key
        return _meta(self._call("head", key, lambda: self._calls.head(self._store, path)))

    def get(self, key: str) -> tuple[bytes, FileState]:
        """An object."""

        def run() -> tuple[bytes, FileState]:
            found = self._calls.get(self._store, self._prefix + key)
            return bytes(found.bytes()), _meta(found.meta)

        return self._call("get", key, run)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """The bytes of an object from an offset on, or as many as it has."""

        def run() -> bytes:
            path = self._prefix + key
            return bytes(self._calls.get_range(self._store, path, start=offset, length=length))

        return self._call("get", key, run)

    def download(self, key: str, path: Path) -> FileState:
        """Write an object to a local file, in parts where it is large; its memory is bounded."""

        def run() -> FileState:
            found = self._calls.get(self._store, self._prefix + key)
            meta = _meta(found.meta)
            if meta.size <= PART_BYTES:
                path.write_bytes(bytes(found.bytes()))
                return meta
            with path.open("wb") as file, ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
                offsets = range(0, meta.size, PART_BYTES)
                for _ in pool.map(lambda at: self._download_part(key, meta, at, file), offsets):
                    pass
            return meta

        return self._call("get", key, run)

    def _download_part(self, key: str, meta: FileState, offset: int, file: Any) -> None:
        end = min(meta.size, offset + PART_BYTES)
        # An object that is replaced meanwhile must not come out as a mixture.
        options = {"range": (offset, end), **({"if_match": meta.etag} if meta.etag else {})}

        def run() -> None:
            found = self._calls.get(self._store, self._prefix + key, options=options)
            os.pwrite(file.fileno(), bytes(found.bytes()), offset)

        self._call("get", key, run)

    def put(self, key: str, content: bytes | Path) -> str:
        """Write an object; one that is there is replaced. Its ETag, empty where it is not known."""

        def run() -> str:
            path = self._prefix + key
            put = self._calls.put(
                self._store, path, content, chunk_size=PART_BYTES, max_concurrency=4
            )
            return str(put["e_tag"] or "")

        return self._call("put", key, run)

    def create(self, key: str, content: bytes) -> Created:
        """Write an object unless the name is taken.

        An answer may be lost after the object was written. So where it is taken, it is read.
        """

        def run() -> Created | None:
            path = self._prefix + key
            try:
                put = self._calls.put(
                    self._store, path, content, mode="create", use_multipart=False
                )
            except Exception as error:
                kind = type(error).__name__
                # S3 says so where two such writes meet; either, or none, may have been done.
                is_conflict = "ConditionalRequestConflict" in str(error)
                if kind not in {"AlreadyExistsError", "PreconditionError"} and not is_conflict:
                    raise
                return None
            return Created(is_ours=True, is_new=True, etag=str(put["e_tag"] or ""))

        for attempt in range(1, _ATTEMPTS + 1):
            if created := self._call("put", key, run):
                return created
            try:
                return Created(is_ours=self.get(key)[0] == content, is_new=False)
            except FileNotFoundError:
                time.sleep(_PAUSE_SECONDS * attempt)
        raise contended(self.url_of(key))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        for start in range(0, len(keys), _NAMES_PER_LISTING):
            part = keys[start : start + _NAMES_PER_LISTING]
            paths = [self._prefix + key for key in part]
            try:
                run = lambda paths=paths: self._calls.delete(self._store, paths)  # noqa: E731
                self._call("delete", part[0], run)
            except FileNotFoundError:
                # Some stores end at the first one that is missing.
                for key in part:
                    self._delete_one(key)

    def _delete_one(self, key: str) -> None:
        path = self._prefix + key
        try:
            self._call("delete", key, lambda: self._calls.delete(self._store, path))
        except FileNotFoundError:
            return

    def together(self, call: Callable[..., Result], work: Iterable[Any]) -> Iterator[Result]:
        """`call(item)` for each item, many at a time, in their order."""
        items = list(work)
        if len(items) < 2:
            yield from map(call, items)
            return
        with ThreadPoolExecutor(min(CALLS_AT_ONCE, len(items))) as pool:
            yield from pool.map(call, items)

    def _key(self, found: Any) -> str:
        return f"{found['path']}/".removeprefix(self._prefix)[:-1]

    def _count(self, kind: str, number: int) -> None:
        with self._lock:
            self.requests[kind] += number

    def _call(self, kind: str, key: str, run: Callable[[], Result], count: int = 1) -> Result:
        for attempt in range(1, _ATTEMPTS + 1):
            self._count(kind, count)
            try:
                return run()
            except Exception as error:
                if isinstance(error, StoreFault):
                    raise
                fault = store_fault(error, self.url_of(key))
                is_transient = type(error).__name__ == "GenericError" and may_pass(fault)
                if attempt == _ATTEMPTS or not is_transient or kind in {"put", "delete"}:
                    raise fault from error
                time.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError


def _meta(found: Any) -> FileState:
    changed_ns = int(found["last_modified"].timestamp() * 1_000_000) * 1_000
    return FileState(int(found["size"]), changed_ns, str(found["e_tag"] or ""))
