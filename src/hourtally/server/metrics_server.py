"""The second listener: `GET /metrics` on loopback, in a thread of its own (contract, section 9)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Histogram, make_wsgi_app

from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.metrics import HomeCollector, HomeFacts
from hourtally.server.pages.security import is_loopback_host

_LOOPBACK: Final = "127.0.0.1"
# A client that sends nothing for so long is dropped.
_TIMEOUT_SECONDS: Final = 10
# Cached views take microseconds, a page of five weeks a fifth of a second.
_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Gathering the facts of a year of hours takes a second: at most a tenth of the time goes there.
_REST_FACTOR: Final = 9

log = logging.getLogger("hourtally.server")


class RequestMetrics:
    """Counts requests by status, and how long they took; safe to share between threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "hourtally_http_requests",
            "Requests answered, by status.",
            ["status"],
            registry=registry,
        )
        self._by_status: dict[int, Counter] = {}
        self._durations = Histogram(
            "hourtally_http_request_duration_seconds",
            "Time to answer a request.",
            buckets=_BUCKETS,
            registry=registry,
        )

    def observe(self, status: int, seconds: float) -> None:
        """Count a request."""
        if status not in self._by_status:
            self._by_status[status] = self._requests.labels(str(status))
        self._by_status[status].inc()
        self._durations.observe(seconds)


class RestingFacts:
    """Facts of a home, gathered again only where that has not just taken long."""

    def __init__(self, gather: Callable[[], HomeFacts]) -> None:
        self._gather = gather
        self._lock = threading.Lock()
        self._facts: HomeFacts | None = None
        self._good_until = 0.0

    def __call__(self) -> HomeFacts:
        """The facts."""
        with self._lock:
            started = time.monotonic()
            if self._facts is None or started >= self._good_until:
                self._facts = self._gather()
                ended = time.monotonic()
                self._good_until = ended + _REST_FACTOR * (ended - started)
            return self._facts


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = _TIMEOUT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a scrape a few seconds would fill the log."""


def serve_metrics(port: int, registry: CollectorRegistry) -> WSGIServer:
    """Serve a registry on a port of loopback, until the process ends.

    Raises:
        InvalidArgument: the port is none. HourtallyError: it is taken.
    """
    if not 0 <= port <= 65_535:
        message = f"--metrics-port {port} is not 0 to 65535"
        raise InvalidArgument(message)
    try:
        server = make_server(_LOOPBACK, port, _only_metrics(registry), _Server, _Handler)
    except OSError as error:
        message = (
            f"cannot listen on {_LOOPBACK} port {port}: {error.strerror}; choose another "
            "--metrics-port"
        )
        raise HourtallyError(message) from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log.info("metrics: http://%s:%d/metrics", _LOOPBACK, server.server_port)
    return server


def registry_of_home(gather: Callable[[], HomeFacts]) -> CollectorRegistry:
    """A registry with the facts of a home; they are gathered when it is asked."""
    registry = CollectorRegistry(auto_describe=False)
    # `describe` of a collector without one would gather them at once.
    registry.register(HomeCollector(RestingFacts(gather)))
    return registry


def _only_metrics(registry: CollectorRegistry) -> Callable[[Any, Any], Iterable[bytes]]:
    metrics = make_wsgi_app(registry)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = ""
        if environ["PATH_INFO"] != "/metrics":
            status = "404 Not Found"
        elif environ["REQUEST_METHOD"] != "GET":
            status = "405 Method Not Allowed"
        elif not is_loopback_host(environ.get("HTTP_HOST", "")):
            # See `check_host`: a site whose name leads here must not read them.
            status = "421 Misdirected Request"
        if status:
            start_response(status, [("Content-Type", "text/plain"), ("Allow", "GET")])
            return [f"{status[4:]}\n".encode()]
        try:
            return list(metrics(environ, start_response))
        except HourtallyError as error:
            log.error("%s", error)  # noqa: TRY400 - the message says it all
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"The server's log says why.\n"]

    return application
