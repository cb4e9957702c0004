"""Requests from the bytes of a connection, parsed by httptools (llhttp). Pure.

The target is taken as it came: a `#fragment`, or the address of a server in front of the path, is
part of a path that does not exist, and is not cut off.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final, NamedTuple

import httptools

from hourtally.server.pages.page_requests import MAX_FORM_BYTES
from hourtally.server.parameters import HttpError
from hourtally.server.responses import Header

MAX_HEADER_BYTES: Final = 16_384
_VERSIONS: Final = ("1.0", "1.1")
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/1\.[01]\r\n")


class Request(NamedTuple):
    """A whole request.

    headers: names in small letters. body: cut one byte after the size of the largest form.
    keeps_alive: whether the client may send another one on its connection.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: list[Header]
    body: bytes
    version: str
    keeps_alive: bool


class RequestReader:
    """Reads one connection's requests.

    Attributes:
        requests: those that are complete, in order; to be taken from here.
        error: why none can follow: what comes then is not HTTP/1.1, or its head is too large.
        expects_continue: the client waits for a 100 (Continue) before it sends the body.
    """

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.error: HttpError | None = None
        self.expects_continue = False
        self._is_closed = False
        self._is_in_head = False
        self._is_in_body = False
        self._bytes_besides_bodies = 0
        self._parser = httptools.HttpRequestParser(self)

    @property
    def is_in_body(self) -> bool:
        """Whether the head of a request has come, but not all of its body."""
        return self._is_in_body

    def feed(self, data: bytes) -> None:
        """Take what came over the connection; nothing after a client's last request."""
        if self._is_closed or self.error is not None:
            return
        starts_request = not self._is_in_head and not self._is_in_body
        waiting = len(self.requests)
        self._bytes_besides_bodies += len(data)
        rest: bytes | memoryview = data
        try:
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError as fault:
            starts_request &= waiting == len(self.requests)
            if starts_request and isinstance(fault, httptools.HttpParserInvalidMethodError):
                self._take_unknown_method(data)
            # Also raised for what follows a request with `Connection: close`.
            if not self._is_closed:
                self.error = HttpError(400, "bad_request", "This is not a request of HTTP/1.1.")
        # Once a request is complete, what came with it is not counted to the next one, so a head
        # may be larger by one read. It is then rejected when it is complete.
        if self._bytes_besides_bodies > MAX_HEADER_BYTES and self.error is None:
            message = f"The head of the request is larger than {MAX_HEADER_BYTES} bytes."
            self.error = HttpError(431, "headers_too_large", message)

    def close(self) -> None:
        """Break the cycle of references with the parser, which else waits for the collector."""
        self._is_closed = True
        del self._parser

    def _feed(self, data: bytes | memoryview) -> bytes | memoryview:
        """Feed the parser; what is left after a request that asks for another protocol."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # A server may go on with HTTP/1.1 (RFC 9110, section 7.8). Java's client always asks.
            return memoryview(data)[upgrade.args[0] :]
        return b""

    def _take_unknown_method(self, data: bytes) -> None:
        """A request of a method that llhttp has not: no more than its first line is known."""
        line = _REQUEST_LINE.match(data)
        if line is not None:
            raw_path, _, query = line[2].partition(b"?")
            method = line[1].decode("ascii")
            request = Request(method, raw_path, query, [], b"", "1.0", keeps_alive=False)
            self.requests.append(request)
            self._is_closed = True

    # What follows is called by httptools.

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = True
        self._target = b""
        self._headers: list[Header] = []
        self._body = b""

    def on_url(self, part: bytes) -> None:
        """The target, or a part of it."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a field after a chunked body, which is ignored."""
        if self._is_in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._is_in_head = False
        self._is_in_body = True
        self._version = self._parser.get_http_version()
        if self._version not in _VERSIONS:
            raise httptools.HttpParserError(self._version)
        self.expects_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers
        )

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._bytes_besides_bodies -= len(part)
        self._body += part[: MAX_FORM_BYTES + 1 - len(self._body)]

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._is_in_body = False
        self.expects_continue = False
        self._bytes_besides_bodies = 0
        raw_path, _, query = self._target.partition(b"?")
        # HTTP/1.0 has no connections for several requests, but by an extension of its clients.
        keeps_alive = self._version == "1.1" and self._parser.should_keep_alive()
        self._is_closed = not keeps_alive
        method = self._parser.get_method().decode("ascii")
        request = Request(
            method, raw_path, query, self._headers, self._body, self._version, keeps_alive
        )
        self.requests.append(request)
