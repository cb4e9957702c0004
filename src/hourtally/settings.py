"""Settings of the machine and the environment. Nothing else reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SETTLE_MS = 10 * 60 * 1_000
DEFAULT_MEMORY_MIB = 512


@dataclass(frozen=True)
class Settings:
    """Limits of one process.

    Attributes:
        memory_mib: of its DuckDB.
    """

    threads: int = 2
    memory_mib: int = DEFAULT_MEMORY_MIB


def usable_cores() -> int:
    """Cores that this process may use, within the limit of its container or of taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_home(environment: Mapping[str, str] = os.environ) -> str:
    """`HOURTALLY_HOME`, else `./data`: a path or a URL."""
    return environment.get("HOURTALLY_HOME") or "data"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where homes in object stores keep unfinished work, and copies of what never changes."""
    base = environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base).absolute() / "hourtally"


def prefect_api_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """The Prefect server that records runs, if one is configured."""
    return environment.get("PREFECT_API_URL") or None


def limit_polars(threads: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Limit the threads of Polars in this process, before it is imported.

    By default it uses every core, and processes that share the cores would compete for them.
    """
    environment.setdefault("POLARS_MAX_THREADS", str(threads))
