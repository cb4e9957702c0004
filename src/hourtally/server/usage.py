"""Views of published hours, cached by revision."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping

# The published reader imports it on first use; importing it here saves the first request 0.1 s.
import pyarrow.parquet  # noqa: F401
from cachetools import LRUCache

from hourtally import __version__
from hourtally.errors import HourHeld, NoQuantities
from hourtally.published.document_index import (
    DOCUMENTS,
    USAGE_DOCUMENTS,
    DocumentKind,
    read_customers,
)
from hourtally.published.reader import absent_document, read_current, read_document
from hourtally.published.views import PagedView, ShownPage, paged_view
from hourtally.server.hour_figures import FiguresOfHours
from hourtally.server.lists import UsageLists
from hourtally.server.parameters import HttpError
from hourtally.server.requests import ListRequest, ViewRequest
from hourtally.server.responses import Response, customer_response, etag_of
from hourtally.server.revisions import Cache, CurrentRevisions, held_error, no_quantities_error
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest

# 64 MiB of views.
_CACHED_VIEW_BYTES = 64 << 20
# The memory of a cached response besides its body.
_RESPONSE_OVERHEAD_BYTES = 1_024


class PublishedUsage:
    """The published hours of a home; safe to share between threads.

    Attributes: revisions and figures (what is cached of them).
    """

    def __init__(self, home: Home) -> None:
        self.revisions = CurrentRevisions(home)
        self.figures = FiguresOfHours(home, self.revisions)
        self._lists = UsageLists(self.revisions, self.figures)
        self._views: Cache[Response] = Cache(LRUCache(_CACHED_VIEW_BYTES, _size))

    def cached_view(self, customer: str, request: ViewRequest) -> Response | None:
        """The view if it is cached and current: 3 µs, so it may run in the event loop."""
        revision = self.revisions.known(request.timestamp)
        return None if revision is None else self._views.get(_key(revision.key, customer, request))

    def view(self, customer: str, request: ViewRequest) -> Response:
        """The canonical bytes of a customer's view of an hour.

        Raises:
            HttpError: the hour is not published, holds the customer, or has no quantities where
                they are asked for.
            Damaged: a published file is missing or has changed.
        """
        return read_current(lambda: self._read_view(customer, request))

    def _read_view(self, customer: str, request: ViewRequest) -> Response:
        revision = self.revisions.current(request.timestamp)
        if revision is None:
            message = (
                f"Hour {request.timestamp} is not published: it is not over yet, was never "
                "built, or is not the start of a UTC hour."
            )
            raise HttpError(404, "hour_not_found", message)
        kind = USAGE_DOCUMENTS if request.newer else DOCUMENTS
        try:
            document = read_document(revision.manifest, customer, kind)
        except HourHeld as held:
            raise held_error(held) from None
        except NoQuantities as lacking:
            raise no_quantities_error(lacking) from None
        shown = paged_view(document, request.filters, dict(request.pages), request.older_page)
        body = _with_pagination(shown, is_older=request.older_page is not None)
        digest = _document_digest(revision.manifest, customer, kind)
        # The version is part of the ETag, because another version may render views differently.
        asked = json.dumps([kind.file, *request[1:]])
        response = customer_response(body, etag_of(__version__.encode(), digest, asked.encode()))
        self._views.put(_key(revision.key, customer, request), response)
        return response

    def list(self, customer: str, request: ListRequest) -> Response:
        """A page of periods, newest first, with the same figures as the views of their hours.

        Raises:
            HttpError: as `view`.
            Damaged: as `view`.
        """
        return self._lists.page(customer, request)


def _key(revision: str, customer: str, request: ViewRequest) -> Hashable:
    return (revision, customer, request[1:])


def _with_pagination(shown: PagedView, *, is_older: bool) -> bytes:
    """A view and, if it has pages, what is on them: beside `data`."""
    if not shown.pages:
        return shown.body
    found = {level: _described(page) for level, page in shown.pages.items()}
    if is_older:
        [page] = shown.pages.values()
        pagination: Mapping[str, object] = {"hasNextPage": page.has_next, "count": page.items}
    else:
        pagination = found
    text = json.dumps(pagination, separators=(",", ":")).encode()
    return b'%b,"pagination":%b}' % (shown.body[:-1], text)


def _described(shown: ShownPage) -> dict[str, object]:
    return {
        "page": shown.page.number,
        "perPage": shown.page.size,
        "count": shown.items,
        "hasNextPage": shown.has_next,
    }


def _size(response: Response) -> int:
    """The bytes that a response takes in the cache."""
    return len(response.body) + _RESPONSE_OVERHEAD_BYTES


def _document_digest(manifest: Manifest, customer: str, kind: DocumentKind) -> bytes:
    """A digest of the customer's whole document, from the index."""
    customers = read_customers(manifest)
    row = customers.find(customer)
    if row is None:
        return absent_document(manifest, customer, kind)
    return customers.digest(row, kind).encode()
