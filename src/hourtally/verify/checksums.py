"""Stored bytes against the records of them: manifests, batches, the index of documents."""

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
from hourtally.verify.row_comparison import PARQUET, read_table

INDEX: Final = "customers.parquet"
DOCUMENTS: Final = "documents.ndjson"
CONFLICTS: Final = "conflicts.parquet"
FILES: Final = frozenset(
    (
        "charges.parquet",
        "clusters.parquet",
        "types.parquet",
        "projects.parquet",
        "teams.parquet",
        INDEX,
        DOCUMENTS,
    )
)


def check_chain(home: Home, hour: Hour, findings: Findings) -> Manifest | None:
    """Check the manifests of an hour, from 1 on, and the files of all but the newest revision.

    Returns:
        The newest manifest, if it can be read.
    """
    revisions = revisions_of(home, hour)
    newest = None
    for revision in range(1, max(revisions, default=0) + 1):
        newest = None
        path = home.manifest(hour, revision)
        try:
            manifest = read_manifest(home, hour, revision)
        except NotFound:
            findings.add(path, "the manifest", "a file", "none")
        except Damaged as error:
            findings.add(path, "the manifest", "the one that was written", error.reason)
        else:
            parent = None if revision == 1 else revision - 1
            findings.compare(path, "its parent", parent, manifest.record.get("parent"))
            timestamp = manifest.record.get("timestamp")
            findings.compare(path, "its timestamp", hour.timestamp, timestamp)
            if not manifest.folder.is_dir():
                findings.add(manifest.folder, "the revision's folder", "a folder", "none")
            elif revision < revisions[-1]:
                check_files(manifest, findings)
            newest = manifest
    return newest


def check_files(manifest: Manifest, findings: Findings) -> set[str]:
    """Check the files of a revision by size and SHA-256; the names of those that are whole."""
    files = manifest.record["files"]
    conflicts = field_of(manifest.record["conflicts"], "count")
    expected = sorted(FILES | {CONFLICTS} if conflicts else FILES)
    recorded = sorted(files) if isinstance(files, dict) else []
    findings.compare(manifest.path, "the names of its files", expected, recorded)
    return {
        name
        for name in expected
        if name in recorded and check_file(manifest.folder / name, files[name], findings)
    }


def check_file(path: Path, record: Any, findings: Findings) -> bool:
    """Check a file by the size and SHA-256 in a record of it."""
    try:
        held = durable.describe_file(path)
    except FileNotFoundError:
        findings.add(path, "the file", "a file", "none")
        return False
    except OSError as error:
        findings.add(path, "the file", "one that can be read", str(error))
        return False
    size = findings.compare(path, "its size", field_of(record, "size"), held["size"])
    digest = findings.compare(path, "its SHA-256", field_of(record, "sha256"), held["sha256"])
    return size and digest


def check_index(manifest: Manifest, whole: set[str], findings: Findings) -> None:
    """Check each document by the offset, length and SHA-256 in the index."""
    path = manifest.folder / DOCUMENTS
    if INDEX not in whole or not path.is_file():
        return
    with path.open("rb") as file:
        for row in read_table(manifest.folder / INDEX, CUSTOMERS, 1, findings):
            customer_id, (offset, length, sha256) = row[0], row[-3:]
            file.seek(max(0, offset))
            digest = hashlib.sha256(file.read(max(0, length))).hexdigest()
            place = f"at byte {offset}, {length} long, where {INDEX} has that of {customer_id}"
            findings.compare(path, f"the SHA-256 of the document {place}", sha256, digest)


class Batches:
    """The ingest records, each read and checked once however many hours it touches.

    And the rates statements, which hours share too.
    """

    def __init__(self, home: Home, findings: Findings) -> None:
        self._home = home
        self._findings = findings
        self._known: dict[str, dict[str, Any] | None] = {}
        self._statements: set[str] = set()

    def check_slices(self, hour: Hour, batch: str) -> bool:
        """Check the slices of a batch in an hour by its record; whether they are whole."""
        if batch not in self._known:
            self._known[batch] = self._read(batch)
        record = self._known[batch]
        if record is None:
            return False
        path = self._home.slices(hour, batch)
        entry = field_of(field_of(record, "hours"), hour.name)
        if entry is None:
            self._findings.add(
                self._home.batch_record(batch), f"its entry of {hour}", "one", "none"
            )
            return False
        if not check_file(path, entry, self._findings):
            return False
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            self._findings.add(path, "its rows", PARQUET, str(error))
            return False
        return self._findings.compare(path, "its rows", field_of(entry, "rows"), rows)

    def check_statement(self, digest: str) -> None:
        """Check the rates that a home has kept under their digest."""
        if digest in self._statements:
            return
        self._statements.add(digest)
        path = self._home.statement(digest)
        try:
            held = durable.sha256_of(path)
        except FileNotFoundError:
            self._findings.add(path, "the rates of published hours", "a file", "none")
        else:
            self._findings.compare(path, "its SHA-256", digest, held)

    def check_others(self) -> None:
        """Check the records that no hour has asked for: of hours to be built, or of none."""
        for path in durable.list_folder(self._home.batches):
            if path.suffix == ".json" and path.stem not in self._known:
                self._known[path.stem] = self._read(path.stem)

    def _read(self, batch: str) -> dict[str, Any] | None:
        """A record whose numbers add up."""
        path = self._home.batch_record(batch)
        try:
            record = durable.read_sealed_json(path)
        except FileNotFoundError:
            self._findings.add(path, "the ingest record", "a file", "none")
            return None
        except Damaged as error:
            self._findings.add(path, "the ingest record", "the one that was written", error.reason)
            return None
        counts = ("accepted", "duplicates", "quarantined")
        lines = sum(record.get(count, 0) for count in counts)
        self._findings.compare(path, "its batch", path.stem, record.get("batch"))
        self._findings.compare(path, "its lines", lines, record.get("lines"))
        quarantined = record.get("quarantined")
        rules = sum(record.get("rules", {}).values())
        self._findings.compare(path, "its quarantined lines by rule", quarantined, rules)
        kept = self._home.quarantine(batch)
        if entry := record.get("quarantine"):
            check_file(kept, entry, self._findings)
        else:
            # There is none, or the record is of before quarantine files had digests.
            self._findings.compare(kept, "its lines", quarantined, _lines(kept))
        return record


def _lines(path: Path) -> int:
    """How many lines a file has; none where there is no file."""
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0


def field_of(record: Any, name: str) -> Any:
    """A field of what is to be an object; None where there is no such field."""
    return record.get(name) if isinstance(record, dict) else None
