"""The server as its operator runs it: a process of its own, on a free port of loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support.command_line import command, environment

WAIT_SECONDS = 30


@dataclass(frozen=True)
class Served:
    """A running server. log: the file that its standard error goes to."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def get(self, path: str, token: str | None = None, **headers: str) -> httpx.Response:
        """One request; `if_none_match="x"` is the header If-None-Match."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return httpx.get(self.url + path, headers=sent, timeout=WAIT_SECONDS)

    def raw(self, request: bytes) -> bytes:
        """What comes back for bytes as they are, until the server closes."""
        with socket.create_connection(self.address, timeout=WAIT_SECONDS) as client:
            client.sendall(request)
            return received(client)

    def status_of(self, target: str, token: str | None = None) -> int:
        """The status for a target that no client would send unchanged."""
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n"
        return int(self.raw(head.encode()).split(b" ", 2)[1])


def received(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def serving(
    home: Path,
    *arguments: str | Path,
    log: Path,
    program: Sequence[str] = (),
    command_name: str = "serve",
) -> Iterator[Served]:
    """A server on the home, stopped at the end; it must stop cleanly, and have no traceback.

    Args:
        home: to serve.
        arguments: of the command, beside --home and --port.
        log: file for its standard error.
        program: lines of Python to run before the command.
        command_name: `serve` or `ui`.
    """
    call = command(command_name, "--home", home, "--port", "0", *arguments)
    if program:
        lines = [*program, "from hourtally.cli.app import main", "main()"]
        call = [sys.executable, "-c", "\n".join(lines), *call[3:]]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            call, stdout=subprocess.PIPE, stderr=errors, env=environment(), text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield Served(process.stdout.readline().strip(), process, log)
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(WAIT_SECONDS)
            finally:
                process.kill()
    assert process.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text()
