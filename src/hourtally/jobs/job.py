"""How to run a job: the one record that the command line, the flows and their tasks share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from hourtally.build.builder import Builder
from hourtally.errors import with_urls
from hourtally.model.hours import format_instant
from hourtally.ratecard import RateCard
from hourtally.settings import DEFAULT_MEMORY_MIB, DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from hourtally.store.places import path_at


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
        inbox: where event files are, if not in the home's own.
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
    inbox: Path | None = None
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

    def __reduce__(self) -> tuple[Any, ...]:
        """On another machine another folder stands for a URL."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in _PATHS:
            values[name] = values[name] and with_urls(str(values[name]))
        return _unpickled, (values,)

    @property
    def flow_parameters(self) -> dict[str, Any]:
        """The parameters with which a flow runs this job."""
        return {
            "home": self.home.place,
            "rates": with_urls(str(self.rates.absolute())),
            "settle_minutes": self.settle_ms / 60_000,
            "now": format_instant(self.now_ms) if self.is_now_given else None,
            "workers": self.workers,
            "export": self.export and with_urls(str(self.export.absolute())),
        }

    @property
    def inbox_place(self) -> str | None:
        """The path or URL of the inbox, if it is not the home's own."""
        return with_urls(str(self.inbox.absolute())) if self.inbox else None


_PATHS: Final = ("rates", "export", "inbox")


def _unpickled(values: dict[str, Any]) -> Job:
    paths = {name: values[name] and path_at(values[name]) for name in _PATHS}
    return Job(**{**values, **paths})
