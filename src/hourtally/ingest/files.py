"""Ingest many event files: those that paths name, or the new ones in the inbox.

A problem with one file goes into the report, and the other files are still ingested.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hourtally.errors import Damaged, FileRejected, without_traceback
from hourtally.ingest.batch import IngestReceipt, ingest_file
from hourtally.ingest.discovery import event_files
from hourtally.ingest.inbox import is_ingested, note_ingested
from hourtally.runtime.interrupts import Stop, load_polars
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store.layout import Home


@dataclass
class IngestReport:
    """files: a receipt for each file, in order. refused: why other files were rejected.

    undone: how many files were not started, because the job was asked to stop.
    """

    files: list[IngestReceipt] = field(default_factory=list)
    refused: list[FileRejected | Damaged] = field(default_factory=list)
    undone: int = 0

    @property
    def quarantined(self) -> int:
        """Lines that this job quarantined, without those of files ingested earlier."""
        return sum(receipt.quarantined for receipt in self.files if not receipt.skipped)


@dataclass(frozen=True)
class Ingester:
    """Ingests files into a home, as of one instant."""

    home: Home
    now_ms: int
    settings: Settings
    progress: Progress | None = None

    def ingest(self, file: Path, report: IngestReport) -> IngestReceipt | None:
        """Ingest a file into the report; its receipt, or None if it was rejected."""
        progress = self.progress
        try:
            receipt = ingest_file(
                self.home,
                file,
                self.now_ms,
                self.settings.threads,
                (lambda done, size: progress(done, size, file.name)) if progress else None,
            )
        except (FileRejected, Damaged) as refusal:
            report.refused.append(without_traceback(refusal))
            return None
        report.files.append(receipt)
        return receipt

    def ingest_new(
        self, files: Sequence[Path], report: IngestReport, stop: Stop | None = None
    ) -> None:
        """Ingest inbox files into the report, and note them as ingested.

        Once `stop` is set, no further file is started.
        """
        if files and stop is not None:
            # Otherwise a thread imports it, and an interrupt would abort the current file.
            load_polars()
        for number, file in enumerate(files):
            if stop is not None and stop.is_set():
                report.undone += len(files) - number
                return
            receipt = self.ingest(file, report)
            if receipt is not None:
                note_ingested(self.home, file, receipt.batch)


def ingest_paths(
    home: Home,
    paths: Iterable[Path],
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
) -> IngestReport:
    """Ingest files, and the event files directly inside folders."""
    report = IngestReport()
    ingester = Ingester(home, now_ms, settings, progress)
    for path in paths:
        for file in _find_files(path, report):
            ingester.ingest(file, report)
    return report


def ingest_inbox(
    home: Home,
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> IngestReport:
    """Ingest the inbox. A file that has not changed since its ingest is not read again."""
    report = IngestReport()
    files = new_files(home, report)
    Ingester(home, now_ms, settings, progress).ingest_new(files, report, stop)
    return report


def new_files(home: Home, report: IngestReport) -> list[Path]:
    """The inbox files that are new, or have changed since they were ingested."""
    if not home.inbox.is_dir():
        return []
    return [file for file in _find_files(home.inbox, report) if not is_ingested(home, file)]


def _find_files(path: Path, report: IngestReport) -> list[Path]:
    try:
        files = event_files(path)
    except FileRejected as refusal:
        report.refused.append(without_traceback(refusal))
        return []
    # Following links would let anyone who may write to the folder have any file read that this
    # process may read.
    links = [file for file in files if file != path and file.is_symlink()]
    reason = "it is a symbolic link, and links in a folder are not followed; put the file there"
    report.refused += [FileRejected(link, reason) for link in links]
    return [file for file in files if file not in links]
