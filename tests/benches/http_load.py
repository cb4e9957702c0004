"""Ask a server for one document over and over, on several connections; prints what that took.

    python -m tests.benches.http_load HOME CUSTOMER TIMESTAMP

The client takes a core of its own: it only counts the bytes of equal responses.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from urllib.parse import urlsplit

_CONNECTIONS = 50
_WARM_SECONDS = 2.0
_SECONDS = 8.0


class _Client(asyncio.Protocol):
    """Asks again as soon as a response of the first one's length has come."""

    def __init__(self, request: bytes, seconds: list[float]) -> None:
        self._request = request
        self._seconds = seconds
        self._wanted = 0
        self._received = 0
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count bytes until the response is complete."""
        if not self._wanted and b"\r\n\r\n" in data:
            head, _, _ = data.partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
            self._wanted = len(head) + 4 + int(lengths[0].split(b":")[1])
        self._received += len(data)
        if self._received >= self._wanted:
            self._seconds.append(time.perf_counter() - self._asked)
            self._received, self._wanted = 0, 0
            self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)


async def _load(url: str, path: str) -> list[float]:
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host is not None
    assert port is not None
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    seconds: list[float] = []
    loop = asyncio.get_running_loop()
    for _ in range(_CONNECTIONS):
        await loop.create_connection(lambda: _Client(request, seconds), host, port)
    await asyncio.sleep(_WARM_SECONDS)
    seconds.clear()
    await asyncio.sleep(_SECONDS)
    return sorted(seconds)


def main() -> None:
    """Serve, ask, and print requests a second and milliseconds of the slowest hundredth."""
    home, customer, timestamp = sys.argv[1:]
    serving = ["serve", "--port", "0", "--customer", customer, "--home", home]
    with subprocess.Popen(
        [sys.executable, "-m", "hourtally", *serving],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        seconds = asyncio.run(_load(url, f"/v1/billing/usage/{timestamp}"))
        server.terminate()
    slowest_ms = seconds[len(seconds) * 99 // 100] * 1_000
    found = {"per_second": len(seconds) / _SECONDS, "p99_ms": slowest_ms}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
