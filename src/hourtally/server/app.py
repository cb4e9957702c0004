"""The ASGI application: who asks, what for, the answer, a line in the log.

No framework's routing: those match the path after percent-decoding, where a `/` in an id has
become one of the path's own, and cost more than an answer does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from importlib.resources import files
from typing import Any

from hourtally.errors import Damaged, HourtallyError, TokensError
from hourtally.model.printable import escaped
from hourtally.server import requests
from hourtally.server.requests import Refusal, ViewRequest
from hourtally.server.responses import Answer, Header, document, refused, unless_known
from hourtally.server.usage import Usage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
CustomerOf = Callable[[bytes | None], str | None]
"""The customer whom a bearer token lets in, None where nobody; None for a token: none given."""

MAX_HEADER_BYTES = 16_384

_OPENAPI_PATH = b"/openapi.json"
_METHODS = ("GET", "HEAD")

log = logging.getLogger("hourtally.server")


class App:
    """The application of ASGI 3, HTTP only."""

    def __init__(self, usage: Usage, customer_of: CustomerOf) -> None:
        self._usage = usage
        self._customer_of = customer_of
        self._openapi = document(_description(asks_for_token=customer_of(None) is None))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one request; its body, if it has one, is of no interest."""
        started = time.perf_counter()
        customer: str | None = None
        try:
            _check_sizes(scope)
            _check_framing(scope)
            if scope["raw_path"] == _OPENAPI_PATH:
                _check_method(scope)
                answer = self._openapi
            else:
                _check_path(scope)
                _check_method(scope)
                customer = self._customer(scope["headers"])
                answer = await self._answer(customer, scope)
        except Refusal as refusal:
            answer = refused(refusal, *_headers_of(refusal))
        except Exception as fault:
            answer = refused(_hidden(fault))
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        await send({"type": "http.response.body", "body": answer.body})
        sent = 0 if scope["method"] == "HEAD" else len(answer.body)
        log_request(scope["method"], scope["raw_path"], answer.status, sent, started, customer)

    def _customer(self, headers: Iterable[Header]) -> str:
        customer = self._customer_of(_bearer(headers))
        if customer is None:
            message = "Say who asks: Authorization: Bearer TOKEN, with a token that counts."
            raise Refusal(401, "unauthorized", message)
        return customer

    async def _answer(self, customer: str, scope: Scope) -> Answer:
        asked = requests.read_request(scope["raw_path"], scope["query_string"])
        assert asked is not None
        answer: Answer | None
        if isinstance(asked, ViewRequest):
            answer = self._usage.cached_view(customer, asked)
            if answer is None:
                answer = await asyncio.to_thread(self._usage.view, customer, asked)
        else:
            answer = await asyncio.to_thread(self._usage.list, customer, asked)
        known = [value for name, value in scope["headers"] if name == b"if-none-match"]
        return unless_known(answer, b",".join(known)) if known else answer


def log_request(
    method: str, raw_path: bytes, status: int, sent: int, started: float, customer: str | None
) -> None:
    """One line: method, path without its query, status, bytes of body, milliseconds, customer."""
    log.info(
        "method=%s path=%s status=%d bytes=%d ms=%.2f customer=%s",
        method,
        escaped(raw_path.decode("ascii", "backslashreplace")),
        status,
        sent,
        (time.perf_counter() - started) * 1_000,
        "-" if customer is None else escaped(json.dumps(customer, ensure_ascii=False)),
    )


def _description(*, asks_for_token: bool) -> bytes:
    """The OpenAPI description of what this server answers."""
    text = files("hourtally.server").joinpath("openapi.json").read_bytes()
    if asks_for_token:
        return text
    described = json.loads(text)
    del described["security"]
    return json.dumps(described, ensure_ascii=False, indent=2).encode()


def _check_sizes(scope: Scope) -> None:
    target_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    if target_bytes > requests.MAX_TARGET_BYTES:
        message = f"Path and query have {target_bytes} bytes, over {requests.MAX_TARGET_BYTES}."
        raise Refusal(414, "target_too_long", message)
    header_bytes = sum(len(name) + len(value) for name, value in scope["headers"])
    if header_bytes > MAX_HEADER_BYTES:
        message = f"The headers have {header_bytes} bytes, over {MAX_HEADER_BYTES}."
        raise Refusal(431, "headers_too_large", message)


def _check_framing(scope: Scope) -> None:
    """One request may have one length: what one server takes for its body is another's next.

    RFC 9112, section 6.1: such a request is refused, or its connection closed at least.
    """
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        message = "The request has both a Content-Length and a Transfer-Encoding."
        raise Refusal(400, "bad_request", message)


def _check_path(scope: Scope) -> None:
    if not requests.is_known(scope["raw_path"]):
        message = "There is nothing here. /openapi.json describes what there is."
        raise Refusal(404, "not_found", message)


def _check_method(scope: Scope) -> None:
    if scope["method"] not in _METHODS:
        message = f"{scope['method']} is not among {', '.join(_METHODS)}."
        raise Refusal(405, "method_not_allowed", message)


def _bearer(headers: Iterable[Header]) -> bytes | None:
    """The one token of a request; of two it would not be known whose it is."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def _headers_of(refusal: Refusal) -> list[Header]:
    """What HTTP wants beside some statuses."""
    if refusal.id == "bad_request":
        return [(b"connection", b"close")]
    if refusal.status == 401:
        return [(b"www-authenticate", b"Bearer")]
    if refusal.status == 405:
        return [(b"allow", ", ".join(_METHODS).encode())]
    return []


def _hidden(fault: Exception) -> Refusal:
    """What a client is told of a fault that is not its own; the log is told all of it."""
    if isinstance(fault, HourtallyError):
        log.error("%s", escaped(str(fault)))
    else:
        log.error("a request failed", exc_info=fault)
    if isinstance(fault, TokensError):
        message = "Who may see what cannot be read at present. Try again later."
        return Refusal(503, "tokens_unreadable", message)
    if isinstance(fault, Damaged):
        message = "What was published is damaged, so it is not shown. The server's log names it."
        return Refusal(500, "damaged", message)
    return Refusal(500, "internal_error", "The request failed. The server's log says why.")
