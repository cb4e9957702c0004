"""Read documents of published hours, and check that each is what was published.

An hour has two documents of each customer: the one in cents, and the usage document.

`customers.parquet` is checked against the manifest's SHA-256, and each document against the one
in `customers.parquet`: after a flipped bit, Parquet readers silently return wrong numbers.

Reading a document takes its manifest, one ranged read, and the first time in a process
`customers.parquet`, which is then cached, as a revision never changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from hourtally.errors import Damaged, HourNotPublished, NoQuantities, Pruned
from hourtally.model.hours import Hour, format_instant
from hourtally.published.checked_files import REPAIR, has_quantities, missing_of_revision
from hourtally.published.document_index import (
    CUSTOMERS_FILE,
    DOCUMENTS,
    USAGE_DOCUMENTS,
    Customers,
    DocumentKind,
    read_customers,
)
from hourtally.published.held import held_error
from hourtally.published.zero_documents import zero_document, zero_usage_document
from hourtally.store import durable
from hourtally.store.durable import list_names, storage_faults
from hourtally.store.files import ReadRange
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest

Value = TypeVar("Value")

_HOUR_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}", re.ASCII)
# A second one already takes a restatement and a prune while an hour is read.
_ATTEMPTS = 10


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


def find_document(
    home: Home,
    hour: Hour,
    customer: str,
    *,
    now_ms: int,
    settle_ms: int,
    kind: DocumentKind = DOCUMENTS,
) -> bytes:
    """The canonical bytes of a customer's whole document; the zero document if it had no events.

    Raises:
        HourNotPublished: see `published_manifest`.
        HourHeld, NoQuantities, Damaged: see `read_document`.
    """

    def read() -> bytes:
        manifest = published_manifest(home, hour, now_ms=now_ms, settle_ms=settle_ms)
        return read_document(manifest, customer, kind)

    return read_current(read)


def read_document(manifest: Manifest, customer: str, kind: DocumentKind = DOCUMENTS) -> bytes:
    """A customer's whole document in one revision; the zero document if it had no events.

    Raises:
        HourHeld: the revision holds the customer.
        NoQuantities: it has no usage documents.
        Damaged: a file of the revision is missing or differs from its record.
    """
    customers = _customers_of(manifest, kind)
    row = customers.find(customer)
    if row is None:
        return absent_document(manifest, customer, kind)
    if customers.is_held(row):
        raise held_error(manifest, customer)
    [document] = _documents(manifest, customers, [row], kind)
    return document


def absent_document(manifest: Manifest, customer: str, kind: DocumentKind) -> bytes:
    """The zero document, of a customer who had no events in the hour."""
    timestamp = manifest.hour.timestamp
    if kind == DOCUMENTS:
        return zero_document(timestamp)
    return zero_usage_document(timestamp, customer, str(manifest.record["currency"]))


def read_documents(
    manifest: Manifest, kind: DocumentKind = DOCUMENTS
) -> Iterator[tuple[str, bytes]]:
    """Every customer of a revision that is not held, with its document, in the order of ids.

    Raises:
        NoQuantities: as `read_document`.
        Damaged: as `read_document`, when the iterator gets there.
    """
    customers = _customers_of(manifest, kind)
    rows: Sequence[int] = range(len(customers.ids))
    if manifest.held_customers:
        rows = [row for row in rows if not customers.is_held(row)]
    ids = (str(customers.ids[row].as_py()) for row in rows)
    return zip(ids, _documents(manifest, customers, rows, kind), strict=True)


def check_quantities(manifest: Manifest) -> None:
    """Whether a revision has quantities, and so usage documents.

    Raises:
        NoQuantities: it has none.
    """
    if not has_quantities(manifest):
        hour = manifest.hour
        raise NoQuantities(hour.name, manifest.revision, hour.following.name)


def _customers_of(manifest: Manifest, kind: DocumentKind) -> Customers:
    if kind == USAGE_DOCUMENTS:
        check_quantities(manifest)
    return read_customers(manifest)


def _documents(
    manifest: Manifest, customers: Customers, rows: Sequence[int], kind: DocumentKind
) -> Iterator[bytes]:
    """The documents of some rows of a revision's customers, each checked."""
    path = manifest.folder / kind.file
    places = customers.places[kind]
    if len(rows) > 1:
        durable.fetch_files([path])
    with _open(path) as read:
        for row in rows:
            offset, length = places.offsets[row].as_py(), places.lengths[row].as_py()
            document = read(offset, length)
            if hashlib.sha256(document).hexdigest() != customers.digest(row, kind):
                reason = (
                    f"the document of customer {customers.ids[row].as_py()!r}, bytes {offset} to "
                    f"{offset + length}, does not match its SHA-256 in {CUSTOMERS_FILE}, {REPAIR}"
                )
                raise Damaged(path, reason)
            yield document


@contextmanager
def _open(path: Path) -> Iterator[ReadRange]:
    """Read parts of a file of a revision."""
    with storage_faults(path, "reading"), ExitStack() as stack:
        try:
            read = stack.enter_context(durable.ranges(path))
        except FileNotFoundError:
            raise missing_of_revision(path) from None
        yield read
