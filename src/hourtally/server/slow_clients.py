"""When a client is too slow: a few thousand of those would lock everybody else out."""

from __future__ import annotations

# A request must be complete this long after the connection was made or the last response sent.
REQUEST_SECONDS = 10.0
# A client must read at least so many bytes of its response in every period of so many seconds.
RESPONSE_SECONDS = 10.0
MIN_RESPONSE_BYTES = 10_240


class Pace:
    """How fast one client sends its requests and reads its responses; times in seconds."""

    def __init__(self, now: float) -> None:
        self._waiting_since = now
        self._period: tuple[float, int] | None = None

    def responded(self, now: float) -> None:
        """Wait for the next request, once the response has left the send buffer."""
        self._waiting_since = now
        self._period = None

    def is_late(self, now: float) -> bool:
        """Whether the request should be complete by now, where one is waited for."""
        return now - self._waiting_since > REQUEST_SECONDS

    def reads_slowly(self, now: float, unsent_bytes: int) -> bool:
        """Whether too little of the send buffer has gone; to be asked about once a second."""
        if not unsent_bytes:
            self._period = None
            return False
        self._waiting_since = now
        started, unsent_at_start = self._period or (now, unsent_bytes)
        if now - started < RESPONSE_SECONDS:
            self._period = (started, unsent_at_start)
            return False
        self._period = (now, unsent_bytes)
        return unsent_at_start - unsent_bytes < MIN_RESPONSE_BYTES
