"""What `verify` says of files that are missing, and of records that do not hold."""

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
        "conflicts.parquet",
    ],
)
def test_a_missing_file_of_a_revision_is_named_and_nothing_else(home: Home, name: str) -> None:
    (folder_of(home) / name).unlink()

    assert found(home) == [f"rev/{name}: the file: expected a file, got none"]


def test_a_missing_file_of_slices_is_named_and_nothing_else(home: Home) -> None:
    path, _ = slices_of(home, "a1")
    path.unlink()

    name = path.relative_to(home.root)
    assert found(home) == [f"{name}: the file: expected a file, got none"]


def test_a_missing_ingest_record_is_named_and_nothing_else(home: Home) -> None:
    _, record = slices_of(home, "a1")
    record.unlink()

    name = record.relative_to(home.root)
    assert found(home) == [f"{name}: the ingest record: expected a file, got none"]


def test_a_missing_revision_before_the_newest_is_named(home: Home) -> None:
    build_golden(home)
    assert found(home) == []
    shutil.rmtree(folder_of(home))
    manifest_of(home).unlink()

    assert found(home) == ["000001.json: the manifest: expected a file, got none"]


def test_the_folder_of_an_older_revision_is_missed(home: Home) -> None:
    build_golden(home)
    folder = folder_of(home)
    shutil.rmtree(folder)

    assert found(home) == [f"{folder.name}: the revision's folder: expected a folder, got none"]


@pytest.mark.parametrize("name", ["documents.ndjson", "charges.parquet"])
def test_a_file_of_an_older_revision_is_held_to_its_manifest(home: Home, name: str) -> None:
    build_golden(home)
    flip_middle(folder_of(home) / name)

    [difference] = found(home)
    assert difference.startswith(f"rev/{name}: its SHA-256: expected ")


def test_the_rates_kept_beside_an_hour_are_held_to_their_name(home: Home) -> None:
    [path] = home.statements.iterdir()
    flip_middle(path)
    [difference] = found(home)
    assert difference.startswith(f"rates/{path.name}: its SHA-256: expected '{path.stem}', got ")

    path.unlink()
    assert found(home) == [
        f"rates/{path.name}: the rates of published hours: expected a file, got none"
    ]


def ingest_nothing_but_quarantine(home: Home) -> str:
    """A batch that no hour has anything of."""
    wrong = home.root / "wrong.ndjson"
    wrong.write_text("{}\n")
    [receipt] = ingest_paths(home, [wrong], AFTER_MS, SETTINGS).files
    assert (receipt.quarantined, receipt.hours) == (1, 0)
    return receipt.batch


def test_quarantined_lines_are_held_to_the_ingest_record(home: Home) -> None:
    batch = ingest_nothing_but_quarantine(home)
    assert found(home) == []
    flip_middle(home.quarantine(batch))

    [difference] = found(home)
    assert difference.startswith(f"quarantine/{batch}.ndjson: its SHA-256: expected ")


def test_the_ingest_record_of_no_hour_is_checked_too(home: Home) -> None:
    batch = ingest_nothing_but_quarantine(home)
    flip_middle(home.batch_record(batch))

    [difference] = found(home)
    assert difference.startswith(f"batches/{batch}.json: the ingest record: expected the one ")


@pytest.mark.parametrize("damaged", ["manifest", "ingest record"])
def test_any_byte_of_a_record_is_sealed(home: Home, damaged: str) -> None:
    path = manifest_of(home) if damaged == "manifest" else slices_of(home, "a1")[1]
    whole = path.read_bytes()
    for offset in range(0, len(whole), 11):
        flip_byte(path, offset)
        with pytest.raises(Damaged, match="its digest is not that of its content"):
            read_sealed_json(path)
        path.write_bytes(whole)
    path.write_bytes(whole[:-1])
    with pytest.raises(Damaged):
        read_sealed_json(path)


def test_a_manifest_that_is_damaged_is_not_read(home: Home) -> None:
    flip_middle(manifest_of(home))

    with pytest.raises(Damaged, match=r"000001\.json: damaged: its digest"):
        read_manifest(home, GOLDEN, 1)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        # a1, a2, a3, c1, a5 and k1 were accepted.
        ("lines", 7, "its lines: expected 6, got 7"),
        ("rules", {"not_json": 1}, "its quarantined lines by rule: expected 0, got 1"),
        ("batch", "x", "its batch: expected '"),
        ("hours", {}, f"its entry of {HOUR}: expected one, got none"),
    ],
)
def test_the_numbers_of_an_ingest_record_add_up(
    home: Home, field: str, value: object, says: str
) -> None:
    _, record = slices_of(home, "a1")
    set_in(record, field, value=value)

    [difference] = found(home)
    assert difference.startswith(f"{record.relative_to(home.root)}: {says}")
