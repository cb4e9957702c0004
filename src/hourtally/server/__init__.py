"""The reference HTTP server (contract, section 9), and the pages for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hourtally.errors import HourtallyError
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home

LOOPBACK: Final = "127.0.0.1"
_NEEDED: Final = {"cachetools", "httptools", "jinja2", "prometheus_client"}


@dataclass(frozen=True)
class Serving:
    """What to serve, where, and to whom.

    Attributes:
        now_ms: the clock.
        port: to listen on; 0 picks a free one.
        customer: whose usage everybody sees, if there are no tokens.
        tokens: the tokens file.
        is_operator: serve the pages of all customers and no API; then there are neither of both.
        opens_browser: once it is ready.
        rates: the rate card; default: the home's.
        settle_ms: how long after its end an hour closes.
        metrics_port: of a second listener on loopback, for Prometheus; None for none.
    """

    home: Home
    now_ms: Callable[[], int]
    host: str = LOOPBACK
    port: int = 8080
    customer: str | None = None
    tokens: Path | None = None
    is_operator: bool = False
    opens_browser: bool = False
    rates: Path | None = None
    settle_ms: int = DEFAULT_SETTLE_MS
    metrics_port: int | None = None


def serve(serving: Serving) -> int:
    """Serve published hours until told to stop; the exit status. See `process.run`."""
    try:
        from hourtally.server.process import run
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        message = f"{error.name} is not installed: run `pip install hourtally[server]`"
        raise HourtallyError(message) from None
    return run(serving)
