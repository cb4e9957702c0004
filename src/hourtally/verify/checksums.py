"""Stored files against their records: manifests, batch records, the index of documents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.errors import Damaged, NotFound
from hourtally.model.hours import Hour
from hourtally.model.schemas import CUSTOMERS
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, read_manifest, revisions_of
from hourtally.verify.findings import Findings
from hourtally.verify.row_comparison import read_table

DOCUMENTS: Final = "documents.ndjson"
_INDEX: Final = "customers.parquet"
_CONFLICTS: Final = "conflicts.parquet"
# Every revision has these files, and one with conflicts has `conflicts.parquet` too.
_FILES: Final = frozenset(
    (
        "charges.parquet",
        "clusters.parquet",
        "types.parquet",
        "projects.parquet",
        "teams.parquet",
        _INDEX,
        DOCUMENTS,
    )
)


def check_manifests(home: Home, hour: Hour, findings: Findings) -> Manifest | None:
    """Check all manifests of an hour, and the files of all revisions but the newest.

    Returns:
        The newest manifest, if it is readable.
    """
    revisions = revisions_of(home, hour)
    newest = None
    for revision in range(1, max(revisions, default=0) + 1):
        newest = None
        path = home.manifest(hour, revision)
        try:
            manifest = read_manifest(home, hour, revision)
        except NotFound:
            findings.add(path, "missing manifest")
        except Damaged as error:
            findings.add(path, f"damaged manifest: {error.reason}")
        else:
            parent = None if revision == 1 else revision - 1
            findings.compare(path, "parent", parent, manifest.record.get("parent"))
            timestamp = manifest.record.get("timestamp")
            findings.compare(path, "timestamp", hour.timestamp, timestamp)
            if not manifest.folder.is_dir():
                findings.add(manifest.folder, "missing folder of a revision")
            elif revision < revisions[-1]:
                check_files(manifest, findings)
            newest = manifest
    return newest


def check_files(manifest: Manifest, findings: Findings) -> set[str]:
    """Check the files of a revision by size and SHA-256; the names of the intact ones."""
    files = manifest.record["files"]
    conflicts = _field(manifest.record["conflicts"], "count")
    expected = sorted(_FILES | {_CONFLICTS} if conflicts else _FILES)
    recorded = sorted(files) if isinstance(files, dict) else []
    findings.compare(manifest.path, "file names", expected, recorded)
    return {
        name
        for name in expected
        if name in recorded and _check_file(manifest.folder / name, files[name], findings)
    }


def check_index(manifest: Manifest, intact: set[str], findings: Findings) -> None:
    """Check each document by the offset, length and SHA-256 in the index."""
    path = manifest.folder / DOCUMENTS
    if _INDEX not in intact or not path.is_file():
        return
    with path.open("rb") as file:
        for row in read_table(manifest.folder / _INDEX, CUSTOMERS, 1, findings):
            customer_id, (offset, length, sha256) = row[0], row[-3:]
            file.seek(max(0, offset))
            digest = hashlib.sha256(file.read(max(0, length))).hexdigest()
            what = (
                f"SHA-256 of the document of {customer_id} (by {_INDEX} at byte {offset}, "
                f"{length} long)"
            )
            findings.compare(path, what, sha256, digest)


class StoredInputs:
    """The inputs of hours: slices by their batch records, and rates by their digest.

    Hours share inputs, so each record is read and checked once.
    """

    def __init__(self, home: Home, findings: Findings) -> None:
        self._home = home
        self._findings = findings
        self._records: dict[str, dict[str, Any] | None] = {}
        self._rates: set[str] = set()

    def check_slices(self, hour: Hour, batch: str) -> bool:
        """Check the slices of a batch in an hour by the batch record; whether they are intact."""
        if batch not in self._records:
            self._records[batch] = self._read_record(batch)
        record = self._records[batch]
        if record is None:
            return False
        path = self._home.slices(hour, batch)
        entry = _field(_field(record, "hours"), hour.name)
        if entry is None:
            self._findings.add(self._home.batch_record(batch), f"no entry for hour {hour}")
            return False
        if not _check_file(path, entry, self._findings):
            return False
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            self._findings.add(path, f"not readable as Parquet: {error}")
            return False
        return self._findings.compare(path, "row count", _field(entry, "rows"), rows)

    def check_rates(self, digest: str) -> None:
        """Check the stored rates with this digest."""
        if digest in self._rates:
            return
        self._rates.add(digest)
        path = self._home.rates_snapshot(digest)
        try:
            sha256 = durable.sha256_of(path)
        except FileNotFoundError:
            self._findings.add(path, "missing rates of published hours")
        else:
            self._findings.compare(path, "SHA-256", digest, sha256)

    def check_remaining_records(self) -> None:
        """Check the records of batches that no verified hour has as an input."""
        for path in durable.list_folder(self._home.batches):
            if path.suffix == ".json" and path.stem not in self._records:
                self._records[path.stem] = self._read_record(path.stem)

    def _read_record(self, batch: str) -> dict[str, Any] | None:
        """A batch record, after checking that its counts add up; None if it is unreadable."""
        path = self._home.batch_record(batch)
        try:
            record = durable.read_sealed_json(path)
        except FileNotFoundError:
            self._findings.add(path, "missing batch record")
            return None
        except Damaged as error:
            self._findings.add(path, f"damaged batch record: {error.reason}")
            return None
        counts = ("accepted", "duplicates", "quarantined")
        lines = sum(record.get(count, 0) for count in counts)
        self._findings.compare(path, "batch", path.stem, record.get("batch"))
        self._findings.compare(path, "lines", lines, record.get("lines"))
        quarantined = record.get("quarantined")
        by_rule = sum(record.get("rules", {}).values())
        self._findings.compare(path, "sum of quarantined lines by rule", quarantined, by_rule)
        quarantine = self._home.quarantine(batch)
        if entry := record.get("quarantine"):
            _check_file(quarantine, entry, self._findings)
        else:
            # Nothing was quarantined, or the record is older than digests of quarantine files.
            self._findings.compare(quarantine, "lines", quarantined, _line_count(quarantine))
        return record


def _check_file(path: Path, record: Any, findings: Findings) -> bool:
    """Check a file by the size and SHA-256 in its record; whether it is intact."""
    try:
        actual = durable.describe_file(path)
    except FileNotFoundError:
        findings.add(path, "missing file")
        return False
    except OSError as error:
        findings.add(path, f"unreadable file: {error}")
        return False
    size = findings.compare(path, "size", _field(record, "size"), actual["size"])
    digest = findings.compare(path, "SHA-256", _field(record, "sha256"), actual["sha256"])
    return size and digest


def _line_count(path: Path) -> int:
    """The lines of a file; 0 if there is no file."""
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0


def _field(record: Any, name: str) -> Any:
    """A field of a record that should be an object; None if it has no such field."""
    return record.get(name) if isinstance(record, dict) else None
