"""Read documents of published hours, and check that each is what was published.

`customers.parquet` is checked against the manifest's SHA-256, and each document against the one
in `customers.parquet`: after a flipped bit, Parquet readers silently return wrong numbers.

Reading a document takes its manifest, one ranged read, and the first time in a process
`customers.parquet`, which is then cached, as a revision never changes.
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hourtally.errors import Damaged, HourNotPublished, Pruned
from hourtally.model.hours import Hour, format_instant
from hourtally.published.checked_files import (
    REPAIR,
    missing_of_revision,
    read_checked,
    recorded_sha256,
)
from hourtally.published.held import held_error
from hourtally.published.views import zero_document
from hourtally.store.durable import list_names, storage_faults
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest

if TYPE_CHECKING:
    pass

CUSTOMERS_FILE = "customers.parquet"
DOCUMENTS_FILE = "documents.ndjson"

Value = TypeVar("Value")

_HOUR_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}", re.ASCII)
# A second one already takes a restatement and a prune while an hour is read.
_ATTEMPTS = 10
# 2 MB each for 20,000 customers.
_CACHED_REVISIONS = 16


@dataclass(frozen=True)
class Customers:
    """The locations of one revision's documents: columns of `customers.parquet`, sorted by id.

    Arrow arrays as they were read: making 20,000 Python rows would take 20 ms.
    """

    ids: Any
    offsets: Any
    lengths: Any
    digests: Any
    held: Any

    def find(self, customer: str) -> int | None:
        """The row of a customer; None if it had no events in the hour."""
        row = bisect_left(self.ids, customer, key=methodcaller("as_py"))
        return row if row < len(self.ids) and self.ids[row].as_py() == customer else None

    def is_held(self, row: int) -> bool:
        """Whether a row is of a held customer, who has no document."""
        return bool(self.held[row].as_py())

    def holds(self, customer: str) -> bool:
        """Whether a customer is held."""
        row = self.find(customer)
        return row is not None and self.is_held(row)

    @property
    def held_ids(self) -> list[str]:
        """The held customers, sorted."""
        return [str(self.ids[row].as_py()) for row in range(len(self.ids)) if self.is_held(row)]


def published_hours(home: Home, first: Hour | None = None, end: Hour | None = None) -> list[Hour]:
    """The hours of `[first, end)` that have a folder, in order; some may have no manifest yet."""
    hours = (Hour.parse(name) for name in list_names(home.hours) if _HOUR_NAME.fullmatch(name))
    return [
        hour for hour in hours if (first is None or hour >= first) and (end is None or hour < end)
    ]


def published_manifest(home: Home, hour: Hour, *, now_ms: int, settle_ms: int) -> Manifest:
    """The hour's newest revision.

    Raises:
        HourNotPublished: it has none. The message says whether it is in the future, still open,
            or was never built, and what to do.
    """
    manifest = current_manifest(home, hour)
    if manifest is not None:
        return manifest
    closes = format_instant(hour.end_ms + settle_ms)
    if now_ms < hour.start_ms:
        reason = (
            f"is in the future: it starts at {format_instant(hour.start_ms)} and closes at "
            f"{closes}; the time is {format_instant(now_ms)}. Try again after a later run."
        )
    elif not hour.is_closed(now_ms, settle_ms):
        reason = (
            f"is still open: it closes at {closes}; the time is {format_instant(now_ms)}. "
            "The next `hourtally run` after that builds it."
        )
    else:
        end = hour.following
        reason = (
            f"was never built, although it closed at {closes}. "
            f"`hourtally backfill --from {hour} --to {end}` builds it if it has events; add "
            "--force to publish it as an hour without usage if it has none."
        )
    message = f"hour {hour} ({hour.timestamp}) is not published: it {reason}"
    raise HourNotPublished(message)


def read_current(read: Callable[[], Value]) -> Value:
    """Read the newest revision of an hour, and look again if it was pruned meanwhile.

    A revision is pruned only when a newer one is published, so each attempt finds a newer one.

    Args:
        read: finds the newest revision and reads it.

    Raises:
        Pruned: the newest revision itself is marked as pruned.
    """
    for _ in range(_ATTEMPTS):
        with suppress(Pruned):
            return read()
    return read()


def find_document(home: Home, hour: Hour, customer: str, *, now_ms: int, settle_ms: int) -> bytes:
    """The canonical bytes of a customer's whole document; the zero document if it had no events.

    Raises:
        HourNotPublished: see `published_manifest`.
        HourHeld, Damaged: see `read_document`.
    """

    def read() -> bytes:
        manifest = published_manifest(home, hour, now_ms=now_ms, settle_ms=settle_ms)
        return read_document(manifest, customer)

    return read_current(read)


def read_document(manifest: Manifest, customer: str) -> bytes:
    """A customer's whole document in one revision; the zero document if it had no events.

    Raises:
        HourHeld: the revision holds the customer.
        Damaged: a file of the revision is missing or differs from its record.
    """
    customers = read_customers(manifest)
    row = customers.find(customer)
    if row is None:
        return zero_document(manifest.hour.timestamp)
    if customers.is_held(row):
        raise held_error(manifest, customer)
    [document] = _documents(manifest, customers, [row])
    return document


def read_documents(manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Every customer of a revision that is not held, with its document, in the order of ids.

    Raises:
        Damaged: as `read_document`, when the iterator gets there.
    """
    customers = read_customers(manifest)
    rows: Sequence[int] = range(len(customers.ids))
    if manifest.held_customers:
        rows = [row for row in rows if not customers.is_held(row)]
    ids = (str(customers.ids[row].as_py()) for row in rows)
    return zip(ids, _documents(manifest, customers, rows), strict=True)


