"""Many hours, built: small ones together, and what came of each.

What went wrong with one hour is in the report, and the others go on. Only a fault of the storage
ends a job: it would meet every other hour as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hourtally.build.grouping import together
from hourtally.build.publish import BuildReceipt, build_together
from hourtally.build.staleness import StaleHour
from hourtally.errors import HourtallyError, StorageFault, without_frames
from hourtally.model.hours import Hour
from hourtally.ratecard import RateCard
from hourtally.runtime.interrupts import Stop, abandoned_at_an_interrupt, as_keyboard_interrupt
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store.layout import Home


@dataclass
class BuildReport:
    """built: one receipt a published revision. failed: hour name and why, for the others.

    undone: how many hours were not begun, or were abandoned, because the job was asked to stop.
    """

    built: list[BuildReceipt] = field(default_factory=list)
    failed: list[tuple[str, HourtallyError]] = field(default_factory=list)
    undone: int = 0

    def add(self, part: BuildReport) -> None:
        """Take in the report of a part of the hours."""
        self.built += part.built
        self.failed += part.failed
        self.undone += part.undone


@dataclass(frozen=True)
class Builder:
    """What all hours of a job are built with; worker processes get it too.

    force: whether hours that are current are built as well.
    """

    home: Home
    card: RateCard
    now_ms: int
    settings: Settings
    force: bool = False

    def build(
        self, stale: Sequence[StaleHour], progress: Progress | None = None, stop: Stop | None = None
    ) -> BuildReport:
        """Build hours in their order; one that another process has built meanwhile is left out.

        Args:
            stale: the hours.
            progress: told of each that is done.
            stop: once it is set no other hour is begun; with it an interrupt is such a request
                too, and abandons the hours in hand.

        Raises:
            StorageFault: the system refused a write; hours built before stay published.
        """
        report, fault = self.build_so_far(stale, progress, stop)
        if fault is not None:
            raise fault
        return report

    def build_so_far(
        self, stale: Sequence[StaleHour], progress: Progress | None = None, stop: Stop | None = None
    ) -> tuple[BuildReport, StorageFault | None]:
        """As `build`; a fault of the storage comes back beside what was done before it."""
        with abandoned_at_an_interrupt(stop) as asked:
            builds = _Builds(self, stale, progress, asked)
            try:
                for group in together(self.home, stale):
                    builds.build([one.hour for one in group])
            except StorageFault as fault:
                return builds.report, fault
        return builds.report, None


class _Builds:
    """Builds hours in groups, and reports what came of each hour; arguments as `Builder.build`."""

    def __init__(
        self,
        builder: Builder,
        stale: Sequence[StaleHour],
        progress: Progress | None,
        stop: Stop,
    ) -> None:
        self.report = BuildReport(undone=len(stale))
        self._with = builder
        self._left = {one.hour for one in stale}
        self._progress = progress
        self._stop = stop
        self._total = len(stale)

    def build(self, hours: Sequence[Hour]) -> None:
        """Build hours together, unless the job was asked to stop.

        Raises:
            StorageFault: the system refused a write.
        """
        if self._stop.is_set():
            return
        try:
            with as_keyboard_interrupt():
                build_together(
                    self._with.home,
                    self._with.card,
                    hours,
                    self._with.now_ms,
                    self._with.settings,
                    self._done,
                    self._stop,
                    force=self._with.force,
                )
        except HourtallyError as error:
            if len(hours) > 1:
                # Each by itself: then the error is that of its hour, and the others are built.
                for hour in [hour for hour in hours if hour in self._left]:
                    self.build([hour])
            elif isinstance(error, StorageFault):
                raise
            else:
                self.report.failed.append((hours[0].name, without_frames(error)))
                self._done(hours[0], None)

    def _done(self, hour: Hour, receipt: BuildReceipt | None) -> None:
        if receipt is not None:
            self.report.built.append(receipt)
        self.report.undone -= 1
        self._left.remove(hour)
        if self._progress:
            self._progress(self._total - self.report.undone, self._total, hour.name)
