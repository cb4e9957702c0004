"""One client's connection: requests in, responses out in the same order, one at a time.

The server does without an HTTP framework: those have no deadline for a request or for reading a
response, and what they do between parser and application takes longer than most of our responses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from hourtally.server.app import Answer, App
from hourtally.server.parameters import HttpError
from hourtally.server.request_log import log_request
from hourtally.server.request_reader import Request, RequestReader
from hourtally.server.responses import CLOSE, Response, error_response
from hourtally.server.slow_clients import Pace

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


# What is read at once. Of the shortest requests, 450 are then waiting, with 0.2 MB.
_READ_BYTES: Final = 8_192
_read_buffer: Final = memoryview(bytearray(_READ_BYTES))


class Connection(asyncio.BufferedProtocol):
    """Answers the requests of one client.

    Nothing is read while a request is waiting or being answered, and none is answered while the
    client has responses to read.
    """

    def __init__(self, app: App, connections: set[Connection]) -> None:
        """connections: those that are open; this one adds and removes itself."""
        self._app = app
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._pace = Pace(self._loop.time())
        self._is_writable = True
        self._is_stopping = False
        # A request that takes long: it is answered in a thread.
        self._task: asyncio.Task[None] | None = None

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the client; what is still being answered is answered for the log."""
        self._connections.discard(self)
        self._reader.close()

    def get_buffer(self, _: int) -> memoryview:
        """One buffer for all connections: what is in it is taken at once."""
        return _read_buffer

    def buffer_updated(self, count: int) -> None:
        """Answer what is complete now."""
        self._reader.feed(bytes(_read_buffer[:count]))
        self._answer_next()
        if self._is_responding or self._reader.error is not None:
            self._transport.pause_reading()
        else:
            self._read_on()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        self._is_writable = True
        self._answer_next()

    # Called by the server.

    def stop(self) -> None:
        """Close, after all requests that are complete are answered."""
        self._is_stopping = True
        if not self._is_responding:
            self._transport.close()

    def drop_if_slow(self, now: float) -> None:
        """Drop the client if it is too slow; to be called about once a second."""
        unsent_bytes = self._transport.get_write_buffer_size()
        if self._pace.reads_slowly(now, unsent_bytes):
            self._transport.abort()
        elif not unsent_bytes and not self._is_responding and self._pace.is_late(now):
            if self._reader.is_in_body:
                self._refuse(HttpError(408, "body_too_slow", "The body did not arrive in time."))
            else:
                self._transport.abort()

    @property
    def _is_responding(self) -> bool:
        return self._task is not None or bool(self._reader.requests)

    def _answer_next(self) -> None:
        """Answer the next request, unless it must wait."""
        if self._task is not None or not self._is_writable or self._transport.is_closing():
            return
        if self._reader.requests:
            request = self._reader.requests.popleft()
            started = time.perf_counter()
            answer = self._app.respond(request)
            if isinstance(answer, tuple):
                self._send(request, started, answer)
            else:
                self._task = self._loop.create_task(self._answer_later(request, started, answer))
        elif self._reader.error is not None:
            self._refuse(self._reader.error)

    async def _answer_later(
        self, request: Request, started: float, answer: Awaitable[Answer]
    ) -> None:
        awaited = await answer
        self._task = None
        self._send(request, started, awaited)

    def _send(self, request: Request, started: float, answer: Answer) -> None:
        response, customer = answer
        is_last_of_stopping = self._is_stopping and not self._reader.requests
        closes = is_last_of_stopping or not request.keeps_alive or CLOSE in response.headers
        body = b"" if request.method == "HEAD" else response.body
        self._write(response, body, started, closes=closes)
        log_request(request.method, request.raw_path, response.status, len(body), started, customer)
        self._pace.responded(self._loop.time())
        if self._reader.requests or self._reader.error is not None:
            # In another round of the event loop, so that other clients get their turn.
            self._loop.call_soon(self._answer_next)
        else:
            self._read_on()

    def _read_on(self) -> None:
        self._transport.resume_reading()
        if self._reader.expects_continue:
            self._reader.expects_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, error: HttpError) -> None:
        """Answer what is not a whole request, and close."""
        started = time.perf_counter()
        response = error_response(error, CLOSE)
        self._write(response, response.body, started, closes=True)
        log_request("-", b"-", response.status, len(response.body), started, None)

    def _write(self, response: Response, body: bytes, started: float, *, closes: bool) -> None:
        """Write a response in one piece, if the client is still there."""
        if self._app.observe is not None:
            # Before it is sent: who has an answer finds it counted.
            self._app.observe(response.status, time.perf_counter() - started)
        if self._transport.is_closing():
            return
        headers = response.headers
        if closes and CLOSE not in headers:
            headers = [*headers, CLOSE]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        now_seconds = time.time_ns() // 1_000_000_000  # noqa: TID251 - HTTP has the time of day
        head = b"%b%b%b\r\n" % (_STATUS_LINES[response.status], _date(now_seconds), lines)
        self._transport.write(head + body)
        if closes:
            self._transport.close()


@lru_cache(1)
def _date(second: int) -> bytes:
    return f"date: {formatdate(second, usegmt=True)}\r\n".encode()
