"""When an inbox file counts as ingested, and when it is read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hourtally.ingest.inbox import is_ingested, note_ingested
from hourtally.store import durable
from hourtally.store.layout import Home

BATCH = "0123456789abcdef"
LONG_AGO = 1_700_000_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose one batch exists, with one inbox file that has not changed for a minute."""
    home = Home(tmp_path)
    home.inbox.mkdir()
    home.batches.mkdir()
    home.batch_record(BATCH).write_bytes(durable.to_sealed_json({"batch": BATCH}))
    (home.inbox / "events.ndjson").write_text("line\n")
    return home


@pytest.fixture
def file(home: Home) -> Path:
    """The file, noted as ingested three seconds after its last change."""
    file = home.inbox / "events.ndjson"
    note_ingested(home, file, BATCH)
    [note] = (home.root / ".inbox").iterdir()
    # No program can set the ctime of a file, so the note is made to look later instead.
    later_ns = file.stat().st_ctime_ns + 3_000_000_000
    os.utime(note, ns=(later_ns, later_ns))
    return file


def test_a_file_unchanged_since_its_note_is_ingested(home: Home, file: Path) -> None:
    assert is_ingested(home, file)


def test_a_file_without_a_note_is_not(home: Home) -> None:
    assert not is_ingested(home, home.inbox / "events.ndjson")


def append(file: Path) -> None:
    with file.open("a") as out:
        out.write("another\n")


def replace_with_equal_bytes(file: Path) -> None:
    copy = file.with_suffix(".tmp")
    copy.write_bytes(file.read_bytes())
    copy.rename(file)


def set_older_mtime(file: Path) -> None:
    os.utime(file, (LONG_AGO, LONG_AGO))


@pytest.mark.parametrize("change", [append, replace_with_equal_bytes, set_older_mtime])
def test_any_change_of_the_file_has_it_read_again(
    home: Home, file: Path, change: Callable[[Path], None]
) -> None:
    change(file)

    assert not is_ingested(home, file)


def test_a_file_moved_to_another_name_is_read_again(home: Home, file: Path) -> None:
    assert not is_ingested(home, file.rename(home.inbox / "other.ndjson"))


@pytest.mark.parametrize(("after_ns", "is_known"), [(1_999_999_999, False), (2_000_000_000, True)])
def test_a_note_less_than_two_seconds_after_the_change_does_not_count(
    home: Home, file: Path, after_ns: int, is_known: bool
) -> None:
    [note] = (home.root / ".inbox").iterdir()
    status = file.stat()
    noted_ns = max(status.st_mtime_ns, status.st_ctime_ns) + after_ns
    os.utime(note, ns=(noted_ns, noted_ns))

    assert is_ingested(home, file) == is_known


def test_a_file_whose_batch_is_gone_is_read_again(home: Home, file: Path) -> None:
    home.batch_record(BATCH).unlink()

    assert not is_ingested(home, file)


@pytest.mark.parametrize("content", [b"", b"{", b'{"batch": "0123456789abcdef"}\n'])
def test_an_incomplete_note_does_not_count(home: Home, file: Path, content: bytes) -> None:
    [note] = (home.root / ".inbox").iterdir()
    noted = note.stat()
    note.write_bytes(content)
    os.utime(note, ns=(noted.st_mtime_ns, noted.st_mtime_ns))

    assert not is_ingested(home, file)


def test_a_file_that_has_left_the_inbox_gets_no_note(home: Home) -> None:
    note_ingested(home, home.inbox / "gone.ndjson", BATCH)

    assert not (home.root / ".inbox").exists()


def test_a_later_note_replaces_the_earlier_one(home: Home, file: Path) -> None:
    append(file)
    note_ingested(home, file, BATCH)

    [note] = (home.root / ".inbox").iterdir()
    assert durable.read_sealed_json(note)["file"]["size"] == len("line\nanother\n")
