"""Views and lists of published hours, cached by revision.

Every request looks up the current revision of its hour in the hour's folder, which takes 3 µs.
What follows from a revision is cached, because a revision never changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

# The published reader imports it on first use; importing it here saves the first request 0.1 s.
import pyarrow.parquet  # noqa: F401
from cachetools import LRUCache

from hourtally import __version__
from hourtally.errors import HourHeld, InvalidArgument
from hourtally.model.hours import Hour, format_instant
from hourtally.published.reader import read_current, read_customers, read_document
from hourtally.published.views import view, zero_document
from hourtally.server.held_index import HeldIndex
from hourtally.server.requests import Filters, HttpError, ListRequest, ViewRequest, cursor_after
from hourtally.server.responses import Response, customer_response, etag_of
from hourtally.store.durable import storage_faults
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest

# 5,000 manifests of 2 KB, 64 MiB of views, 50,000 list items of 0.5 KB.
_CACHED_REVISIONS = 5_000
_CACHED_VIEW_BYTES = 64 << 20
_CACHED_LIST_ITEMS = 50_000
# The memory of a cached response besides its body.
_RESPONSE_OVERHEAD_BYTES = 1_024

_PAAS_PRICE = b',"paasUsage":{"price":'
_BYOC_USAGE = b',"byocUsage":'

_KEPT_FIELDS = ("folder", "files", "held", "rows")

Value = TypeVar("Value")


class _Revision(NamedTuple):
    """The current revision of an hour. names: the entries of its folder when it was read."""

    folder: str
    names: list[str]
    manifest: Manifest
    key: str


class PublishedUsage:
    """The published hours of a home; safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._revisions: LRUCache[Hashable, _Revision] = LRUCache(_CACHED_REVISIONS)
        self._views: LRUCache[Hashable, Response] = LRUCache(_CACHED_VIEW_BYTES, _size)
        self._list_items: LRUCache[Hashable, bytes] = LRUCache(_CACHED_LIST_ITEMS)
        self._held_index = HeldIndex()
        # cachetools leaves locking to its users.
        self._lock = Lock()

    def cached_view(self, customer: str, request: ViewRequest) -> Response | None:
        """The view if it is cached and current: 3 µs, so it may run in the event loop."""
        revision = self._cached(self._revisions, request.timestamp)
        if revision is None or _names(revision.folder) != revision.names:
            return None
        return self._cached(self._views, (revision.key, customer, request.filters))

    def view(self, customer: str, request: ViewRequest) -> Response:
        """The canonical bytes of a customer's view of an hour.

        Raises:
            HttpError: the hour is not published, or holds the customer.
            Damaged: a published file is missing or has changed.
        """
        return read_current(lambda: self._read_view(customer, request))

    def _read_view(self, customer: str, request: ViewRequest) -> Response:
        revision = self._current_revision(request.timestamp)
        if revision is None:
            message = (
                f"Hour {request.timestamp} is not published: it is not over yet, was never "
                "built, or is not the start of a UTC hour."
            )
            raise HttpError(404, "hour_not_found", message)
        try:
            body = _view(revision.manifest, customer, request.filters)
        except HourHeld as held:
            raise HttpError(409, "hour_held", _why_held(held)) from None
        digest = _document_digest(revision.manifest, customer)
        # The version is part of the ETag, because another version may render views differently.
        etag = etag_of(__version__.encode(), digest, json.dumps(request.filters).encode())
        response = customer_response(body, etag)
        self._cache(self._views, (revision.key, customer, request.filters), response)
        return response

    def list(self, customer: str, request: ListRequest) -> Response:
        """A page of hours, newest first, with the same prices as their views.

        Raises:
            Damaged: as `view`.
        """
        return read_current(lambda: self._read_list(customer, request))

    def _read_list(self, customer: str, request: ListRequest) -> Response:
        page: list[tuple[int, bytes]] = []
        is_last = True
        for revision in self._newest_first(request):
            if _holds(revision, customer):
                continue
            if len(page) == request.per_page:
                is_last = False
                break
            item = self._list_item(revision, customer, request.filters)
            page.append((revision.manifest.hour.timestamp, item))
        pagination: dict[str, object] = {"hasNextPage": not is_last, "count": len(page)}
        if not is_last:
            pagination["cursor"] = cursor_after(page[-1][0])
        body = b'{"data":{"usage":[%b]},%b"pagination":%b}' % (
            b",".join(item for _, item in page),
            self._held_json(customer, request),
            json.dumps(pagination, separators=(",", ":")).encode(),
        )
        return customer_response(body, etag_of(body))

    def _held_json(self, customer: str, request: ListRequest) -> bytes:
        """The hours of the range, of any page, that hold the customer; nothing if none does."""
        held = []
        for hour in self._hours(request, None):
            timestamp = hour.timestamp
            folder = str(self._home.hour(hour))
            if self._held_index.holds_anybody(folder, partial(self._holds_anybody, timestamp)):
                revision = self._current_revision(timestamp)
                if revision is not None and _holds(revision, customer):
                    held.append(timestamp)
        if not held:
            return b""
        return b'"held":{"hours":%d,"first":%d,"last":%d},' % (len(held), held[-1], held[0])

    def _holds_anybody(self, timestamp: int) -> bool:
        revision = self._current_revision(timestamp)
        return revision is not None and revision.manifest.held_customers > 0

    def _newest_first(self, request: ListRequest) -> Iterator[_Revision]:
        """The current revisions of the requested hours."""
        for hour in self._hours(request, request.before):
            revision = self._current_revision(hour.timestamp)
            if revision is not None:
                yield revision

    def _hours(self, request: ListRequest, before: int | None) -> Iterator[Hour]:
        """The hours of the range that have a folder, newest first; those before an instant only."""
        start = "" if request.start is None else format_instant(request.start * 1_000)
        ends = [format_instant(b * 1_000) for b in (request.end, before) if b is not None]
        with storage_faults(self._home.hours, "reading"):
            names = _names(str(self._home.hours))
        # Instants sort as text: years have four digits.
        names_by_instant = {f"{name}:00:00Z": name for name in names}
        instants = [i for i in names_by_instant if i >= start and all(i < end for end in ends)]
        for instant in sorted(instants, reverse=True):
            hour = _hour(names_by_instant[instant])
            if hour is not None:
                yield hour

    def _list_item(self, revision: _Revision, customer: str, filters: Filters) -> bytes:
        """An hour of a list: its view without teams, cut out of the view's bytes."""
        key = (revision.key, customer, filters)
        item = self._cached(self._list_items, key)
        if item is None:
            body = _view(revision.manifest, customer, filters)
            start = body.index(_PAAS_PRICE)
            price = body[start : body.index(b"}", start) + 1]
            byoc = body[body.rindex(_BYOC_USAGE) : -len(b"}}")]
            item = b'{"timestamp":%d%b}%b}' % (revision.manifest.hour.timestamp, price, byoc)
            self._cache(self._list_items, key, item)
        return item

    def _current_revision(self, timestamp: int) -> _Revision | None:
        """The current revision of an hour; None if it is not an hour or not published."""
        cached = self._cached(self._revisions, timestamp)
        if cached is None:
            try:
                hour = Hour(timestamp)
                folder = str(self._home.hour(hour))
            except (InvalidArgument, OverflowError):
                return None
        else:
            hour, folder = cached.manifest.hour, cached.folder
        with storage_faults(Path(folder), "reading"):
            names = _names(folder)
        if cached is not None and names == cached.names:
            return cached
        # Read after the names: the next request finds a revision published in between.
        manifest = current_manifest(self._home, hour) if names else None
        if manifest is None:
            return None
        # The rest of a manifest may be a thousand conflicts.
        record = {name: manifest.record.get(name) for name in _KEPT_FIELDS}
        revision = _Revision(folder, names, replace(manifest, record=record), str(manifest.folder))
        self._cache(self._revisions, timestamp, revision)
        return revision

    def _cached(self, cache: LRUCache[Hashable, Value], key: Hashable) -> Value | None:
        with self._lock:
            return cache.get(key)

    def _cache(self, cache: LRUCache[Hashable, Value], key: Hashable, value: Value) -> None:
        # cachetools raises ValueError for a value larger than the whole cache: do not cache it.
        with self._lock, suppress(ValueError):
            cache[key] = value


def _holds(revision: _Revision, customer: str) -> bool:
    """Whether a revision holds the customer; most hold nobody, which costs nothing to know."""
    manifest = revision.manifest
    return bool(manifest.held_customers) and read_customers(manifest).holds(customer)


def _why_held(held: HourHeld) -> str:
    gaps = "; ".join(held.gaps)
    return f"Hour {held.hour} has no figures yet, as some usage has no rate: {gaps}."


def _size(response: Response) -> int:
    """The bytes that a response takes in the cache."""
    return len(response.body) + _RESPONSE_OVERHEAD_BYTES


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _hour(name: str) -> Hour | None:
    """The hour of a folder; None if its name is not an hour's."""
    try:
        hour = Hour.parse(name)
        # Unix seconds are parsed too, of any year.
        is_name = hour.name == name
    except (InvalidArgument, OverflowError):
        return None
    return hour if is_name else None


def _document_digest(manifest: Manifest, customer: str) -> bytes:
    """A digest of the customer's whole document, from the index."""
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
