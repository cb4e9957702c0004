"""A proxy before an S3 server that answers some requests as a store in trouble does."""

from __future__ import annotations

import http.client
import itertools
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Final

# Of so many requests one is answered wrongly, so one that is tried again comes through.
EVERY: Final = 4
SLOW_SECONDS: Final = 0.3
_BODY: Final = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class FaultyProxy(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """It listens on a free port of loopback.

    Attributes:
        kind: what is wrong with every fourth answer: a status in digits, without any effect;
            `lost`, after the effect; `cut` within its body; or `slow`.
        faults: how many answers of each method were wrong.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = port
        self.kind = kind
        self.numbers = itertools.count(1)
        self.faults: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        kind = "" if next(self.server.numbers) % EVERY else self.server.kind
        if kind.isdigit():
            self._count()
            self._send(int(kind), [("content-type", "application/xml")], _BODY)
            return
        if kind == "slow":
            self._count()
            time.sleep(SLOW_SECONDS)
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        try:
            # The signature is of the host that the client knows.
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            content = answer.read()
        finally:
            behind.close()
        if kind == "lost":
            self._count()
            self.close_connection = True
            return
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _OWN]
        if self.command == "HEAD":
            headers.append(("content-length", answer.getheader("content-length") or "0"))
        is_cut = kind == "cut" and self.command == "GET" and len(content) > 1
        self._send(answer.status, headers, content, cut=is_cut)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - names it looks for

    def _send(
        self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if cut:
            self._count()
            content = content[: len(content) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(content)

    def _count(self) -> None:
        self.server.faults[self.command] += 1

    def log_message(self, *_: object) -> None:
        """Nothing: tests say what they need."""


_OWN: Final = frozenset(("connection", "content-length", "date", "server", "transfer-encoding"))


@contextmanager
def faulty_proxy(port: int, kind: str) -> Iterator[FaultyProxy]:
    """A running proxy before the server on a port of this machine."""
    with FaultyProxy(port, kind) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
