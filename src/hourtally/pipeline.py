"""The jobs: ingest files, find stale hours, build them. The command line and the flows call these.

What was done is a report, what went wrong with one file or one hour is in it, and the others
go on. Only a fault of the storage ends a job: it would meet every other hour as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hourtally.build import BuildReceipt, build_together
from hourtally.errors import (
    Damaged,
    FileRefused,
    HourtallyError,
    StorageFault,
    interrupts_told,
)
from hourtally.event_files import event_files
from hourtally.home import Home
from hourtally.hour_groups import together
from hourtally.hours import Hour
from hourtally.inbox import remember, remembered
from hourtally.ingest import IngestReceipt, ingest_file
from hourtally.interrupts import (
    Stop,
    abandoned_at_an_interrupt,
)
from hourtally.ratecard import RateCard
from hourtally.settings import Settings
from hourtally.staleness import StaleHour
from hourtally.staleness import stale_hours as find_stale_hours

if TYPE_CHECKING:
    from hourtally.export import ExportReport

_Error = TypeVar("_Error", bound=HourtallyError)
Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and what it was (`bytes` of a file, or hours)."""


@dataclass
class IngestReport:
    """files: one receipt a file, in order. refused: why nothing of the others was taken.

    undone: how many files were not begun, because the job was asked to stop.
    """

    files: list[IngestReceipt] = field(default_factory=list)
    refused: list[FileRefused | Damaged] = field(default_factory=list)
    undone: int = 0

    @property
    def quarantined(self) -> int:
        """Lines quarantined by this job, not by an earlier one."""
        return sum(receipt.quarantined for receipt in self.files if not receipt.skipped)


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


