"""How to run a job: the one record that the command line, the flows and their tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hourtally.build.builder import Builder
from hourtally.model.hours import format_instant
from hourtally.ratecard import RateCard
from hourtally.settings import DEFAULT_MEMORY_MIB, DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home


@dataclass(frozen=True)
class Job:
    """Where, as of when and with what a job runs.

    It travels to tasks on other machines, so it holds paths and small values only; each task
    loads the rate card itself.

    Attributes:
        now_ms: the time at which the job began.
        settle_ms: how long after its end an hour closes.
        workers: how many groups of hours are built at a time.
        threads: of all workers together.
        memory_mib: of the engine of each worker.
        export: folder of one JSON file per customer and hour to update, if any.
        force: also build hours that are current.
        reason: why, for the manifests.
        is_now_given: whether `now_ms` stands for the clock until the job's end (`--now`).
    """

    home: Home
    rates: Path
    now_ms: int
    threads: int
    settle_ms: int = DEFAULT_SETTLE_MS
    workers: int = 1
    memory_mib: int = DEFAULT_MEMORY_MIB
    export: Path | None = None
    force: bool = False
    reason: str = ""
    is_now_given: bool = True

    def settings(self, workers: int = 1) -> Settings:
        """The settings of one of so many workers that share the threads."""
        return Settings(threads=max(1, self.threads // workers), memory_mib=self.memory_mib)

    def builder(self, card: RateCard, workers: int = 1) -> Builder:
        """Builds hours as one of so many workers."""
        now_ms = self.now_ms if self.is_now_given else None
        settings = self.settings(workers)
        return Builder(self.home, card, now_ms, settings, self.force, self.reason)

    @property
    def flow_parameters(self) -> dict[str, Any]:
        """The parameters with which a flow runs this job."""
        return {
            "home": str(self.home.root.absolute()),
            "rates": str(self.rates.absolute()),
            "settle_minutes": self.settle_ms / 60_000,
            "now": format_instant(self.now_ms) if self.is_now_given else None,
            "workers": self.workers,
            "export": self.export and str(self.export.absolute()),
        }
