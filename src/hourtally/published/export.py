"""Export one JSON file per customer and hour: `<customer>/<timestamp>.json`.

The tree follows the newest revisions. Each hour has a marker, `@hourtally/<hour>.json`, with the
digest of the documents that were exported. It is removed before the first file of the hour is
touched and written after the last one, so an hour without the right marker is exported again,
whatever interrupted the last export: every file is written, and files of customers that are no
longer in the hour are removed. No customer's folder starts with `@`, as percent-encoding always
encodes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.published.checked_files import recorded_sha256
from hourtally.published.document_index import DOCUMENTS_FILE, read_customers
from hourtally.published.export_tree import ExportTree, folder_name, open_tree
from hourtally.published.reader import read_current, read_document, read_documents
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


def export_hours(
    home: Home,
    directory: Path,
    hours: Sequence[Hour],
    customer: str | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Export the newest revisions of published hours.

    A customer has a file for each hour in which it had events, unless the hour holds it: then
    `@held.ndjson` has a line. With `customer`, only its files are exported, and no hour is marked
    as current.

    Raises:
        Damaged: a file of a revision does not match its manifest; the other hours are exported.
        StorageFault: the system refused a write, or a symbolic link lies in the tree.
    """
    report = ExportReport()
    damaged: list[tuple[Hour, Damaged]] = []
    with (
        durable.storage_faults(directory, "exporting", "another folder"),
        open_tree(directory) as tree,
    ):
        for number, hour in enumerate(hours, 1):
            try:
                read_current(partial(_export_newest, tree, home, hour, customer, report))
            except Damaged as damage:
                damaged.append((hour, damage))
            if progress:
                progress(number, len(hours), hour.name)
        tree.write_markers()
        tree.write_held()
    if damaged:
        first = damaged[0][1]
        names = ", ".join(hour.name for hour, _ in damaged)
        raise Damaged(first.path, f"{first.reason}. Not exported: {names}") from first
    return report


def _export_newest(
    tree: ExportTree, home: Home, hour: Hour, customer: str | None, report: ExportReport
) -> None:
    manifest = current_manifest(home, hour)
    if manifest is None:
        return
    if customer is None:
        _export_hour(tree, home, manifest, report)
    else:
        _export_customer(tree, manifest, customer, report)
    tree.held.replace(hour, _held_ids(manifest), customer)


def _export_hour(tree: ExportTree, home: Home, manifest: Manifest, report: ExportReport) -> None:
    documents = recorded_sha256(manifest, DOCUMENTS_FILE)
    if tree.is_current(manifest.hour, documents):
        report.current += 1
        return
    # The manifest may not be on disk yet if its builder was killed. If it were lost after the
    # export, the marker of the previous revision would match again, but the files would not.
    durable.fsync_folder(home.hour(manifest.hour))
    tree.remove_marker(manifest.hour)
    name = _file_name(manifest.hour)
    folders = set()
    for customer, document in read_documents(manifest):
        folder = folder_name(customer)
        tree.write(folder, name, document)
        folders.add(folder)
    report.written += len(folders)
    # Only folders that existed before can have stale files. So the first export of a year does
    # not check every customer in every hour.
    report.removed += sum(tree.remove(folder, name) for folder in tree.existing_folders - folders)
    report.hours += 1
    tree.mark(manifest.hour, documents, len(folders))


def _export_customer(
    tree: ExportTree, manifest: Manifest, customer: str, report: ExportReport
) -> None:
    """Export one customer's file of an hour, and remove a marker that it makes wrong."""
    hour, name, folder = manifest.hour, _file_name(manifest.hour), folder_name(customer)
    if not tree.is_current(hour, recorded_sha256(manifest, DOCUMENTS_FILE)):
        tree.remove_marker(hour)
    customers = read_customers(manifest)
    row = customers.find(customer)
    if row is not None and not customers.is_held(row):
        tree.write(folder, name, read_document(manifest, customer))
        report.written += 1
    elif folder in tree.existing_folders:
        report.removed += tree.remove(folder, name)
    report.hours += 1


def _held_ids(manifest: Manifest) -> list[str]:
    return read_customers(manifest).held_ids if manifest.held_customers else []


def _file_name(hour: Hour) -> str:
    return f"{hour.timestamp}.json"