def read_customers(manifest: Manifest) -> Customers:
    """The locations of a revision's documents.

    Raises:
        Damaged: `customers.parquet` is missing or differs from the manifest's record.
    """
    return _read_customers(
        manifest.folder / CUSTOMERS_FILE, recorded_sha256(manifest, CUSTOMERS_FILE)
    )


@lru_cache(maxsize=_CACHED_REVISIONS)
def _read_customers(path: Path, sha256: str) -> Customers:
    # Imported here because it takes 0.13 s (Polars takes 0.16 s, DuckDB with a connection 0.13 s).
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_checked(path, sha256)
    # Of build version 1 there is no `held`.
    table = pq.ParquetFile(pa.BufferReader(content)).read(
        columns=["customer_id", "offset", "length", "sha256", "held"], use_threads=False
    )
    columns = [column.combine_chunks() for column in table.columns]
    if "held" not in table.column_names:
        columns.append(pa.array([False] * len(table)))
    return Customers(*columns)


def _documents(manifest: Manifest, customers: Customers, rows: Sequence[int]) -> Iterator[bytes]:
    """The documents of some rows of a revision's customers, each checked."""
    path = manifest.folder / DOCUMENTS_FILE
    with _open(path) as descriptor:
        for row in rows:
            offset, length = customers.offsets[row].as_py(), customers.lengths[row].as_py()
            document = _read(path, descriptor, length, offset)
            if hashlib.sha256(document).hexdigest() != customers.digests[row].as_py():
                reason = (
                    f"the document of customer {customers.ids[row].as_py()!r}, bytes {offset} to "
                    f"{offset + length}, does not match its SHA-256 in {CUSTOMERS_FILE}, {REPAIR}"
                )
                raise Damaged(path, reason)
            yield document


@contextmanager
def _open(path: Path) -> Iterator[int]:
    with storage_faults(path, "reading"):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise missing_of_revision(path) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(path: Path, descriptor: int, length: int, offset: int) -> bytes:
    """The bytes `[offset, offset + length)` of a file, or as many as it has of them."""
    parts = []
    with storage_faults(path, "reading"):
        # One read gives at most 2 GiB.
        while length and (part := os.pread(descriptor, length, offset)):
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
    return b"".join(parts)
