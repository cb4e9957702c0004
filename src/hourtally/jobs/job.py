"""How to run a job: where, with what, and as of when."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hourtally.model.hours import format_instant
from hourtally.settings import Settings, usable_cores
from hourtally.store.layout import Home


@dataclass(frozen=True)
class Job:
    """What `run` and `backfill` work with; `export` is a folder to keep in step, or None."""

    home: Home
    rates: Path
    now_ms: int
    settle_ms: int
    workers: int
    export: Path | None

    @property
    def settings(self) -> Settings:
        """The settings that follow from the machine and the call."""
        return Settings(settle_ms=self.settle_ms, threads=usable_cores())

    @property
    def parameters(self) -> dict[str, Any]:
        """The same as the parameters that the flows have."""
        return {
            "home": str(self.home.root.absolute()),
            "rates": str(self.rates.absolute()),
            "settle_minutes": self.settle_ms / 60_000,
            "now": format_instant(self.now_ms),
            "workers": self.workers,
            "export": self.export and str(self.export.absolute()),
        }
