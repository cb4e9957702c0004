"""The ASGI application: authenticate, route, respond, log.

It routes by itself, without a framework: those match the path after percent-decoding, when a `/`
inside an id looks like a separator, and they cost more time than a response does.
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
from hourtally.model.printable import printable
from hourtally.server import requests
from hourtally.server.pages import Site
from hourtally.server.pages.page_requests import MAX_FORM_BYTES
from hourtally.server.parameters import HttpError
from hourtally.server.requests import ViewRequest
from hourtally.server.responses import (
    Header,
    Response,
    conditional,
    error_response,
    health_response,
    json_response,
)
from hourtally.server.usage import PublishedUsage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
CustomerOf = Callable[[bytes | None], str | None]
"""The customer of a bearer token, or None if it is invalid; called with None without a token."""

MAX_HEADER_BYTES = 16_384

# Nothing else limits how long a body may take: to uvicorn its request is being answered.
_FORM_SECONDS = 10.0
_OPENAPI_PATH = b"/openapi.json"
_HEALTH_PATH = b"/healthz"
_METHODS = ("GET", "HEAD")

log = logging.getLogger("hourtally.server")


class App:
    """The application of ASGI 3, HTTP only."""

    def __init__(
        self,
        usage: PublishedUsage,
        customer_of: CustomerOf,
        site: Site,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        """observe: is told the status and the seconds of each response."""
        self._usage = usage
        self._customer_of = customer_of
        self._site = site
        self._observe = observe
        needs_token = customer_of(None) is None
        self._open_to_all = {
            _OPENAPI_PATH: json_response(_openapi(needs_token=needs_token)),
            _HEALTH_PATH: health_response(),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request; no body is read but that of a form of the pages."""
        started = time.perf_counter()
        customer: str | None = None
        try:
            _check_sizes(scope)
            _check_framing(scope)
            if scope["raw_path"] in self._open_to_all:
                _check_method(scope)
                response = self._open_to_all[scope["raw_path"]]
            elif self._site.has(scope["raw_path"], scope["method"]):
                response, customer = await self._page(scope, receive)
            else:
                _check_path(scope)
                _check_method(scope)
                customer = self._authenticate(scope["headers"])
                response = await self._respond(customer, scope)
        except HttpError as error:
            response = error_response(error, *_error_headers(error))
        except Exception as fault:
            response = error_response(_internal_error(fault))
        if self._observe is not None:
            # Before it is sent: who has an answer finds it counted.
            self._observe(response.status, time.perf_counter() - started)
        await send(
            {"type": "http.response.start", "status": response.status, "headers": response.headers}
        )
        await send({"type": "http.response.body", "body": response.body})
        sent = 0 if scope["method"] == "HEAD" else len(response.body)
        log_request(scope["method"], scope["raw_path"], response.status, sent, started, customer)

    async def _page(self, scope: Scope, receive: Receive) -> tuple[Response, str | None]:
        """A page, and the customer who looks at it, if it is one."""
        body = await _read_form(receive) if scope["method"] == "POST" else None
        request = (scope["raw_path"], scope["query_string"], scope["headers"], body)
        return await asyncio.to_thread(self._site.respond, *request, scope["scheme"])

    def _authenticate(self, headers: Iterable[Header]) -> str:
        customer = self._customer_of(_bearer_token(headers))
        if customer is None:
            message = "Missing or invalid bearer token. Send Authorization: Bearer TOKEN."
            raise HttpError(401, "unauthorized", message)
        return customer

    async def _respond(self, customer: str, scope: Scope) -> Response:
        request = requests.read_request(scope["raw_path"], scope["query_string"])
        assert request is not None
        response: Response | None
        if isinstance(request, ViewRequest):
            response = self._usage.cached_view(customer, request)
            if response is None:
                response = await asyncio.to_thread(self._usage.view, customer, request)
        else:
            response = await asyncio.to_thread(self._usage.list, customer, request)
        if_none_match = [value for name, value in scope["headers"] if name == b"if-none-match"]
        return conditional(response, b",".join(if_none_match)) if if_none_match else response


