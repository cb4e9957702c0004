"""Build many hours: small ones together in groups, with a report of each hour.

A problem with one hour goes into the report, and the other hours are still built. Only a storage
fault ends a job: it would hit every other hour as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hourtally.build.grouping import group_hours
from hourtally.build.publish import BuildContext, BuildReceipt, build_together
from hourtally.build.staleness import StaleHour
from hourtally.errors import HourtallyError, StorageFault, without_traceback
from hourtally.model.hours import Hour
from hourtally.runtime.interrupts import Stop, as_keyboard_interrupt, ended_by_abort
from hourtally.runtime.progress import Progress


@dataclass
class BuildReport:
    """The outcome of building some hours.

    Attributes:
        built: a receipt for each published revision.
        failed: the name of each hour that could not be built, and why.
        undone: how many hours were not started, or aborted, because the job was asked to stop.
        requests: what a worker process asked of an object store, by kind.
    """

    built: list[BuildReceipt] = field(default_factory=list)
    failed: list[tuple[str, HourtallyError]] = field(default_factory=list)
    undone: int = 0
    requests: dict[str, int] = field(default_factory=dict)

    def add(self, part: BuildReport) -> None:
        """Add the report of a part of the hours."""
        self.built += part.built
        self.failed += part.failed
        self.undone += part.undone


@dataclass(frozen=True)
class Builder(BuildContext):
    """Builds the hours of a job; worker processes get a copy."""

    def build(
        self, stale: Sequence[StaleHour], progress: Progress | None = None, stop: Stop | None = None
    ) -> BuildReport:
        """Build hours in order, except those that another process has built in the meantime.

        Args:
            stale: the hours.
            progress: called after each hour.
            stop: no further group is started once it is set; an abort abandons the current one.

        Raises:
            StorageFault: the system refused a write. Hours built before it stay published.
        """
        report, fault = self.build_so_far(stale, progress, stop)
        if fault is not None:
            raise fault
        return report

    def build_so_far(
        self, stale: Sequence[StaleHour], progress: Progress | None = None, stop: Stop | None = None
    ) -> tuple[BuildReport, StorageFault | None]:
        """As `build`, but return a storage fault together with what was done before it."""
        with ended_by_abort(stop) as checked:
            groups = _GroupBuilder(self, stale, progress, checked)
            try:
                for group in group_hours(self.home, stale):
                    groups.build([one.hour for one in group])
            except StorageFault as fault:
                return groups.report, fault
        return groups.report, None


class _GroupBuilder:
    """Builds groups of hours and keeps the report; arguments as of `Builder.build`."""

    def __init__(
        self,
        builder: Builder,
        stale: Sequence[StaleHour],
        progress: Progress | None,
        stop: Stop,
    ) -> None:
        self.report = BuildReport(undone=len(stale))
        self._builder = builder
        self._left = {one.hour for one in stale}
        self._progress = progress
        self._stop = stop
        self._total = len(stale)

    def build(self, hours: Sequence[Hour]) -> None:
        """Build a group of hours together, unless the job was asked to stop.

        Raises:
            StorageFault: the system refused a write.
        """
        if self._stop.is_set():
            return
        try:
            with as_keyboard_interrupt():
                build_together(self._builder, hours, self._on_done, self._stop)
        except HourtallyError as error:
            if len(hours) > 1:
                # One by one, so that the error is reported for its hour and the others are built.
                for hour in [hour for hour in hours if hour in self._left]:
                    self.build([hour])
            elif isinstance(error, StorageFault):
                raise
            else:
                self.report.failed.append((hours[0].name, without_traceback(error)))
                self._on_done(hours[0], None)

    def _on_done(self, hour: Hour, receipt: BuildReceipt | None) -> None:
        if receipt is not None:
            self.report.built.append(receipt)
        self.report.undone -= 1
        self._left.remove(hour)
        if self._progress:
            self._progress(self._total - self.report.undone, self._total, hour.name)
