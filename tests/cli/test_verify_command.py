"""The output and exit status of `hourtally verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hourtally.cli.app import call
from hourtally.store.layout import Home
from tests.support.homes.damaged_home import (
    golden_home,
    manifest_of,
    rewrite_record,
    rewrite_table,
    set_in,
)
from tests.support.homes.golden_hour import FIRST_FILE, HOUR


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def test_the_first_twenty_differences_are_listed_and_the_rest_counted(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite_table(home, "charges", lambda rows: rows.with_columns(pl.col("^.*_nanocents$") + 1))
    status = call(["verify", "--home", str(home.root)])

    said = capsys.readouterr()
    assert status == 1
    # 5 prices of each of 6 resources.
    assert said.out.splitlines()[20:] == [
        "… and 10 more",
        "1 hour verified, 2 documents and 8 charges recomputed: 30 differences.",
    ]
    assert said.out.count("charges.parquet: ") == 20
    assert "hourtally backfill --force" in said.err


def test_the_command_says_what_was_verified(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    status = call(["verify", "--home", str(home.root), "--from", HOUR])

    assert (status, capsys.readouterr().out) == (
        0,
        "1 hour verified, 2 documents and 8 charges recomputed: no differences.\n",
    )


def test_an_hour_of_another_build_is_listed_with_the_reason_for_checksums_only(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    set_in(manifest_of(home), "inputs", "build", value=99)
    status = call(["verify", "--home", str(home.root)])

    assert (status, capsys.readouterr().out.splitlines()) == (
        0,
        [
            f"{HOUR}: stale (build version): checksums only",
            "1 hour verified (1 stale, by checksums only), "
            "0 documents and 0 charges recomputed: no differences.",
        ],
    )


def test_verifying_nothing_is_a_failure(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    status = call(["verify", "--home", str(home.root), "--from", "2026-11-22T14"])

    assert status == 1
    assert "no hour of the range is published, so nothing was verified" in capsys.readouterr().err


def test_event_files_that_moved_are_named(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def move(record: dict[str, Any]) -> None:
        there = home.root / Path(record["file"]).name
        # The second file is not where its record says.
        record["file"] = str(there if there.stem == "first" else there.parent / "gone.ndjson")

    for record in home.batches.iterdir():
        rewrite_record(record, move)
    status = call(["verify", "--home", str(home.root), "--from-files"])

    assert (status, capsys.readouterr().out.splitlines()) == (
        0,
        [
            f"{home.root}/gone.ndjson: not compared: it is no longer there",
            "1 event file (6 lines) read again and compared, 1 not.",
            "1 hour verified, 2 documents and 8 charges recomputed: no differences.",
        ],
    )


def test_event_files_of_hours_that_were_never_built_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, home = tmp_path / "events.ndjson", str(tmp_path / "home")
    path.write_bytes(b"\n".join(FIRST_FILE))
    assert call(["ingest", str(path), "--home", home]) == 0
    capsys.readouterr()

    assert call(["verify", "--home", home, "--from-files"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 event file (6 lines) read again and compared.",
        "0 hours verified, 0 documents and 0 charges recomputed: no differences.",
    ]