async def _read_form(receive: Receive) -> bytes:
    """The body of a form.

    Raises:
        HttpError: it is larger than any form of ours, too slow, or its sender went away.
    """
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            return await _read_body(receive)
    except TimeoutError:
        raise HttpError(408, "form_too_slow", "The form did not arrive in time.") from None


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_FORM_BYTES:
            raise HttpError(413, "form_too_large", f"A form has at most {MAX_FORM_BYTES} bytes.")
        if message["type"] == "http.disconnect":
            raise HttpError(400, "bad_request", "The form did not arrive whole.")
        if not message.get("more_body", False):
            return body


def log_request(
    method: str, raw_path: bytes, status: int, sent: int, started: float, customer: str | None
) -> None:
    """One line: method, path without its query, status, bytes of body, milliseconds, customer."""
    log.info(
        "method=%s path=%s status=%d bytes=%d ms=%.2f customer=%s",
        method,
        printable(raw_path.decode("ascii", "backslashreplace")),
        status,
        sent,
        (time.perf_counter() - started) * 1_000,
        "-" if customer is None else printable(json.dumps(customer, ensure_ascii=False)),
    )


def _openapi(*, needs_token: bool) -> bytes:
    """The OpenAPI description of this server."""
    text = files("hourtally.server").joinpath("openapi.json").read_bytes()
    if needs_token:
        return text
    description = json.loads(text)
    del description["security"]
    return json.dumps(description, ensure_ascii=False, indent=2).encode()


def _check_sizes(scope: Scope) -> None:
    target_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    if target_bytes > requests.MAX_TARGET_BYTES:
        message = (
            f"Path and query have {target_bytes} bytes; at most {requests.MAX_TARGET_BYTES} are "
            "allowed."
        )
        raise HttpError(414, "target_too_long", message)
    header_bytes = sum(len(name) + len(value) for name, value in scope["headers"])
    if header_bytes > MAX_HEADER_BYTES:
        message = f"The headers have {header_bytes} bytes; at most {MAX_HEADER_BYTES} are allowed."
        raise HttpError(431, "headers_too_large", message)


def _check_framing(scope: Scope) -> None:
    """Reject a request with two lengths: one server's body is another server's next request.

    RFC 9112, section 6.1: reject such a request, or at least close its connection.
    """
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        message = "The request has both a Content-Length and a Transfer-Encoding."
        raise HttpError(400, "bad_request", message)


def _check_path(scope: Scope) -> None:
    if not requests.is_known(scope["raw_path"]):
        message = "No such path. See /openapi.json for all paths."
        raise HttpError(404, "not_found", message)


def _check_method(scope: Scope) -> None:
    if scope["method"] not in _METHODS:
        message = f"Method {scope['method']} is not allowed: use {' or '.join(_METHODS)}."
        raise HttpError(405, "method_not_allowed", message)


def _bearer_token(headers: Iterable[Header]) -> bytes | None:
    """The token of a request; None for two of them, as either could be the one that is meant."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def _error_headers(error: HttpError) -> list[Header]:
    """The headers that HTTP requires with some statuses."""
    if error.id in {"bad_request", "form_too_slow", "form_too_large"}:
        return [(b"connection", b"close")]
    if error.status == 401:
        return [(b"www-authenticate", b"Bearer")]
    if error.status == 405:
        return [(b"allow", ", ".join(_METHODS).encode())]
    return []


def _internal_error(fault: Exception) -> HttpError:
    """Log a fault of ours in full; the client learns no path and no cause."""
    if isinstance(fault, HourtallyError):
        log.error("%s", printable(str(fault)))
    else:
        log.error("a request failed", exc_info=fault)
    if isinstance(fault, TokensError):
        message = "Tokens cannot be checked right now. Try again later."
        return HttpError(503, "tokens_unreadable", message)
    if isinstance(fault, Damaged):
        message = "The published data is damaged. The server's log names the file."
        return HttpError(500, "damaged", message)
    return HttpError(500, "internal_error", "The request failed. The server's log says why.")
