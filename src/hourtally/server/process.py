"""The server as a process: what it listens on, when it is ready, how it stops."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from hourtally.errors import HourtallyError, WrongUse
from hourtally.server.app import MAX_HEADER_BYTES, App
from hourtally.server.slow_clients import Connection
from hourtally.server.tokens import TokensFile, check_customer, read_tokens
from hourtally.server.usage import Usage
from hourtally.store.layout import Home

_BACKLOG = 2_048
_LOOK_SECONDS = 1.0

log = logging.getLogger("hourtally.server")


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and drops slow clients."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # That has made the system's queue as short.
        for listening in sockets or ():
            listening.listen(_BACKLOG)
        asyncio.get_running_loop().set_exception_handler(_log_fault)
        self._watch = asyncio.create_task(self._drop_slow_clients())
        self._when_ready()

    async def _drop_slow_clients(self) -> None:
        """Until the process ends: also while it waits for the last answers to be taken."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.close_if_slow(now)


def _log_fault(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A line for a fault outside of any request, such as one connection more than there may be."""
    log.error("%s: %r", context.get("message"), context.get("exception"))


def run(home: Home, host: str, port: int, customer: str | None, tokens: Path | None) -> int:
    """Serve until SIGTERM or SIGINT; requests that have begun are answered. The exit status.

    Args:
        home: whose published hours.
        host: to listen on; without tokens a loopback address.
        port: to listen on; 0 is any that is free.
        customer: who everybody is, without tokens.
        tokens: file that says which token lets in whom.

    Raises:
        WrongUse: both or neither of customer and tokens, or not loopback without tokens.
        TokensError: the tokens file is wrong.
        HourtallyError: the address is taken or not ours.
    """
    customer_of = _customer_of(customer, tokens)
    with _listen(host, port, only_loopback=tokens is None) as listening:
        config = uvicorn.Config(
            App(Usage(home), customer_of),
            http=Connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            # How many connections asyncio accepts at a time; each that the system refuses is a
            # line in the log, and CPython 3.11 goes on through all of them.
            backlog=1,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        server = _Server(config, lambda: _say_address(listening))
        _log_to_stderr()

        def stop(_number: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        # uvicorn has handlers of its own while it runs. When it has stopped it sends itself the
        # signal again, which without these would be the end by a signal, not exit status 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        server.run([listening])
    return 0


def _customer_of(customer: str | None, tokens: Path | None) -> Callable[[bytes | None], str | None]:
    if (customer is None) == (tokens is None):
        message = (
            "give either --tokens FILE, which says who may see what, or --customer ID, whose "
            "usage is then shown to everybody on this machine"
        )
        raise WrongUse(message)
    if tokens is not None:
        # So that what is wrong with it is said at once, and not to the first client.
        read_tokens(tokens)
        file = TokensFile(tokens)
        return lambda token: None if token is None else file.customer_of(token)
    assert customer is not None
    check_customer(customer)
    return lambda _: customer


def _listen(host: str, port: int, *, only_loopback: bool) -> socket.socket:
    if not 0 <= port <= 65_535:
        message = f"--port {port} is not 0 to 65535"
        raise WrongUse(message)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        message = f"--host {host!r} is no address of this machine: {error}"
        raise WrongUse(message) from None
    if only_loopback and not ipaddress.ip_address(address[0]).is_loopback:
        message = (
            f"--host {host} can be reached from other machines, and without --tokens FILE "
            "everybody may see everything: give a tokens file, or a loopback address"
        )
        raise WrongUse(message)
    # With the protocol named asyncio turns Nagle's algorithm off; with it on, the two writes of
    # an answer are 40 ms apart, and 50 connections get 1,100 answers a second.
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        message = f"cannot listen on {host} port {port}: {error.strerror}; choose another --port"
        raise HourtallyError(message) from error
    return listening


def _say_address(listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if listening.family == socket.AF_INET6 else host
    sys.stdout.write(f"http://{shown}:{port}\n")
    sys.stdout.flush()


def _log_to_stderr() -> None:
    """The log of the process: instants in UTC, one line a request."""
    form = logging.Formatter(
        "{asctime}.{msecs:03.0f}Z {message}", style="{", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    form.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(form)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("hourtally.server").setLevel(logging.INFO)
    # What a client sends that is no HTTP is in our own log.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
