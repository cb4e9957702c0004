"""Many event files, ingested: those of paths, or the new ones of the inbox, and what came of each.

What went wrong with one file is in the report, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hourtally.errors import Damaged, FileRejected, without_traceback
from hourtally.ingest.batch import IngestReceipt, ingest_file
from hourtally.ingest.discovery import event_files
from hourtally.ingest.inbox import remember, remembered
from hourtally.runtime.interrupts import Stop, load_polars
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store.layout import Home


@dataclass
class IngestReport:
    """files: one receipt a file, in order. refused: why nothing of the others was taken.

    undone: how many files were not begun, because the job was asked to stop.
    """

    files: list[IngestReceipt] = field(default_factory=list)
    refused: list[FileRejected | Damaged] = field(default_factory=list)
    undone: int = 0

    @property
    def quarantined(self) -> int:
        """Lines quarantined by this job, not by an earlier one."""
        return sum(receipt.quarantined for receipt in self.files if not receipt.skipped)


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
    """Ingest files of the inbox into the report, and note them as ingested.

    Once `stop` is set no other is begun.
    """
    if files and stop is not None:
        # Threads load it otherwise, and an interrupt would end the file in hand.
        load_polars()
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
    except FileRejected as refusal:
        report.refused.append(without_traceback(refusal))
        return []
    # Whoever may put a link into a folder could have any file read that a run may read.
    links = [file for file in files if file != path and file.is_symlink()]
    reason = "it is a symbolic link, and none is followed out of a folder; put the file there"
    report.refused += [FileRejected(link, reason) for link in links]
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
    except (FileRejected, Damaged) as refusal:
        report.refused.append(without_traceback(refusal))
        return None
    report.files.append(receipt)
    return receipt
