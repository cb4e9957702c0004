"""Connections that time out, and errors below HTTP in the shape of all errors.

uvicorn closes a connection that is idle after a response, but not one that never finishes its
request or never reads its response: a few thousand of those would lock everybody else out.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hourtally.server.app import MAX_HEADER_BYTES, log_request
from hourtally.server.parameters import HttpError
from hourtally.server.responses import error_response

# A request must be complete this long after the connection was made or the last response sent.
REQUEST_SECONDS = 10.0
# A client must read at least so many bytes of its response in every period of so many seconds.
RESPONSE_SECONDS = 10.0
MIN_RESPONSE_BYTES = 10_240


class TimeLimitedConnection(H11Protocol):
    """One client's connection, dropped if the client is too slow."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._period: tuple[float, int] | None = None

    def on_response_complete(self) -> None:
        """Start waiting for the next request; the response may still be in the send buffer."""
        self._waiting_since = self.loop.time()
        self._period = None
        super().on_response_complete()

    def close_if_slow(self, now: float) -> None:
        """Drop the connection if the client is too slow; to be called about once a second."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            started, unsent_at_start = self._period or (now, unsent)
            if now - started < RESPONSE_SECONDS:
                self._period = (started, unsent_at_start)
            elif unsent_at_start - unsent < MIN_RESPONSE_BYTES:
                self.transport.abort()
            else:
                self._period = (now, unsent)
        elif self._is_responding():
            self._period = None
        elif now - self._waiting_since > REQUEST_SECONDS:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Reject what is not HTTP, or whose head never ends, and close."""
        if self._is_responding():
            # The application's response to the previous request would come too late now.
            self.cycle.disconnected = True
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            message = f"Malformed HTTP request, or its head is over {MAX_HEADER_BYTES} bytes."
            error = HttpError(400, "bad_request", message)
            response = error_response(error, (b"connection", b"close"))
            for event in (
                h11.Response(status_code=400, headers=response.headers, reason=b"Bad Request"),
                h11.Data(data=response.body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            log_request("-", b"-", 400, len(response.body), time.perf_counter(), None)
        self.transport.close()

    def _is_responding(self) -> bool:
        """Whether the application is working on a response."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete
