"""Connections that do not wait for ever, and errors below HTTP in the shape of all errors.

uvicorn ends a connection that is idle after an answer, but not one that never finishes its
request, nor one that never takes its answer: a few thousand of those, and nobody else gets in.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hourtally.server.app import MAX_HEADER_BYTES, log_request
from hourtally.server.requests import Refusal
from hourtally.server.responses import refused

# A request has to be complete so long after the connection is made or the last answer.
REQUEST_SECONDS = 10.0
# An answer has to be taken at this rate at least, looked at every so many seconds.
ANSWER_SECONDS = 10.0
LEAST_BYTES_TAKEN = 10_240


class Connection(H11Protocol):
    """One connection of a client, with limits to how long it may keep us waiting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client may send its first request."""
        super().connection_made(transport)
        self._our_turn_ended = self.loop.time()
        self._seen: tuple[float, int] | None = None

    def on_response_complete(self) -> None:
        """The answer is on its way; the client may send its next request."""
        self._our_turn_ended = self.loop.time()
        self._seen = None
        super().on_response_complete()

    def close_if_slow(self, now: float) -> None:
        """Drop a client that has kept us waiting too long; to be called about every second."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            seen_at, seen = self._seen or (now, unsent)
            if now - seen_at < ANSWER_SECONDS:
                self._seen = (seen_at, seen)
            elif seen - unsent < LEAST_BYTES_TAKEN:
                self.transport.abort()
            else:
                self._seen = (now, unsent)
        elif self._is_our_turn():
            self._seen = None
        elif now - self._our_turn_ended > REQUEST_SECONDS:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no HTTP, or has a head without an end, and close."""
        if self._is_our_turn():
            # The application's answer to the request before would now come too late.
            self.cycle.disconnected = True
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            message = (
                "This is no request of HTTP/1.1, or one whose head has over "
                f"{MAX_HEADER_BYTES} bytes."
            )
            answer = refused(Refusal(400, "bad_request", message), (b"connection", b"close"))
            for event in (
                h11.Response(status_code=400, headers=answer.headers, reason=b"Bad Request"),
                h11.Data(data=answer.body),
                h11.EndOfMessage(),
            ):
                self.transport.write(_some(self.conn.send(event)))
            log_request("-", b"-", 400, len(answer.body), time.perf_counter(), None)
        self.transport.close()

    def _is_our_turn(self) -> bool:
        """Whether a request is being answered."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete


def _some(data: bytes | None) -> bytes:
    return data or b""