@dataclass
class JobReport:
    """What a whole job did. exported: None where nothing was to be exported, or why it was not."""

    ingested: IngestReport = field(default_factory=IngestReport)
    built: BuildReport = field(default_factory=BuildReport)
    exported: ExportReport | HourtallyError | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop before its end."""
        return bool(self.ingested.undone or self.built.undone)


def ingest_paths(
    home: Home,
    paths: Iterable[Path],
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
) -> IngestReport:
    """Ingest files, and the event files of folders."""
    report = IngestReport()
    for path in paths:
        for file in _event_files(path, report):
            _ingest(home, file, now_ms, settings, progress, report)
    return report


def ingest_inbox(
    home: Home,
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> IngestReport:
    """Ingest the inbox; a file unchanged since it was ingested is not read again."""
    report = IngestReport()
    ingest_new(home, new_files(home, report), now_ms, settings, report, progress, stop)
    return report


def new_files(home: Home, report: IngestReport) -> list[Path]:
    """The files of the inbox that were not ingested as they are now."""
    if not home.inbox.is_dir():
        return []
    return [file for file in _event_files(home.inbox, report) if not remembered(home, file)]


def ingest_new(
    home: Home,
    files: Sequence[Path],
    now_ms: int,
    settings: Settings,
    report: IngestReport,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> None:
    """Ingest files of the inbox into the report, and note them as ingested; `stop` as below."""
    for number, file in enumerate(files):
        if stop is not None and stop.is_set():
            report.undone += len(files) - number
            return
        receipt = _ingest(home, file, now_ms, settings, progress, report)
        if receipt is not None:
            remember(home, file, receipt.batch)


def _event_files(path: Path, report: IngestReport) -> list[Path]:
    try:
        files = event_files(path)
    except FileRefused as refusal:
        report.refused.append(_without_frames(refusal))
        return []
    # Whoever may put a link into a folder could have any file read that a run may read.
    links = [file for file in files if file != path and file.is_symlink()]
    reason = "it is a symbolic link, and none is followed out of a folder; put the file there"
    report.refused += [FileRefused(link, reason) for link in links]
    return [file for file in files if file not in links]


def _ingest(
    home: Home,
    file: Path,
    now_ms: int,
    settings: Settings,
    progress: Progress | None,
    report: IngestReport,
) -> IngestReceipt | None:
    try:
        receipt = ingest_file(
            home,
            file,
            now_ms,
            settings.threads,
            (lambda done, size: progress(done, size, file.name)) if progress else None,
        )
    except (FileRefused, Damaged) as refusal:
        report.refused.append(_without_frames(refusal))
        return None
    report.files.append(receipt)
    return receipt


def stale_hours(
    home: Home,
    card: RateCard,
    now_ms: int,
    settings: Settings,
    first: Hour | None = None,
    end: Hour | None = None,
    *,
    force: bool = False,
) -> list[StaleHour]:
    """The closed hours of `[first, end)` that are to be built, in order; see `staleness`."""
    return find_stale_hours(home, card, now_ms, settings.settle_ms, first, end, force=force)


def build_hours(
    home: Home,
    card: RateCard,
    stale: Sequence[StaleHour],
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
    stop: Stop | None = None,
    *,
    force: bool = False,
) -> BuildReport:
    """Build hours in their order; one that another process has built meanwhile is left out.

    Args:
        home, card, stale, now_ms, settings, progress, force: as their names say.
        stop: once it is set no other hour is begun; with it an interrupt is such a request too,
            and abandons the hours in hand.

    Raises:
        StorageFault: the system refused a write; hours built before stay published.
    """
    report, fault = build_hours_so_far(
        home, card, stale, now_ms, settings, progress, stop, force=force
    )
    if fault is not None:
        raise fault
    return report


def build_hours_so_far(
    home: Home,
    card: RateCard,
    stale: Sequence[StaleHour],
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
    stop: Stop | None = None,
    *,
    force: bool = False,
) -> tuple[BuildReport, StorageFault | None]:
    """As `build_hours`; a fault of the storage comes back beside what was done before it."""
    builds = _Builds(home, card, stale, now_ms, settings, progress, stop, force=force)
    with abandoned_at_an_interrupt(stop):
        try:
            for group in together(home, stale):
                builds.build([one.hour for one in group])
        except StorageFault as fault:
            return builds.report, fault
    return builds.report, None


class _Builds:
    """Builds hours in groups, and reports what came of each hour; arguments as `build_hours`."""

    def __init__(
        self,
        home: Home,
        card: RateCard,
        stale: Sequence[StaleHour],
        now_ms: int,
        settings: Settings,
        progress: Progress | None,
        stop: Stop | None,
        *,
        force: bool,
    ) -> None:
        self.report = BuildReport(undone=len(stale))
        self._build = partial(
            build_together,
            home,
            card,
            now_ms=now_ms,
            settings=settings,
            done=self._done,
            force=force,
        )
        self._left = {one.hour for one in stale}
        self._progress = progress
        self._stop = stop
        self._total = len(stale)

    def build(self, hours: Sequence[Hour]) -> None:
        """Build hours together, unless the job was asked to stop.

        Raises:
            StorageFault: the system refused a write.
        """
        if self._stop is not None and self._stop.is_set():
            return
        try:
            with interrupts_told():
                self._build(hours)
        except HourtallyError as error:
            if len(hours) > 1:
                # Each by itself: then the error is that of its hour, and the others are built.
                for hour in [hour for hour in hours if hour in self._left]:
                    self.build([hour])
            elif isinstance(error, StorageFault):
                raise
            else:
                self.report.failed.append((hours[0].name, _without_frames(error)))
                self._done(hours[0], None)

    def _done(self, hour: Hour, receipt: BuildReceipt | None) -> None:
        if receipt is not None:
            self.report.built.append(receipt)
        self.report.undone -= 1
        self._left.remove(hour)
        if self._progress:
            self._progress(self._total - self.report.undone, self._total, hour.name)


def _without_frames(error: _Error) -> _Error:
    """The error for its message only: its trace would keep an engine and tables alive."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
