"""Batches that build version 1 ingested, judged anew."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from hourtally.cli.app import call
from tests.support.command_line import ROOT

EARLIER_HOME = ROOT / "tests" / "data" / "home-build-version-1.tar.gz"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with tarfile.open(EARLIER_HOME) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def again(home: Path, *files: Path) -> int:
    return call(["ingest", "--again", *map(str, files), "--home", str(home)])


def records(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "batches").iterdir())


def test_files_whose_slices_say_the_same_get_no_record(home: Path) -> None:
    before = records(home)
    # Of the one with a line in quarantine, the message has changed.
    files = [path for path in (home / "inbox").iterdir() if path.name != "one-bad-line.ndjson"]
    assert len(files) >= 4

    assert again(home, *sorted(files)) == 0

    assert records(home) == before


def test_a_batch_whose_slices_say_something_else_gets_one(home: Path) -> None:
    slices = sorted((home / "events" / "hour=2026-11-02T11").iterdir())[1:]
    # The slices of two batches in each other's place, as no ingest would leave them.
    first, second = slices[0], slices[1]
    first_bytes, second_bytes = first.read_bytes(), second.read_bytes()
    first.write_bytes(second_bytes)
    second.write_bytes(first_bytes)
    before = records(home)
    assert (first.stem, second.stem) == ("7f417e316da79fe6", "ddf63842213b6287")

    again(home, *sorted((home / "inbox").iterdir()))

    written = set(records(home)) - set(before)
    assert {f"{first.stem}.2.json", f"{second.stem}.2.json"} <= written
