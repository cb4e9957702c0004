"""The server process: listen, say when ready, stop gracefully."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.server import Serving
from hourtally.server.app import App, CustomerOf
from hourtally.server.connection import Connection
from hourtally.server.pages import PageSources, Site, Visitors
from hourtally.server.tokens import TokensFile, check_customer, read_tokens
from hourtally.server.usage import PublishedUsage

_BACKLOG = 2_048
_CHECK_SECONDS = 1.0
_STOP_CHECK_SECONDS = 0.05

log = logging.getLogger("hourtally.server")


def _log_fault(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log a fault outside of any request, such as too many open connections, as one line."""
    log.error("%s: %r", context.get("message"), context.get("exception"))


def run(serving: Serving) -> int:
    """Serve until SIGTERM or SIGINT, then finish the requests in progress; the exit status.

    Raises:
        InvalidArgument: both or neither of customer and tokens, or not loopback without tokens.
        TokensError: the tokens file is wrong.
        HourtallyError: the address is taken or not on this machine.
    """
    _log_to_stderr()
    app = _app(serving)
    only_loopback = serving.tokens is None
    with _listen(serving.host, serving.port, only_loopback=only_loopback) as listening:
        asyncio.run(_serve(app, listening, lambda: _say_ready(listening, serving)))
    return 0


async def _serve(app: App, listening: socket.socket, when_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then until all is answered or SIGINT comes once more."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_fault)
    stopped, abandoned = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(
        signal.SIGINT, lambda: (abandoned if stopped.is_set() else stopped).set()
    )
    connections: set[Connection] = set()
    # `backlog` is also how many connections asyncio accepts in one go. CPython 3.11 logs a line for
    # each that fails, so with 2,048 a lack of file descriptors would flood the log.
    server = await loop.create_server(
        lambda: Connection(app, connections), sock=listening, backlog=1
    )
    listening.listen(_BACKLOG)
    watching = asyncio.create_task(_drop_slow_clients(connections))
    when_ready()
    await stopped.wait()
    server.close()
    while connections and not abandoned.is_set():
        for connection in list(connections):
            connection.stop()
        await asyncio.sleep(_STOP_CHECK_SECONDS)
    watching.cancel()


async def _drop_slow_clients(connections: set[Connection]) -> None:
    """Run until the process ends, also while clients read their last responses."""
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        now = asyncio.get_running_loop().time()
        for connection in list(connections):
            connection.drop_if_slow(now)


def _app(serving: Serving) -> App:
    """The application for whoever is to be served; with it the listener for metrics begins."""
    usage = PublishedUsage(serving.home)
    sources = PageSources(
        serving.home, serving.now_ms, serving.rates, serving.settle_ms, usage=usage
    )
    if serving.is_operator:
        customer_of: CustomerOf = lambda _: None  # noqa: E731 - as the other one is
        visitors = Visitors(is_operator=True)
    else:
        customer_of = _customer_of(serving.customer, serving.tokens)
        visitors = Visitors(customer=serving.customer, customer_of=customer_of)
    observe = None if serving.metrics_port is None else _metrics(serving.metrics_port, sources)
    return App(usage, customer_of, Site(sources, visitors), observe)


def _metrics(port: int, sources: PageSources) -> Callable[[int, float], None]:
    """Serve metrics; returns what counts requests."""
    # Imported here, as few servers have it: 50 ms.
    from hourtally.server.metrics_server import RequestMetrics, registry_of_home, serve_metrics

    registry = registry_of_home(sources.facts)
    requests = RequestMetrics(registry)
    serve_metrics(port, registry)
    return requests.observe


def _customer_of(customer: str | None, tokens: Path | None) -> Callable[[bytes | None], str | None]:
    if (customer is None) == (tokens is None):
        message = (
            "give either --tokens FILE, or --customer ID to show that customer's usage to "
            "everybody on this machine"
        )
        raise InvalidArgument(message)
    if tokens is not None:
        # Fail now rather than at the first request.
        read_tokens(tokens)
        file = TokensFile(tokens)
        return lambda token: None if token is None else file.customer_of(token)
    assert customer is not None
    check_customer(customer)
    return lambda _: customer


def _listen(host: str, port: int, *, only_loopback: bool) -> socket.socket:
    if not 0 <= port <= 65_535:
        message = f"--port {port} is not 0 to 65535"
        raise InvalidArgument(message)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        message = f"--host {host!r} is not an address of this machine: {error}"
        raise InvalidArgument(message) from None
    if only_loopback and not ipaddress.ip_address(address[0]).is_loopback:
        message = (
            f"--host {host} is reachable from other machines, where anybody could see all usage: "
            "give --tokens FILE, or a loopback address"
        )
        raise InvalidArgument(message)
    # asyncio turns Nagle's algorithm off only if the protocol is named; with it on, the last piece
    # of a large response comes 40 ms late.
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


def _say_ready(listening: socket.socket, serving: Serving) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if listening.family == socket.AF_INET6 else host
    address = f"http://{shown}:{port}"
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    if serving.opens_browser:
        # Some browsers run in the foreground until they are closed.
        Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _log_to_stderr() -> None:
    """Log to standard error: UTC times, one line per request."""
    formatter = logging.Formatter(
        "{asctime}.{msecs:03.0f}Z {message}", style="{", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("hourtally.server").setLevel(logging.INFO)
