"""An S3 server that refuses every request in one way."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RefusingServer

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        code = self.server.code
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
        content = b"" if self.command == "HEAD" else body.encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - names it looks for

    def log_message(self, *_: object) -> None:
        """Nothing: tests say what they need."""


class RefusingServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """It answers with a status and an error of S3's of this code."""

    daemon_threads = True

    def __init__(self, status: int, code: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.code = code


@contextmanager
def refusing_server(status: int, code: str) -> Iterator[str]:
    """The URL of a running one on a free port of loopback."""
    with RefusingServer(status, code) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
