"""Small files are ingested together; each comes out as it does alone."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import polars as pl
import pytest

from hourtally.ingest import files as files_module
from hourtally.ingest.files import IngestReport, groups_of, ingest_paths
from hourtally.ingest.receipts import IngestReceipt
from hourtally.jobs.sample import write_sample
from hourtally.settings import Settings
from hourtally.store import local_files
from hourtally.store.layout import Home
from tests.torture.faults.two_hours import FIRST, LATE, NOW_MS, Json, write_events

Found = dict[str, bytes]


@pytest.fixture(autouse=True)
def _without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def events_of(seed: int) -> list[Json]:
    """Events of one to three hours; some twice in the file, some in conflict, some void others."""
    chance = random.Random(seed)
    events = []
    for number in range(chance.randrange(1, 60)):
        event = json.loads(json.dumps(chance.choice([*FIRST, *LATE])))
        event["id"] += f"-{seed % 3}-{number % 20}"
        if chance.random() < 0.2:
            event["data"]["someLabel"] = f"x{number}"
        if chance.random() < 0.1:
            event["data"]["memoryMiB"] = chance.choice([1, 2, -1, None])
        events.append(event)
        if chance.random() < 0.2:
            events.append(event)
    return events


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of every kind: plain, compressed, Parquet, empty, damaged, and two with equal bytes."""
    folder = tmp_path / "files"
    sample = Home(tmp_path / "sample")
    write_sample(sample.root)
    folder.mkdir()
    for path in sample.inbox.iterdir():
        (folder / f"sample-{path.name}").write_bytes(path.read_bytes())
    for seed in range(12):
        write_events(folder / f"f{seed:02}.ndjson", events_of(seed))
    (folder / "f03-again.ndjson").write_bytes((folder / "f03.ndjson").read_bytes())
    whole = gzip.compress((folder / "f04.ndjson").read_bytes())
    (folder / "whole.ndjson.gz").write_bytes(whole)
    (folder / "cut.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.ndjson").touch()
    (folder / "no-line-break.ndjson").write_bytes((folder / "f05.ndjson").read_bytes().rstrip())
    latin = (folder / "f06.ndjson").read_bytes() + b'{"a":"\xe9"}\n'
    (folder / "latin.ndjson").write_bytes(latin)
    (folder / "no.parquet").write_bytes(b"PAR1 is not enough")
    return folder


def stored(home: Home) -> Found:
    """What lies in the home, by path."""
    return {
        str(path.relative_to(home.root)): path.read_bytes()
        for path in sorted(home.root.rglob("*"))
        if path.is_file()
    }


def told(report: IngestReport) -> tuple[list[IngestReceipt], list[str]]:
    return report.files, [str(refusal) for refusal in report.refused]


@pytest.mark.parametrize(("threads", "together_bytes"), [(1, 30_000), (3, 1)])
def test_files_ingested_together_come_out_as_they_do_alone(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    together_bytes: int,
) -> None:
    monkeypatch.setattr("hourtally.ingest.staging._TOGETHER_BYTES", together_bytes)
    alone, together = Home(tmp_path / "alone"), Home(tmp_path / "together")
    settings = Settings(threads=threads)
    whole = ingest_paths(together, [folder], NOW_MS, settings)
    monkeypatch.setattr(files_module, "_MOST_TOGETHER", 1)
    one_by_one = ingest_paths(alone, [folder], NOW_MS, settings)

    assert told(whole) == told(one_by_one)
    assert stored(together) == stored(alone)
    assert len(whole.files) >= 20
    assert len(whole.refused) == 2
    assert sum(receipt.skipped for receipt in whole.files) == 1
    assert sum(receipt.duplicates for receipt in whole.files) > 5
    assert sum(receipt.quarantined for receipt in whole.files) > 5
    assert sum(receipt.conflicts for receipt in whole.files) > 5
    assert list(together.root.glob(".staging/*")) == []


def test_a_run_of_its_own_for_each_part_changes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for groups with more slices than a run has."""
    one_run, several = Home(tmp_path / "one"), Home(tmp_path / "several")
    settings = Settings(threads=1)
    ingest_paths(one_run, [folder], NOW_MS, settings)
    monkeypatch.setattr("hourtally.ingest.external_sort.runs.RUN_ROWS", 50)
    monkeypatch.setattr("hourtally.ingest.staging._TOGETHER_BYTES", 1)
    ingest_paths(several, [folder], NOW_MS, settings)
    assert stored(several) == stored(one_run)


def test_large_hours_among_small_files_are_written_alike(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hourtally.ingest.slices.hour_file.MOST_PLAIN_ROWS", 20)
    test_files_ingested_together_come_out_as_they_do_alone(folder, tmp_path, monkeypatch, 2, 30_000)
    slices = [pl.read_parquet(path) for path in (tmp_path / "together").glob("events/*/*.parquet")]
    assert {len(one) > 20 for one in slices} == {True, False}


def test_a_write_that_fails_commits_no_record_of_the_group(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, undisturbed = Home(tmp_path / "home"), Home(tmp_path / "undisturbed")
    fsync_folder = local_files.fsync_folder

    def fail(path: Path) -> None:
        if path == home.batches:
            raise OSError(28, "No space left on device", str(path))
        fsync_folder(path)

    with monkeypatch.context() as patched:
        patched.setattr(local_files, "fsync_folder", fail)
        with pytest.raises(Exception, match="No space left on device"):
            ingest_paths(home, [folder], NOW_MS, Settings(threads=1))
    assert list(home.batches.glob("*.json")) == []

    ingest_paths(home, [folder], NOW_MS, Settings(threads=1))
    ingest_paths(undisturbed, [folder], NOW_MS, Settings(threads=1))
    assert stored(home) == stored(undisturbed)


def test_groups_are_bounded_by_files_and_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:04}" for number in range(450)]
    for path in paths:
        path.write_bytes(b"x")
    assert [len(group) for group in groups_of(paths)] == [200, 200, 50]
    with paths[10].open("wb") as file:
        file.truncate(files_module._BYTES_TOGETHER + 1)
    assert [len(group) for group in groups_of(paths)] == [10, 1, 200, 200, 39]
    assert [len(group) for group in groups_of([*paths[:3], tmp_path / "missing"])] == [4]
