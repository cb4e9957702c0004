"""The log of requests: a line each, on standard error.

The lines of one round of the event loop are written at once: with one write for each, a third of a
request's time went there.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import lru_cache

from hourtally.model.printable import printable

_CACHED_CUSTOMERS = 1_000
_NS = 1_000_000_000

_lines: list[str] = []


def log_request(
    method: str, raw_path: bytes, status: int, sent: int, started: float, customer: str | None
) -> None:
    """One line: method, path without its query, status, bytes of body, milliseconds, customer.

    To be called in the event loop. started: of `time.perf_counter()`.
    """
    if not _lines:
        asyncio.get_running_loop().call_soon(_write)
    took_ms = (time.perf_counter() - started) * 1_000
    second, part_ns = divmod(time.time_ns(), _NS)  # noqa: TID251 - a log has the time of day
    path = printable(raw_path.decode("ascii", "backslashreplace"))
    _lines.append(
        f"{_instant(second)}.{part_ns // 1_000_000:03d}Z method={method} path={path} "
        f"status={status} bytes={sent} ms={took_ms:.2f} customer={_shown(customer)}\n"
    )


def _write() -> None:
    text = "".join(_lines)
    _lines.clear()
    sys.stderr.write(text)
    sys.stderr.flush()


@lru_cache(1)
def _instant(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(_CACHED_CUSTOMERS)
def _shown(customer: str | None) -> str:
    return "-" if customer is None else printable(json.dumps(customer, ensure_ascii=False))
