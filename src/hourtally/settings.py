"""What the machine and the caller decide. Nothing else reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SETTLE_MS = 10 * 60 * 1_000
DEFAULT_MEMORY_MIB = 1_024


@dataclass(frozen=True)
class Settings:
    """How to work: `settle_ms` after an hour's end it closes; cores; memory for the engines."""

    settle_ms: int = DEFAULT_SETTLE_MS
    threads: int = 2
    memory_mib: int = DEFAULT_MEMORY_MIB


def usable_cores() -> int:
    """Cores that this process may run on; a container's or taskset's limit counts."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """`HOURTALLY_HOME`, else `./data`."""
    return Path(environment.get("HOURTALLY_HOME") or "data")


def prefect_api_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """The Prefect server that runs are to be recorded in, if one is configured."""
    return environment.get("PREFECT_API_URL") or None


def limit_polars(threads: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Have Polars, which is not imported yet, work with so many threads in this process.

    It takes as many as there are cores, which processes that share them would fight for.
    """
    environment.setdefault("POLARS_MAX_THREADS", str(threads))
