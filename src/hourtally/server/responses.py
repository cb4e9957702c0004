"""HTTP responses: status, headers, body."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from hourtally.server.parameters import HttpError

Header = tuple[bytes, bytes]

CLOSE: Header = (b"connection", b"close")
_JSON: Header = (b"content-type", b"application/json")
# A restatement may change any hour at any time, so caches must check the ETag before each use;
# and the body belongs to one customer.
_REVALIDATE: Header = (b"cache-control", b"private, no-cache")
_ETAG_DIGITS = 32


class Response(NamedTuple):
    """A response; etag is None if it has none."""

    status: int
    headers: list[Header]
    body: bytes
    etag: bytes | None = None


def json_response(body: bytes) -> Response:
    """A document that everybody may see."""
    return Response(200, [_JSON, _length(body)], body)


def health_response() -> Response:
    """The server can answer."""
    body = b"ok\n"
    kind: Header = (b"content-type", b"text/plain; charset=utf-8")
    return Response(200, [kind, _length(body), (b"cache-control", b"no-store")], body)


def customer_response(body: bytes, etag: bytes) -> Response:
    """A document of one customer, with its ETag."""
    headers = [_JSON, _length(body), (b"etag", etag), _REVALIDATE]
    return Response(200, headers, body, etag)


def error_response(error: HttpError, *headers: Header) -> Response:
    """An error as JSON: `{"error":{"status","message","id"}}`."""
    content = {"status": error.status, "message": error.message, "id": error.id}
    body = json.dumps({"error": content}, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )
    no_store = (b"cache-control", b"no-store")
    return Response(error.status, [_JSON, _length(body), no_store, *headers], body)


def etag_of(*parts: bytes) -> bytes:
    """A strong ETag: equal only for equal parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:%b" % (len(part), part))
    return b'"%b"' % digest.hexdigest()[:_ETAG_DIGITS].encode()


def conditional(response: Response, if_none_match: bytes) -> Response:
    """The response, or 304 if the client already has it (RFC 9110, section 13.1.2)."""
    if response.etag is None:
        return response
    etags = (tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b","))
    if response.etag not in etags and if_none_match.strip() != b"*":
        return response
    return Response(304, [(b"etag", response.etag), _REVALIDATE], b"")


def _length(body: bytes) -> Header:
    return b"content-length", b"%d" % len(body)
