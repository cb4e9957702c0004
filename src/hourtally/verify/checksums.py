"""Stored files against their records: manifests, batch records, the index of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.errors import Damaged, NotFound
from hourtally.model.hours import Hour
from hourtally.model.schemas import CUSTOMERS
from hourtally.ratecard import (
    HourRates,
    Rate,
    read_cases,
    read_rates_snapshot,
    read_snapshot_currency,
)
from hourtally.store import durable
from hourtally.store.batches import parse_record_name
from hourtally.store.input_files import HourFiles
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, read_manifest, revisions_of
from hourtally.store.pruning import is_pruned
from hourtally.verify.build_versions import has_quantities, stored_schema
from hourtally.verify.findings import Findings
from hourtally.verify.row_comparison import read_table

DOCUMENTS: Final = "documents.ndjson"
USAGE: Final = "usage.ndjson"
_INDEX: Final = "customers.parquet"
_CONFLICTS: Final = "conflicts.parquet"
_HELD: Final = "held.parquet"
_PLACE: Final = ("offset", "length", "sha256")
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
            if is_pruned(home, hour, revision):
                findings.pruned += revision < revisions[-1]
            elif not durable.folder_exists(manifest.folder):
                findings.add(manifest.folder, "missing folder of a revision")
            elif revision < revisions[-1]:
                check_files(manifest, findings)
            newest = manifest
    return newest


def check_files(manifest: Manifest, findings: Findings) -> set[str]:
    """Check the files of a revision by size and SHA-256; the names of the intact ones."""
    files = manifest.record["files"]
    conflicts = _field(manifest.record["conflicts"], "count")
    names = _FILES | ({_CONFLICTS} if conflicts else set())
    names |= {USAGE} if has_quantities(manifest) else set()
    expected = sorted(names | ({_HELD} if manifest.held_customers else set()))
    recorded = sorted(files) if isinstance(files, dict) else []
    findings.compare(manifest.path, "file names", expected, recorded)
    return {
        name
        for name in expected
        if name in recorded and check_file(manifest.folder / name, files[name], findings)
    }


def check_index(manifest: Manifest, intact: set[str], findings: Findings) -> None:
    """Check each document by the offset, length and SHA-256 in the index."""
    for name, prefix in ((DOCUMENTS, ""), (USAGE, "usage_")):
        path = manifest.folder / name
        has_any = name == DOCUMENTS or has_quantities(manifest)
        if has_any and _INDEX in intact and durable.file_exists(path):
            _check_places(manifest, path, prefix, findings)


def _check_places(manifest: Manifest, path: Path, prefix: str, findings: Findings) -> None:
    """Check the documents of one file; prefix: of the columns that locate them."""
    schema = stored_schema(manifest, CUSTOMERS)
    what = "usage document" if prefix else "document"
    with durable.local_file(path).open("rb") as file:
        for row in read_table(manifest.folder / _INDEX, schema, 1, findings):
            of_column = dict(zip(schema, row, strict=True))
            if of_column.get("held"):
                continue
            offset, length, sha256 = (of_column[f"{prefix}{name}"] for name in _PLACE)
            file.seek(max(0, offset))
            digest = hashlib.sha256(file.read(max(0, length))).hexdigest()
            which = (
                f"SHA-256 of the {what} of {of_column['customer_id']} (by {_INDEX} at byte "
                f"{offset}, {length} long)"
            )
            findings.compare(path, which, sha256, digest)


@dataclass(frozen=True)
class KeptRates:
    """The rates in force in an hour, clipped to it, that are kept with a revision."""

    currency: str
    rates: Sequence[Rate]


class StoredInputs:
    """The inputs of hours: slices by their batch records, and rates by their digest.

    Hours share inputs, so each record is read and checked once.
    """

    def __init__(self, home: Home, findings: Findings) -> None:
        self._home = home
        self._findings = findings
        self._records: dict[str, dict[str, Any] | None] = {}
        self._addressed: dict[Path, bool] = {}

    def check_hour(self, hour: Hour, names: Iterable[str]) -> HourFiles | None:
        """Check the slices and voids of some records in an hour; None if any is not intact."""
        checked = [self._check_record(hour, name) for name in names]
        intact = [files for files in checked if files is not None]
        if len(intact) < len(checked):
            return None
        slices = [path for files in intact for path in files.slices]
        return HourFiles(slices, [path for files in intact for path in files.voids])

    def _check_record(self, hour: Hour, name: str) -> HourFiles | None:
        if name not in self._records:
            self._records[name] = self._read_record(name)
        record = self._records[name]
        if record is None:
            return None
        entry = _field(_field(record, "hours"), hour.name)
        if entry is None:
            self._findings.add(self._home.batch_record(name), f"no entry for hour {hour}")
            return None
        files, of_voids = HourFiles(), _field(entry, "voids")
        if of_voids is not None:
            files.voids.append(self._home.voids(hour, name))
        # An hour may have voids only.
        if of_voids is None or _field(entry, "sha256") is not None:
            files.slices.append(self._home.slices(hour, name))
        checked = [self._check_table(path, entry) for path in files.slices]
        checked += [self._check_table(path, of_voids) for path in files.voids]
        return files if all(checked) else None

    def _check_table(self, path: Path, entry: Any) -> bool:
        """Check a file of slices or voids by its entry; whether it is intact."""
        if not check_file(path, entry, self._findings):
            return False
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            self._findings.add(path, f"not readable as Parquet: {error}")
            return False
        return self._findings.compare(path, "row count", _field(entry, "rows"), rows)

    def kept_rates(self, manifest: Manifest) -> KeptRates | None:
        """The rates kept with a revision, after checking them and its cases; None if damaged."""
        inputs, hour = manifest.inputs, manifest.hour
        digest = str(inputs["rates"])
        if not self._is_intact(self._home.rates_snapshot(digest), "rates"):
            return None
        kept = KeptRates(
            currency=read_snapshot_currency(self._home, digest, hour),
            rates=read_rates_snapshot(self._home, digest, hour),
        )
        if "cases" in inputs and self._is_intact(self._home.cases_file(inputs["cases"]), "cases"):
            # What the cases and the kept rates give; whole hours share both.
            cases = read_cases(self._home, inputs["cases"])
            selection = HourRates.kept(kept.rates, hour).selection(cases)
            self._findings.compare(manifest.path, "selection", selection, inputs["selection"])
        return kept

    def _is_intact(self, path: Path, what: str) -> bool:
        """Whether a file is what its name, a digest, says; each is checked once."""
        if path not in self._addressed:
            self._addressed[path] = self._check_addressed(path, what)
        return self._addressed[path]

    def _check_addressed(self, path: Path, what: str) -> bool:
        try:
            sha256 = durable.sha256_of(path)
        except FileNotFoundError:
            self._findings.add(path, f"missing {what} of published hours")
            return False
        return self._findings.compare(path, "SHA-256", path.stem, sha256)

    def check_remaining_records(self) -> None:
        """Check the records of batches that no verified hour has as an input."""
        for path in durable.list_folder(self._home.batches):
            if path.suffix == ".json" and path.stem not in self._records:
                self._records[path.stem] = self._read_record(path.stem)

    def check_remaining_cases(self) -> None:
        """Check the cases of superseded revisions, which no verified hour has as an input."""
        for path in durable.list_folder(self._home.cases):
            if path.suffix == ".ndjson":
                self._is_intact(path, "cases")

    def _read_record(self, name: str) -> dict[str, Any] | None:
        """A batch record, after checking that its counts add up; None if it is unreadable."""
        path = self._home.batch_record(name)
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
        batch, number = parse_record_name(name)
        self._findings.compare(path, "batch", batch, record.get("batch"))
        # Records of the version before have no number.
        self._findings.compare(path, "number", number, record.get("number", 1))
        self._findings.compare(path, "lines", lines, record.get("lines"))
        quarantined = record.get("quarantined")
        by_rule = sum(record.get("rules", {}).values())
        self._findings.compare(path, "sum of quarantined lines by rule", quarantined, by_rule)
        quarantine = self._home.quarantine(name)
        if entry := record.get("quarantine"):
            check_file(quarantine, entry, self._findings)
        else:
            # Nothing was quarantined, or the record is older than digests of quarantine files.
            self._findings.compare(quarantine, "lines", quarantined, _line_count(quarantine))
        return record


def check_file(path: Path, record: Any, findings: Findings) -> bool:
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
        with durable.local_file(path).open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0


def _field(record: Any, name: str) -> Any:
    """A field of a record that should be an object; None if it has no such field."""
    return record.get(name) if isinstance(record, dict) else None
