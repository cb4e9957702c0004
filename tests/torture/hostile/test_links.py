"""Symbolic links and pipes where a file or folder is expected are never followed by mistake."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from hourtally.cli.app import call
from tests.support.command_line import NOW, ROOT
from tests.support.quarantine.structure_cases import PLAIN

FIRST = "2026-11-02T09"
BATCH = "ddf63842213b6287"


@pytest.fixture(autouse=True)
def _without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two small files of the sample, not yet ingested; one of them has a line for quarantine."""
    inbox = tmp_path / "home" / "inbox"
    inbox.mkdir(parents=True)
    for name in ("late.ndjson", "one-bad-line.ndjson"):
        shutil.copy(ROOT / "data" / "sample" / "inbox" / name, inbox)
    shutil.copy(ROOT / "data" / "sample" / "rates.toml", tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    for name in ("mine", "naming", f"{BATCH}.parquet"):
        (tmp_path / "outside" / name).write_bytes(b"mine")
    return tmp_path / "outside"


def run(home: Path) -> int:
    return call(["run", "--home", str(home), "--now", NOW])


def test_the_batch_id_is_that_of_the_sample_file() -> None:
    file = ROOT / "data" / "sample" / "inbox" / "one-bad-line.ndjson"
    assert hashlib.sha256(file.read_bytes()).hexdigest()[:16] == BATCH


@pytest.mark.parametrize(
    "planted",
    [
        *("events", "batches", "quarantine", "hours", "rates", ".staging", ".inbox"),
        *(f"events/hour={FIRST}", f"hours/{FIRST}", f".staging/{BATCH}"),
    ],
)
def test_nothing_is_written_through_a_link_in_the_home(
    home: Path, outside: Path, capsys: pytest.CaptureFixture[str], planted: str
) -> None:
    link = home / planted
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)

    assert run(home) == 1
    assert f"{link}: a symbolic link is where" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == dict.fromkeys(
        ("mine", "naming", f"{BATCH}.parquet"), b"mine"
    )
    # Without the link, the same command succeeds.
    link.unlink()
    assert run(home) in {0, 3}
    assert (home / "hours" / FIRST / "000001.json").is_file()


def test_staging_is_not_removed_through_a_link(
    home: Path, outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home) in {0, 3}
    shutil.rmtree(home / ".inbox")
    shutil.rmtree(home / ".staging")
    (outside / BATCH).mkdir()
    (home / ".staging").symlink_to(outside)

    assert run(home) == 1
    assert f"{home / '.staging'}: a symbolic link is where" in capsys.readouterr().err
    assert (outside / BATCH).is_dir()


@pytest.mark.parametrize("name", [f"batches/{BATCH}.json", f"hours/{FIRST}/000001.json"])
def test_a_link_in_place_of_a_record_is_damage(
    home: Path, outside: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    link = home / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / "mine")

    assert run(home) == 1
    assert f"{link}: damaged" in capsys.readouterr().err
    assert (outside / "mine").read_bytes() == b"mine"


def test_the_home_may_be_a_link(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)

    assert run(tmp_path / "link") == 3
    assert (home / "hours" / FIRST / "000001.json").is_file()


@pytest.mark.parametrize("target", ["/etc/passwd", "/no/such/file", "/etc", "/dev/zero"])
@pytest.mark.parametrize("command", ["run", "ingest"])
def test_a_link_among_event_files_is_passed_over_and_the_others_are_ingested(
    home: Path, capsys: pytest.CaptureFixture[str], target: str, command: str
) -> None:
    inbox = home / "inbox"
    link = inbox / "link.ndjson"
    link.symlink_to(target)
    folder = [str(inbox)] if command == "ingest" else []

    assert call([command, *folder, "--home", str(home), "--now", NOW]) == 3
    out, err = capsys.readouterr()
    assert f"Passed over: 1 file: {link} (symbolic link)." in out
    assert "root:" not in out + err
    assert len(list((home / "batches").iterdir())) == len(list(inbox.iterdir())) - 1


def test_a_link_named_on_the_command_line_is_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "events.txt").write_bytes(PLAIN.line)
    link = tmp_path / "link.ndjson"
    link.symlink_to(tmp_path / "events.txt")

    assert call(["ingest", str(link), "--home", str(home), "--now", NOW]) == 0
    [record] = (home / "batches").iterdir()
    assert json.loads(record.read_bytes())["accepted"] == 1


@pytest.mark.parametrize("command", ["run", "ingest"])
def test_a_pipe_is_rejected_without_waiting(
    home: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    pipe = home / "inbox" / "pipe.ndjson"
    os.mkfifo(pipe)
    named = [str(pipe)] if command == "ingest" else []

    assert call([command, *named, "--home", str(home), "--now", NOW]) == 1
    assert f"{pipe}: rejected, none of its events count" in capsys.readouterr().err
