"""The application: authenticate, route, respond.

It routes by itself, without a framework: those match the path after percent-decoding, when a `/`
inside an id looks like a separator, and they cost more time than a response does.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib.resources import files

from hourtally.errors import Damaged, HourtallyError, TokensError
from hourtally.model.printable import printable
from hourtally.server import requests
from hourtally.server.pages import Site
from hourtally.server.pages.page_requests import MAX_FORM_BYTES
from hourtally.server.parameters import METHODS, HttpError, MethodNotAllowed
from hourtally.server.request_reader import MAX_HEADER_BYTES, Request
from hourtally.server.requests import ListRequest, ViewRequest
from hourtally.server.responses import (
    CLOSE,
    Header,
    Response,
    conditional,
    error_response,
    health_response,
    json_response,
)
from hourtally.server.usage import PublishedUsage

CustomerOf = Callable[[bytes | None], str | None]
"""The customer of a bearer token, or None if it is invalid; called with None without a token."""

Answer = tuple[Response, str | None]
"""A response, and the customer who asked, if it is one."""

_OPENAPI_PATH = b"/openapi.json"
_HEALTH_PATH = b"/healthz"

log = logging.getLogger("hourtally.server")


class App:
    """Answers requests.

    Attributes:
        observe: is told the status and the seconds of each response, if not None.
    """

    def __init__(
        self,
        usage: PublishedUsage,
        customer_of: CustomerOf,
        site: Site,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self.observe = observe
        self._usage = usage
        self._customer_of = customer_of
        self._site = site
        needs_token = customer_of(None) is None
        self._open_to_all = {
            _OPENAPI_PATH: json_response(_openapi(needs_token=needs_token)),
            _HEALTH_PATH: health_response(),
        }

    def respond(self, request: Request) -> Answer | Awaitable[Answer]:
        """The answer to a request, awaitable if it takes long; neither raises."""
        customer: str | None = None
        try:
            _check_sizes(request)
            _check_framing(request)
            if request.raw_path in self._open_to_all:
                _check_method(request)
                return self._open_to_all[request.raw_path], None
            if of_page := self._site.methods(request.raw_path):
                _check_method(request, of_page)
                return _in_thread(lambda: self._page(request), None)
            _check_path(request)
            _check_method(request)
            customer = known = self._authenticate(request.headers)
            asked = requests.read_request(request.raw_path, request.query)
            assert asked is not None
            if isinstance(asked, ViewRequest):
                response = self._usage.cached_view(customer, asked)
                if response is not None:
                    return _conditional(response, request), customer
            return _in_thread(lambda: (self._read(known, asked, request), known), known)
        except Exception as fault:
            return _refusal(fault), customer

    def _page(self, request: Request) -> Answer:
        """A page, and the customer who looks at it."""
        if len(request.body) > MAX_FORM_BYTES:
            message = f"A form has at most {MAX_FORM_BYTES} bytes."
            raise HttpError(413, "form_too_large", message)
        form = request.body if request.method == "POST" else None
        return self._site.respond(request.raw_path, request.query, request.headers, form, "http")

    def _read(self, customer: str, asked: ViewRequest | ListRequest, request: Request) -> Response:
        """What is not in memory."""
        if isinstance(asked, ViewRequest):
            response = self._usage.view(customer, asked)
        else:
            response = self._usage.list(customer, asked)
        return _conditional(response, request)

    def _authenticate(self, headers: Iterable[Header]) -> str:
        customer = self._customer_of(_bearer_token(headers))
        if customer is None:
            message = "Missing or invalid bearer token. Send Authorization: Bearer TOKEN."
            raise HttpError(401, "unauthorized", message)
        return customer


async def _in_thread(work: Callable[[], Answer], customer: str | None) -> Answer:
    try:
        return await asyncio.to_thread(work)
    except Exception as fault:
        return _refusal(fault), customer


def _conditional(response: Response, request: Request) -> Response:
    if_none_match = [value for name, value in request.headers if name == b"if-none-match"]
    return conditional(response, b",".join(if_none_match)) if if_none_match else response


def _refusal(fault: Exception) -> Response:
    error = fault if isinstance(fault, HttpError) else _internal_error(fault)
    return error_response(error, *_error_headers(error))


def _openapi(*, needs_token: bool) -> bytes:
    """The OpenAPI description of this server."""
    text = files("hourtally.server").joinpath("openapi.json").read_bytes()
    if needs_token:
        return text
    description = json.loads(text)
    del description["security"]
    return json.dumps(description, ensure_ascii=False, indent=2).encode()


def _check_sizes(request: Request) -> None:
    target_bytes = len(request.raw_path) + len(request.query)
    if target_bytes > requests.MAX_TARGET_BYTES:
        message = (
            f"Path and query have {target_bytes} bytes; at most {requests.MAX_TARGET_BYTES} are "
            "allowed."
        )
        raise HttpError(414, "target_too_long", message)
    header_bytes = sum(len(name) + len(value) for name, value in request.headers)
    if header_bytes > MAX_HEADER_BYTES:
        message = f"The headers have {header_bytes} bytes; at most {MAX_HEADER_BYTES} are allowed."
        raise HttpError(431, "headers_too_large", message)


def _check_framing(request: Request) -> None:
    """Reject a request that another server may understand otherwise.

    With two lengths, one server's body is another server's next request: reject it, or at least
    close its connection (RFC 9112, section 6.1). Section 3.2 asks for one Host.
    """
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" in names and b"content-length" in names:
        message = "The request has both a Content-Length and a Transfer-Encoding."
        raise HttpError(400, "bad_request", message)
    hosts = names.count(b"host")
    if hosts != 1 and (hosts or request.version == "1.1"):
        message = f"The request has {hosts} Host headers instead of one."
        raise HttpError(400, "bad_request", message)


def _check_path(request: Request) -> None:
    if not requests.is_known(request.raw_path):
        message = "No such path. See /openapi.json for all paths."
        raise HttpError(404, "not_found", message)


def _check_method(request: Request, allowed: Sequence[str] = METHODS) -> None:
    if request.method not in allowed:
        raise MethodNotAllowed(request.method, allowed)


def _bearer_token(headers: Iterable[Header]) -> bytes | None:
    """The token of a request; None for two of them, as either could be the one that is meant."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def _error_headers(error: HttpError) -> list[Header]:
    """The headers that HTTP requires with some statuses."""
    if error.id in {"bad_request", "form_too_large"}:
        return [CLOSE]
    if error.status == 401:
        return [(b"www-authenticate", b"Bearer")]
    if isinstance(error, MethodNotAllowed):
        return [(b"allow", ", ".join(error.allowed).encode())]
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
