"""What is answered: status, headers, bytes."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from hourtally.server.requests import Refusal

Header = tuple[bytes, bytes]

_JSON: Header = (b"content-type", b"application/json")
# A restatement may change any hour at any time, so a copy is good only as long as its ETag is
# the current one; and it is one customer's.
_REVALIDATE: Header = (b"cache-control", b"private, no-cache")
_ETAG_DIGITS = 32


class Answer(NamedTuple):
    """A response; etag is None where it has none."""

    status: int
    headers: list[Header]
    body: bytes
    etag: bytes | None = None


def found(body: bytes, etag: bytes) -> Answer:
    """What was asked for, with its validator."""
    headers = [_JSON, _length(body), (b"etag", etag), _REVALIDATE]
    return Answer(200, headers, body, etag)


def etag_of(*parts: bytes) -> bytes:
    """A strong validator: equal only for equal parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:%b" % (len(part), part))
    return b'"%b"' % digest.hexdigest()[:_ETAG_DIGITS].encode()


def unless_known(answer: Answer, if_none_match: bytes) -> Answer:
    """The answer, or 304 where the client says that it has it (RFC 9110, section 13.1.2)."""
    if answer.etag is None:
        return answer
    known = (tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b","))
    if answer.etag not in known and if_none_match.strip() != b"*":
        return answer
    return Answer(304, [(b"etag", answer.etag), _REVALIDATE], b"")


def refused(refusal: Refusal, *headers: Header) -> Answer:
    """An error, as JSON of the contract's shape."""
    error = {"status": refusal.status, "message": refusal.message, "id": refusal.id}
    body = json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )
    no_store = (b"cache-control", b"no-store")
    return Answer(refusal.status, [_JSON, _length(body), no_store, *headers], body)


def document(body: bytes) -> Answer:
    """A document that everybody may see."""
    return Answer(200, [_JSON, _length(body)], body)


def _length(body: bytes) -> Header:
    return b"content-length", b"%d" % len(body)
