"""Export one JSON file per customer and hour: `<customer>/<timestamp>.json`.

The tree follows the newest revisions. The home has a mark for each hour that the tree has, with
the digest of the documents that were exported (`marks.py`). Of an hour without the right mark
every file is written, and files of customers that are no longer in the hour are removed. No
customer's folder starts with `@`, as percent-encoding always encodes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hourtally.errors import Damaged, HourtallyError, NoQuantities
from hourtally.model.hours import Hour
from hourtally.published.checked_files import recorded_sha256
from hourtally.published.document_index import USAGE_DOCUMENTS, read_customers
from hourtally.published.export.failures import not_exported
from hourtally.published.export.sources import DOCUMENTS, Source
from hourtally.published.export.tree import ExportTree, folder_name, open_tree
from hourtally.published.reader import (
    check_quantities,
    read_current,
    read_document,
    read_documents,
)
from hourtally.runtime.progress import Progress
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest


@dataclass
class ExportReport:
    """Files written and removed; hours that were exported, and hours that were current already."""

    written: int = 0
    removed: int = 0
    hours: int = 0
    current: int = 0


@durable.at_one_moment
def export_hours(
    home: Home,
    directory: Path,
    hours: Sequence[Hour],
    customer: str | None = None,
    progress: Progress | None = None,
    source: Source = DOCUMENTS,
) -> ExportReport:
    """Export the newest revisions of published hours.

    A customer has a file for each hour in which it had events, unless the hour holds it: then
    `@held.ndjson` has a line. With `customer`, only its files are exported, and no hour is marked
    as current.

    Raises:
        Damaged, NotExported: a file of a revision does not match its manifest, or an earlier
            version built an hour without usage documents; the other hours are exported.
        ForeignTree: the folder belongs to another home or kind of export.
        StorageFault: the system refused a write, or a symbolic link lies in the tree.
    """
    report = ExportReport()
    failed: list[tuple[Hour, HourtallyError]] = []
    with (
        durable.storage_faults(directory, "exporting", "another folder"),
        open_tree(home, directory, source.kind) as tree,
    ):
        work = _Work(tree, home, source, customer, report)
        for number, hour in enumerate(hours, 1):
            try:
                read_current(partial(_export_newest, work, hour))
            except (Damaged, NoQuantities) as error:
                failed.append((hour, error))
            if progress:
                progress(number, len(hours), hour.name)
        tree.write_marks()
        tree.write_held()
    if failed:
        raise not_exported(failed) from failed[0][1]
    return report


@dataclass(frozen=True)
class _Work:
    """An export under way. customer: the only one to export, or None."""

    tree: ExportTree
    home: Home
    source: Source
    customer: str | None
    report: ExportReport

    def digest(self, manifest: Manifest) -> str:
        """The SHA-256 of a revision's documents."""
        return recorded_sha256(manifest, self.source.documents.file)

    def is_current(self, manifest: Manifest) -> bool:
        """Whether the hour's files are from a revision's documents."""
        mark = self.tree.mark_of(manifest.hour)
        return mark is not None and mark.get("sha256") == self.digest(manifest)


def _export_newest(work: _Work, hour: Hour) -> None:
    manifest = current_manifest(work.home, hour)
    if manifest is None:
        return
    if work.source.documents == USAGE_DOCUMENTS:
        check_quantities(manifest)
    if work.customer is None:
        _export_hour(work, manifest)
    else:
        _export_customer(work, manifest, work.customer)
    work.tree.held.replace(hour, _held_ids(manifest), work.customer)


def _export_hour(work: _Work, manifest: Manifest) -> None:
    tree, report = work.tree, work.report
    if work.is_current(manifest):
        report.current += 1
        return
    # The manifest may not be on disk yet if its builder was killed. If it were lost after the
    # export, the mark of the previous revision would match again, but the files would not.
    durable.fsync_folder(work.home.hour(manifest.hour))
    tree.remove_mark(manifest.hour)
    name = _file_name(manifest.hour)
    folders = set()
    for customer, document in read_documents(manifest, work.source.documents):
        folder = folder_name(customer)
        tree.write(folder, name, document)
        folders.add(folder)
    durable.release([manifest.folder])
    report.written += len(folders)
    # Only folders that existed before can have stale files. So the first export of a year does
    # not check every customer in every hour.
    report.removed += sum(tree.remove(folder, name) for folder in tree.existing_folders - folders)
    report.hours += 1
    mark = {"revision": manifest.revision, "sha256": work.digest(manifest)}
    tree.mark(manifest.hour, mark, len(folders))


def _export_customer(work: _Work, manifest: Manifest, customer: str) -> None:
    """Export one customer's file of an hour, and remove a mark that it makes wrong."""
    tree, report = work.tree, work.report
    hour, name, folder = manifest.hour, _file_name(manifest.hour), folder_name(customer)
    if not work.is_current(manifest):
        tree.remove_mark(hour)
    customers = read_customers(manifest)
    row = customers.find(customer)
    if row is not None and not customers.is_held(row):
        tree.write(folder, name, read_document(manifest, customer, work.source.documents))
        report.written += 1
    elif folder in tree.existing_folders:
        report.removed += tree.remove(folder, name)
    report.hours += 1


def _held_ids(manifest: Manifest) -> list[str]:
    return read_customers(manifest).held_ids if manifest.held_customers else []


def _file_name(hour: Hour) -> str:
    return f"{hour.timestamp}.json"
