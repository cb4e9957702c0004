"""`verify` finds missing files, and files and records that do not match."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hourtally.errors import Damaged
from hourtally.ingest.files import ingest_paths
from hourtally.store.durable import read_sealed_json
from hourtally.store.layout import Home
from hourtally.store.manifests import read_manifest
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import (
    AFTER_MS,
    GOLDEN,
    SETTINGS,
    build_golden,
    flip_middle,
    folder_of,
    found,
    golden_home,
    manifest_of,
    set_in,
    slices_of,
)
from tests.support.homes.golden_hour import HOUR


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "charges.parquet",
        "clusters.parquet",
        "types.parquet",
        "projects.parquet",
        "teams.parquet",
        "customers.parquet",
        "documents.ndjson",
        "usage.ndjson",
        "conflicts.parquet",
    ],
)
def test_a_missing_file_of_a_revision_is_the_only_difference(home: Home, name: str) -> None:
    (folder_of(home) / name).unlink()

    assert found(home) == [f"rev/{name}: missing file"]


def test_a_missing_slices_file_is_the_only_difference(home: Home) -> None:
    path, _ = slices_of(home, "a1")
    path.unlink()

    name = path.relative_to(home.root)
    assert found(home) == [f"{name}: missing file"]


def test_a_missing_batch_record_is_the_only_difference(home: Home) -> None:
    _, record = slices_of(home, "a1")
    record.unlink()

    name = record.relative_to(home.root)
    assert found(home) == [f"{name}: missing batch record"]


def test_a_missing_older_revision_is_found(home: Home) -> None:
    build_golden(home)
    assert found(home) == []
    shutil.rmtree(folder_of(home))
    manifest_of(home).unlink()

    assert found(home) == ["000001.json: missing manifest"]


def test_a_missing_folder_of_an_older_revision_is_found(home: Home) -> None:
    build_golden(home)
    folder = folder_of(home)
    shutil.rmtree(folder)

    assert found(home) == [f"{folder.name}: missing folder of a revision"]


@pytest.mark.parametrize("name", ["documents.ndjson", "charges.parquet"])
def test_files_of_older_revisions_are_checked_by_their_manifest(home: Home, name: str) -> None:
    build_golden(home)
    flip_middle(folder_of(home) / name)

    [difference] = found(home)
    assert difference.startswith(f"rev/{name}: SHA-256: expected ")


def test_stored_rates_are_checked_by_the_digest_in_their_name(home: Home) -> None:
    [path] = home.rates_snapshots.iterdir()
    flip_middle(path)
    [difference] = found(home)
    assert difference.startswith(f"rates/{path.name}: SHA-256: expected '{path.stem}', got ")

    path.unlink()
    assert found(home) == [f"rates/{path.name}: missing rates of published hours"]


def ingest_only_quarantined_lines(home: Home) -> str:
    """A batch without slices."""
    wrong = home.root / "wrong.ndjson"
    wrong.write_text("{}\n")
    [receipt] = ingest_paths(home, [wrong], AFTER_MS, SETTINGS).files
    assert (receipt.quarantined, receipt.hours) == (1, 0)
    return receipt.batch


def test_quarantine_files_are_checked_by_the_batch_record(home: Home) -> None:
    batch = ingest_only_quarantined_lines(home)
    assert found(home) == []
    flip_middle(home.quarantine(batch))

    [difference] = found(home)
    assert difference.startswith(f"quarantine/{batch}.ndjson: SHA-256: expected ")


def test_a_batch_record_that_is_no_hours_input_is_checked_too(home: Home) -> None:
    batch = ingest_only_quarantined_lines(home)
    flip_middle(home.batch_record(batch))

    [difference] = found(home)
    assert difference.startswith(f"batches/{batch}.json: damaged batch record: ")


@pytest.mark.parametrize("damaged", ["manifest", "batch record"])
def test_a_change_of_any_byte_of_a_record_is_detected(home: Home, damaged: str) -> None:
    path = manifest_of(home) if damaged == "manifest" else slices_of(home, "a1")[1]
    whole = path.read_bytes()
    for offset in range(0, len(whole), 11):
        flip_byte(path, offset)
        with pytest.raises(Damaged, match="its digest does not match its content"):
            read_sealed_json(path)
        path.write_bytes(whole)
    path.write_bytes(whole[:-1])
    with pytest.raises(Damaged):
        read_sealed_json(path)


def test_a_damaged_manifest_is_not_read(home: Home) -> None:
    flip_middle(manifest_of(home))

    with pytest.raises(Damaged, match=r"000001\.json: damaged: its digest"):
        read_manifest(home, GOLDEN, 1)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        # a1, a2, a3, c1, a5 and k1 were accepted.
        ("lines", 7, "lines: expected 6, got 7"),
        ("rules", {"not_json": 1}, "sum of quarantined lines by rule: expected 0, got 1"),
        ("batch", "x", "batch: expected '"),
        ("hours", {}, f"no entry for hour {HOUR}"),
    ],
)
def test_a_batch_record_whose_counts_do_not_add_up_is_found(
    home: Home, field: str, value: object, says: str
) -> None:
    _, record = slices_of(home, "a1")
    set_in(record, field, value=value)

    [difference] = found(home)
    assert difference.startswith(f"{record.relative_to(home.root)}: {says}")
