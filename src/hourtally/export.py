"""One JSON file a customer and hour, for other servers: `<customer>/<timestamp>.json`.

A note an hour in `@hourtally/` says which revision was exported and which customers it has; it
is written last. So an hour in step is skipped, a restatement rewrites its files and removes
those of customers that are no longer in it, and what a crash left half is done again. No
customer's folder begins with `@`, which percent-encoding never leaves as it is.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from hourtally import home as storage
from hourtally.errors import Damaged, StorageFault
from hourtally.home import Home
from hourtally.hours import Hour
from hourtally.reading import read_customers, read_document, read_documents
from hourtally.revisions import Manifest, current_manifest

_NOTES: Final = "@hourtally"
# What a file system takes as one name.
_MOST_NAME_BYTES: Final = 255

Progress = Callable[[int, int, str], None]


@dataclass
class ExportReport:
    """Files written and removed; hours brought into step, and hours that were."""

    written: int = 0
    removed: int = 0
    hours: int = 0
    current: int = 0


def folder_name(customer: str) -> str:
    """The folder of a customer: its id percent-encoded, unreserved characters as they are.

    `.` and `..` are encoded too. An id whose encoding no file system would take as a name has
    its first 180 characters, `,`, and the SHA-256 of the id, which no encoded id looks like.
    """
    name = quote(customer, safe="")
    if set(name) == {"."}:
        name = "%2E" * len(name)
    if len(name) > _MOST_NAME_BYTES:
        name = f"{name[:180]},{hashlib.sha256(customer.encode()).hexdigest()}"
    return name


def export_hours(
    home: Home,
    directory: Path,
    hours: Sequence[Hour],
    customer: str | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Bring the files of published hours into step with their newest revisions.

    With a customer, only its files are written, and no hour is noted as being in step.

    Raises:
        Damaged: a revision's file is not what its manifest says.
        StorageFault: the system refused a write, or a symbolic link lies in the tree.
    """
    report = ExportReport()
    with storage.storage_faults(directory, "exporting"):
        storage.make_folder(directory)
        for number, hour in enumerate(hours, 1):
            manifest = current_manifest(home, hour)
            if manifest is not None and customer is not None:
                _write(directory, hour, customer, read_document(manifest, customer))
                report.written += 1
                report.hours += 1
            elif manifest is not None:
                _export(directory, manifest, report)
            if progress:
                progress(number, len(hours), hour.name)
    return report


def _export(directory: Path, manifest: Manifest, report: ExportReport) -> None:
    hour = manifest.hour
    note = directory / _NOTES / f"{hour.name}.json"
    before = _noted(note)
    if before.get("revision") == manifest.folder.name:
        report.current += 1
        return
    customers = read_customers(manifest).ids.to_pylist()
    gone = set(before.get("customers", ())) - set(customers)
    storage.make_folder(note.parent)
    # Whoever may have a file from now on is noted first, so that a crash leaves none forgotten.
    _note(note, None, [*customers, *gone])
    for customer, document in read_documents(manifest):
        _write(directory, hour, customer, document)
        report.written += 1
    for customer in sorted(gone):
        (directory / folder_name(customer) / f"{hour.timestamp}.json").unlink(missing_ok=True)
        report.removed += 1
    _note(note, manifest.folder.name, customers)
    report.hours += 1


def _note(note: Path, revision: str | None, customers: list[str]) -> None:
    record = {"revision": revision, "customers": sorted(customers)}
    storage.replace_file(note, storage.to_json(record))


def _noted(note: Path) -> dict[str, Any]:
    try:
        return storage.read_json(note)
    except (FileNotFoundError, Damaged):
        return {}


def _write(directory: Path, hour: Hour, customer: str, document: bytes) -> None:
    """Replace one file whole. It is not fsynced: after a power loss it can be exported again."""
    folder = directory / folder_name(customer)
    folder.mkdir(exist_ok=True)
    if folder.is_symlink():
        message = f"{folder}: a symbolic link in the export folder is not followed; remove it"
        raise StorageFault(message)
    temporary = folder / f".{hour.timestamp}.{secrets.token_hex(4)}.tmp"
    temporary.write_bytes(document)
    temporary.replace(folder / f"{hour.timestamp}.json")
