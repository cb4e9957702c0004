"""The reference HTTP server (contract, section 9)."""

from __future__ import annotations

from pathlib import Path

from hourtally.errors import HourtallyError
from hourtally.store.layout import Home


def serve(home: Home, *, host: str, port: int, customer: str | None, tokens: Path | None) -> int:
    """Serve published hours until told to stop; the exit status. See `process.run`."""
    try:
        from hourtally.server.process import run
    except ModuleNotFoundError as error:
        if error.name not in {"uvicorn", "h11", "cachetools"}:
            raise
        message = f"{error.name} is not installed: run `pip install hourtally[server]`"
        raise HourtallyError(message) from None
    return run(home, host, port, customer, tokens)
