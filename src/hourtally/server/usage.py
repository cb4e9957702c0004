"""Views and lists of published hours, over the reading module.

Which revision of an hour is the newest is looked up for every answer, in the hour's folder: 3 µs.
All that follows from a revision is kept, because a revision never changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

# What reading imports when it comes to it: here, so that the first request need not wait 0.1 s.
import pyarrow.parquet  # noqa: F401
from cachetools import LRUCache

from hourtally import __version__
from hourtally.errors import WrongUse
from hourtally.model.hours import Hour, format_instant
from hourtally.published.reader import read_customers, read_document
from hourtally.published.views import view, zero_document
from hourtally.server.requests import Filters, ListRequest, Refusal, ViewRequest, cursor_after
from hourtally.server.responses import Answer, etag_of, found
from hourtally.store.durable import storage_faults
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest

# 5,000 manifests of 2 KB, views of 64 MiB together, 50,000 lines of lists of 0.5 KB.
_CACHED_HOURS = 5_000
_CACHED_VIEW_BYTES = 64 << 20
_CACHED_LINES = 50_000
# What an answer takes beside its body.
_ANSWER_BYTES = 1_024

_PAAS = b',"paasUsage":{"price":'
_BYOC = b',"byocUsage":'


Value = TypeVar("Value")


class _Newest(NamedTuple):
    """An hour's newest revision. names: what was in its folder when it was read."""

    folder: str
    names: list[str]
    manifest: Manifest
    key: str


class Usage:
    """The published hours of a home. Several threads may ask at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._newest: LRUCache[Hashable, _Newest] = LRUCache(_CACHED_HOURS)
        self._views: LRUCache[Hashable, Answer] = LRUCache(_CACHED_VIEW_BYTES, _answer_bytes)
        self._lines: LRUCache[Hashable, bytes] = LRUCache(_CACHED_LINES)
        # The caches of cachetools are not safe to share between threads by themselves.
        self._lock = Lock()

    def cached_view(self, customer: str, asked: ViewRequest) -> Answer | None:
        """The view, if it takes no time: it was asked for before, of the same revision."""
        newest = self._cached(self._newest, asked.timestamp)
        if newest is None or _names(newest.folder) != newest.names:
            return None
        return self._cached(self._views, (newest.key, customer, asked.filters))

    def view(self, customer: str, asked: ViewRequest) -> Answer:
        """The canonical bytes of a customer's view of an hour.

        Raises:
            Refusal: the hour is not published.
            Damaged: what was published is not there as it was.
        """
        newest = self._find(asked.timestamp)
        if newest is None:
            message = (
                f"The hour {asked.timestamp} is not published: it is not over yet, was never "
                "built, or is not the start of a UTC hour."
            )
            raise Refusal(404, "hour_not_found", message)
        digest = _digest(newest.manifest, customer)
        body = _view(newest.manifest, customer, asked.filters)
        # The version, because another one might write another view of the same document.
        etag = etag_of(__version__.encode(), digest, json.dumps(asked.filters).encode())
        answer = found(body, etag)
        key = (newest.key, customer, asked.filters)
        self._cache(self._views, key, answer)
        return answer

    def list(self, customer: str, asked: ListRequest) -> Answer:
        """A page of hours with the prices that their views have, newest first.

        Raises:
            Damaged: as `view`.
        """
        page: list[tuple[int, bytes]] = []
        is_last = True
        for newest in self._newest_first(asked):
            if len(page) == asked.per_page:
                is_last = False
                break
            line = self._line(newest, customer, asked.filters)
            page.append((newest.manifest.hour.timestamp, line))
        pagination: dict[str, object] = {"hasNextPage": not is_last, "count": len(page)}
        if not is_last:
            pagination["cursor"] = cursor_after(page[-1][0])
        body = b'{"data":{"usage":[%b]},"pagination":%b}' % (
            b",".join(line for _, line in page),
            json.dumps(pagination, separators=(",", ":")).encode(),
        )
        return found(body, etag_of(body))

    def _newest_first(self, asked: ListRequest) -> Iterator[_Newest]:
        """The newest revisions of the hours asked for."""
        first = "" if asked.start is None else format_instant(asked.start * 1_000)
        ends = [format_instant(b * 1_000) for b in (asked.end, asked.before) if b is not None]
        with storage_faults(self._home.hours, "reading"):
            names = _names(str(self._home.hours))
        # Instants sort as text: years have four digits.
        starts = {f"{name}:00:00Z": name for name in names}
        inside = (one for one in starts if one >= first and all(one < end for end in ends))
        for start in sorted(inside, reverse=True):
            hour = _hour(starts[start])
            newest = None if hour is None else self._find(hour.timestamp)
            if newest is not None:
                yield newest

    def _line(self, newest: _Newest, customer: str, filters: Filters) -> bytes:
        key = (newest.key, customer, filters)
        line = self._cached(self._lines, key)
        if line is None:
            shown = _view(newest.manifest, customer, filters)
            start = shown.index(_PAAS)
            price = shown[start : shown.index(b"}", start) + 1]
            byoc = shown[shown.rindex(_BYOC) : -len(b"}}")]
            line = b'{"timestamp":%d%b}%b}' % (newest.manifest.hour.timestamp, price, byoc)
            self._cache(self._lines, key, line)
        return line

    def _find(self, timestamp: int) -> _Newest | None:
        """The newest revision of an hour; None where there is no such hour or none of it."""
        newest = self._cached(self._newest, timestamp)
        if newest is None:
            try:
                hour = Hour(timestamp)
                folder = str(self._home.hour(hour))
            except (WrongUse, OverflowError):
                return None
        else:
            hour, folder = newest.manifest.hour, newest.folder
        with storage_faults(Path(folder), "reading"):
            names = _names(folder)
        if newest is not None and names == newest.names:
            return newest
        # Read after the names: a revision that came between them is found by the next answer.
        manifest = current_manifest(self._home, hour) if names else None
        if manifest is None:
            return None
        # The rest of a manifest may be a thousand conflicts.
        record = {name: manifest.record[name] for name in ("folder", "files")}
        newest = _Newest(folder, names, replace(manifest, record=record), str(manifest.folder))
        self._cache(self._newest, timestamp, newest)
        return newest

    def _cached(self, cache: LRUCache[Hashable, Value], key: Hashable) -> Value | None:
        with self._lock:
            return cache.get(key)

    def _cache(self, cache: LRUCache[Hashable, Value], key: Hashable, value: Value) -> None:
        # A value larger than the whole cache is not cached.
        with self._lock, suppress(ValueError):
            cache[key] = value


def _answer_bytes(answer: Answer) -> int:
    """The room that an answer takes in the cache."""
    return len(answer.body) + _ANSWER_BYTES


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _hour(name: str) -> Hour | None:
    """The hour of a folder; None where it is not the folder of one."""
    try:
        hour = Hour.parse(name)
        # Unix seconds are parsed too, of any year.
        is_name = hour.name == name
    except (WrongUse, OverflowError):
        return None
    return hour if is_name else None


def _digest(manifest: Manifest, customer: str) -> bytes:
    """What tells the customer's document from every other one."""
    customers = read_customers(manifest)
    row = customers.find(customer)
    if row is None:
        return zero_document(manifest.hour.timestamp)
    return str(customers.digests[row].as_py()).encode()


def _view(manifest: Manifest, customer: str, filters: Filters) -> bytes:
    return view(
        read_document(manifest, customer),
        team=filters.team,
        project=filters.project,
        resource_type=filters.resource_type,
    )
