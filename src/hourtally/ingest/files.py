"""Ingest many event files: those that paths name, or the new ones in the inbox.

A problem with one file goes into the report, and the other files are still ingested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hourtally.errors import BatchWithdrawn, Damaged, FileRejected, without_traceback
from hourtally.ingest.batch import Ingesting, Outcome, ingest_together
from hourtally.ingest.discovery import Tally, named_files, path_text
from hourtally.ingest.inbox import Sighting, note_ingested, search_inbox, see
from hourtally.ingest.observations import observed
from hourtally.ingest.receipts import IngestReceipt
from hourtally.ingest.remarks import in_conflict, remarks
from hourtally.runtime.interrupts import Stop, load_polars
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.records import deciding_record

# Files that are ingested together: a Ctrl-C waits for all of them, a second or two.
_MOST_TOGETHER: Final = 200
_BYTES_TOGETHER: Final = 16 << 20


@dataclass
class IngestReport:
    """What became of the files of a job.

    Attributes:
        files: a receipt for each file, in order.
        refused: why other files were rejected.
        undone: how many files were not started, because the job was asked to stop.
        finished: how many inbox files were, with any outcome.
        passed_over: files in folders that are not taken, each with its `file` and `why`.
        earlier_quarantined: inbox files of earlier runs that have lines in quarantine, each with
            its `file` and `quarantine`.
        withdrawn: inbox files whose batch is withdrawn, each with its `file` and `batch`.
        missing_inbox: the URL of an inbox that no object lies below; else empty.
    """

    files: list[IngestReceipt] = field(default_factory=list)
    refused: list[FileRejected | Damaged] = field(default_factory=list)
    undone: int = 0
    finished: int = 0
    passed_over: Tally = field(default_factory=Tally)
    earlier_quarantined: Tally = field(default_factory=Tally)
    withdrawn: Tally = field(default_factory=Tally)
    missing_inbox: str = ""

    @property
    def quarantined(self) -> int:
        """Lines in quarantine of the files that this job read, but not of earlier runs' files."""
        return sum(receipt.quarantined for receipt in self.files if not receipt.known)

    def remarks(self) -> Iterator[str]:
        """What there is to say beside the counts, a sentence each."""
        new = [receipt for receipt in self.files if not receipt.skipped]
        yield from observed(receipt.observations for receipt in new)
        identities = sum(receipt.conflicts for receipt in new)
        if identities:
            losers = sum(receipt.conflict_losers for receipt in new)
            yield f"Inside the new files: {in_conflict(identities, losers)}."
        yield from remarks(self.passed_over, self.earlier_quarantined, self.withdrawn)

    def add(self, part: IngestReport) -> None:
        """Add the report of a part of the files."""
        self.files += part.files
        self.refused += part.refused
        self.undone += part.undone
        self.finished += part.finished
        self.passed_over.merge(part.passed_over)
        self.earlier_quarantined.merge(part.earlier_quarantined)
        self.withdrawn.merge(part.withdrawn)


@dataclass(frozen=True)
class Ingester:
    """Ingests files into a home, as of one instant. again: judge anew what was ingested before."""

    home: Home
    now_ms: int
    settings: Settings
    progress: Progress | None = None
    again: bool = False

    def ingest(self, files: Sequence[Path], report: IngestReport) -> None:
        """Ingest files into the report."""
        for group in groups_of(files):
            for outcome in self._outcomes(group):
                if isinstance(outcome, IngestReceipt):
                    report.files.append(outcome)
                else:
                    report.refused.append(without_traceback(outcome))

    def _outcomes(self, group: Sequence[Path]) -> list[Outcome]:
        durable.fetch_files(group)
        try:
            return self._ingested(group)
        finally:
            durable.release(group)

    def _ingested(self, group: Sequence[Path]) -> list[Outcome]:
        progress = self.progress
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        how = Ingesting(
            self.home,
            self.now_ms,
            self.settings.threads,
            (lambda done, size: progress(done, size, group[0].name + more)) if progress else None,
            self.again,
        )
        return ingest_together(how, group)

    def ingest_new(
        self, files: Sequence[Path], report: IngestReport, stop: Stop | None = None
    ) -> None:
        """Ingest inbox files into the report, and note them as ingested.

        Withdrawn ones are passed over. Once `stop` is set, no further file is started.
        """
        if files and stop is not None:
            # Otherwise a thread imports it, and an interrupt would abort the current file.
            load_polars()
        started = 0
        for group in groups_of(files):
            if stop is not None and stop.is_set():
                report.undone += len(files) - started
                return
            started += len(group)
            seen = [see(self.home, file) for file in group]
            for file, sighting, outcome in zip(group, seen, self._outcomes(group), strict=True):
                self._note(file, sighting, outcome, report)
            report.finished += len(group)

    def _note(self, file: Path, seen: Sighting, outcome: Outcome, report: IngestReport) -> None:
        if isinstance(outcome, BatchWithdrawn):
            if not seen.unchanged:
                report.withdrawn.add(file=path_text(file), batch=outcome.batch)
            found = deciding_record(self.home, outcome.batch)
            if found is not None:
                note_ingested(self.home, file, seen, found.name)
            return
        if not isinstance(outcome, IngestReceipt):
            report.refused.append(without_traceback(outcome))
            return
        receipt = outcome
        if receipt.skipped and receipt.batch == seen.batch:
            receipt = replace(receipt, known=True)
            if receipt.quarantined and not seen.unchanged:
                quarantine = path_text(self.home.quarantine(receipt.record))
                report.earlier_quarantined.add(file=receipt.file, quarantine=quarantine)
        report.files.append(receipt)
        note_ingested(self.home, file, seen, receipt.record)


def groups_of(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Files in order: small ones that are ingested together, and each larger one alone."""
    group: list[Path] = []
    bytes_together = 0
    for file in files:
        try:
            size = durable.file_size(file)
        except OSError:
            size = 0  # Reading it says why.
        if group and (len(group) == _MOST_TOGETHER or bytes_together + size > _BYTES_TOGETHER):
            yield group
            group, bytes_together = [], 0
        group.append(file)
        bytes_together += size
    if group:
        yield group


def ingest_paths(
    home: Home,
    paths: Iterable[Path],
    now_ms: int,
    settings: Settings,
    progress: Progress | None = None,
    *,
    again: bool = False,
) -> IngestReport:
    """Ingest files, and the event files in folders and their subfolders."""
    report = IngestReport()
    ingester = Ingester(home, now_ms, settings, progress, again)
    for path in paths:
        try:
            found = named_files(path)
        except FileRejected as refusal:
            report.refused.append(without_traceback(refusal))
            continue
        report.passed_over.merge(found.passed_over)
        report.refused += map(without_traceback, found.refused)
        ingester.ingest(found.files, report)
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


def new_files(home: Home, report: IngestReport, folder: Path | None = None) -> list[Path]:
    """The inbox files that are new, or have changed since they were ingested.

    folder: the inbox, if it is not the home's own.

    What else there is to tell of the inbox goes into the report.
    """
    inbox = search_inbox(home, folder)
    report.refused += map(without_traceback, inbox.refused)
    report.passed_over.merge(inbox.passed_over)
    report.earlier_quarantined.merge(inbox.quarantined)
    report.withdrawn.merge(inbox.withdrawn)
    if inbox.is_missing:
        report.missing_inbox = path_text(folder or home.inbox)
    return inbox.new
