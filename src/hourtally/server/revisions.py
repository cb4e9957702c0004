"""The current revisions of hours, looked up for every request and cached.

Every request looks up the current revision of its hour in the hour's folder, which takes 3 µs.
What follows from a revision is cached, because a revision never changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from cachetools import LRUCache

from hourtally.errors import HourHeld, InvalidArgument, NoQuantities
from hourtally.model.hours import Hour, check_year, format_instant
from hourtally.published.document_index import read_customers
from hourtally.server.held_index import HeldIndex
from hourtally.server.parameters import HttpError
from hourtally.store.durable import list_names, one_listing, storage_faults
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, newest_in

# 5,000 manifests, of 10 KB each once they are parsed.
_CACHED_REVISIONS = 5_000
# Seven years: each list and each page looks through the names of all hours.
_PARSED_NAMES = 65_536

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """A cache that threads share, as cachetools leaves locking to its users."""

    def __init__(self, cache: LRUCache[Hashable, Value]) -> None:
        self._cache = cache
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """What is cached."""
        with self._lock:
            return self._cache.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Cache a value."""
        # cachetools raises ValueError for a value larger than the whole cache: do not cache it.
        with self._lock, suppress(ValueError):
            self._cache[key] = value


class Revision(NamedTuple):
    """The current revision of an hour. names: the entries of its folder when it was read."""

    folder: str
    names: list[str]
    manifest: Manifest
    key: str

    @property
    def is_current(self) -> bool:
        """Whether it still is."""
        return list_names(self.folder) == self.names

    def holds(self, customer: str) -> bool:
        """Whether it holds the customer; most hold nobody, which costs nothing to know."""
        manifest = self.manifest
        return bool(manifest.held_customers) and read_customers(manifest).holds(customer)


class CurrentRevisions:
    """The current revisions of a home; safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._revisions: Cache[Revision] = Cache(LRUCache(_CACHED_REVISIONS))
        self._held_index = HeldIndex()

    def read(self, _: Home, hour: Hour) -> Manifest | None:
        """The newest manifest of an hour, as `current_manifest` finds it."""
        revision = self.current(hour.timestamp)
        return None if revision is None else revision.manifest

    def known(self, timestamp: int) -> Revision | None:
        """The revision of an hour as it was last looked up, if it still is the current one."""
        revision = self._revisions.get(timestamp)
        return revision if revision is not None and revision.is_current else None

    def current(self, timestamp: int) -> Revision | None:
        """The current revision of an hour; None if it is not an hour or not published."""
        cached = self._revisions.get(timestamp)
        if cached is None:
            try:
                hour = Hour(timestamp)
                check_year(hour.start_ms)
                folder = str(self._home.hour(hour))
            except (InvalidArgument, ValueError):
                return None
        else:
            hour, folder = cached.manifest.hour, cached.folder
        with storage_faults(Path(folder), "reading"):
            names = list_names(folder)
        if cached is not None and names == cached.names:
            return cached
        # Read after the names: the next request finds a revision published in between.
        manifest = newest_in(self._home, hour, names)
        if manifest is None:
            return None
        conflicts = {**manifest.record["conflicts"]}
        # Up to a thousand.
        conflicts.pop("listed", None)
        kept = replace(manifest, record=manifest.record | {"conflicts": conflicts})
        revision = Revision(folder, names, kept, str(manifest.folder))
        self._revisions.put(timestamp, revision)
        return revision

    def one_listing(self) -> AbstractContextManager[None]:
        """Within it, hours are looked up as of one moment, where asking for each takes long."""
        return one_listing(self._home.root)

    def hours(
        self, start: int | None, end: int | None, *, newest_first: bool = True
    ) -> Iterator[Hour]:
        """The hours that have a folder and start in `[start, end)`; Unix seconds."""
        first = "" if start is None else format_instant(start * 1_000)
        last = None if end is None else format_instant(end * 1_000)
        with storage_faults(self._home.hours, "reading"):
            names = list_names(self._home.hours)
        # Instants sort as text: years have four digits.
        names_by_instant = {f"{name}:00:00Z": name for name in names}
        instants = [i for i in names_by_instant if i >= first and (last is None or i < last)]
        for instant in sorted(instants, reverse=newest_first):
            hour = _hour(names_by_instant[instant])
            if hour is not None:
                yield hour

    def hold(self, hour: Hour, customer: str) -> bool:
        """Whether the current revision of an hour holds the customer."""
        holds_anybody = partial(self._holds_anybody, hour.timestamp)
        if not self._held_index.holds_anybody(str(self._home.hour(hour)), holds_anybody):
            return False
        revision = self.current(hour.timestamp)
        return revision is not None and revision.holds(customer)

    def _holds_anybody(self, timestamp: int) -> bool:
        revision = self.current(timestamp)
        return revision is not None and revision.manifest.held_customers > 0


def held_error(held: HourHeld) -> HttpError:
    """The response for an hour that holds the customer."""
    gaps = "; ".join(held.gaps)
    message = f"Hour {held.hour} has no figures yet, as some usage has no rate: {gaps}."
    return HttpError(409, "hour_held", message)


def no_quantities_error(lacking: NoQuantities) -> HttpError:
    """The response for an hour without quantities where they are asked for."""
    message = (
        f"Hour {lacking.hour} has no quantities yet: it was built by an earlier version, and has "
        "them once it is built again. Its prices are there without removeLegacyFields."
    )
    return HttpError(409, "no_quantities", message)


@lru_cache(_PARSED_NAMES)
def _hour(name: str) -> Hour | None:
    """The hour of a folder; None if its name is not an hour's."""
    try:
        hour = Hour.parse(name)
        # Unix seconds are parsed too, of any year.
        is_name = hour.name == name
    except (InvalidArgument, OverflowError):
        return None
    return hour if is_name else None
