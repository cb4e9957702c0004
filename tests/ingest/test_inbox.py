"""When an inbox file counts as ingested, and when it is read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hourtally.ingest import files, staging
from hourtally.ingest.files import ingest_inbox, ingest_paths
from hourtally.ingest.inbox import Sighting, is_ingested, note_ingested, search_inbox, see
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home

NOW_MS = 1_795_000_000_000
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
    """The file, noted as ingested, and seen three seconds after its last change."""
    file = home.inbox / "events.ndjson"
    note_as_seen(home, file)
    return file


def note_as_seen(home: Home, file: Path) -> None:
    # No program can set the ctime of a file, so the sighting is made to look later instead.
    note_ingested(home, file, replace(see(home, file), settled=True), BATCH)


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


def seen_after(home: Home, file: Path, after_ns: int, monkeypatch: pytest.MonkeyPatch) -> Sighting:
    """The file as seen so long after its last change, by the clock of the file system."""
    status = file.stat()
    seen_ns = max(status.st_mtime_ns, status.st_ctime_ns) + after_ns
    touch = Path.touch

    def touch_then(path: Path) -> None:
        touch(path)
        os.utime(path, ns=(seen_ns, seen_ns))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "touch", touch_then)
        return see(home, file)


@pytest.mark.parametrize("mtime", ["of its last write", "set back"])
@pytest.mark.parametrize(("after_ns", "is_known"), [(1_999_999_999, False), (2_000_000_000, True)])
def test_a_file_seen_less_than_two_seconds_after_its_change_is_read_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, after_ns: int, mtime: str, *, is_known: bool
) -> None:
    file = home.inbox / "events.ndjson"
    if mtime == "set back":
        set_older_mtime(file)
    seen = seen_after(home, file, after_ns, monkeypatch)
    note_ingested(home, file, seen, BATCH)
    # However long the ingest took: what was written meanwhile may have the same times.
    [note] = (home.root / ".inbox").iterdir()
    os.utime(note, (4_000_000_000, 4_000_000_000))

    assert is_ingested(home, file) == is_known


@pytest.mark.parametrize("change", [append, replace_with_equal_bytes, set_older_mtime])
def test_a_file_changed_while_it_was_ingested_is_read_again(
    home: Home, change: Callable[[Path], None]
) -> None:
    file = home.inbox / "events.ndjson"
    seen = replace(see(home, file), settled=True)
    change(file)
    note_ingested(home, file, seen, BATCH)

    assert not is_ingested(home, file)


@pytest.mark.parametrize(("after_ns", "is_known"), [(1_999_999_999, False), (2_000_000_000, True)])
def test_a_note_of_the_version_before_counts_two_seconds_after_the_change(
    home: Home, file: Path, after_ns: int, *, is_known: bool
) -> None:
    [note] = (home.root / ".inbox").iterdir()
    content = durable.read_sealed_json(note)
    note.write_bytes(durable.to_sealed_json({name: content[name] for name in ("batch", "file")}))
    status = file.stat()
    noted_ns = max(status.st_mtime_ns, status.st_ctime_ns) + after_ns
    os.utime(note, ns=(noted_ns, noted_ns))

    assert is_ingested(home, file) == is_known


def test_a_file_whose_batch_is_gone_is_read_again(home: Home, file: Path) -> None:
    home.batch_record(BATCH).unlink()

    assert not is_ingested(home, file)


@pytest.mark.parametrize("status", ["withdrawn", "ingested"])
def test_a_later_record_of_the_batch_is_what_the_inbox_tells(
    home: Home, file: Path, status: str
) -> None:
    later = {"batch": BATCH, "number": 2, "status": status, "quarantined": 1}
    home.batch_record(f"{BATCH}.2").write_bytes(durable.to_sealed_json(later))

    inbox = search_inbox(home)

    withdrawn, quarantined = inbox.withdrawn.examples, inbox.quarantined.examples
    if status == "withdrawn":
        assert (withdrawn, quarantined) == ([{"file": str(file), "batch": BATCH}], [])
    else:
        of_record = str(home.quarantine(f"{BATCH}.2"))
        assert (withdrawn, quarantined) == ([], [{"file": str(file), "quarantine": of_record}])


@pytest.mark.parametrize("content", [b"", b"{", b'{"batch": "0123456789abcdef"}\n'])
def test_an_incomplete_note_does_not_count(home: Home, file: Path, content: bytes) -> None:
    [note] = (home.root / ".inbox").iterdir()
    noted = note.stat()
    note.write_bytes(content)
    os.utime(note, ns=(noted.st_mtime_ns, noted.st_mtime_ns))

    assert not is_ingested(home, file)


def test_a_file_that_has_left_the_inbox_gets_no_note(home: Home) -> None:
    gone = home.inbox / "gone.ndjson"
    note_ingested(home, gone, see(home, gone), BATCH)

    assert not (home.root / ".inbox").exists()


def test_a_later_note_replaces_the_earlier_one(home: Home, file: Path) -> None:
    append(file)
    note_as_seen(home, file)

    [note] = (home.root / ".inbox").iterdir()
    assert durable.read_sealed_json(note)["file"]["size"] == len("line\nanother\n")


@pytest.mark.parametrize("when", ["while it is hashed", "while it is parsed", "while skipped"])
def test_a_file_written_to_while_it_is_ingested_is_rejected_and_then_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    home = Home(tmp_path / "home")
    home.inbox.mkdir(parents=True)
    file = home.inbox / "events.ndjson"
    file.write_text("one\n")
    settings = Settings(threads=1)
    if when == "while skipped":
        ingest_paths(home, [file], NOW_MS, settings)
    hashed, staged = durable.sha256_of, staging.stage_files
    written: list[Path] = []

    def write_once() -> None:
        if not written:
            written.append(file)
            append(file)

    def hash_then_write(path: Path) -> str:
        digest = hashed(path)
        if path == file and when != "while it is parsed":
            write_once()
        return digest

    def parse_then_write(*arguments: Any) -> Any:
        found = staged(*arguments)
        write_once()
        return found

    monkeypatch.setattr(durable, "sha256_of", hash_then_write)
    monkeypatch.setattr(staging, "stage_files", parse_then_write)

    [refusal] = ingest_inbox(home, NOW_MS, settings).refused
    assert "it changed while it was being read" in str(refusal)
    report = ingest_inbox(home, NOW_MS, settings)
    assert [(one.lines, one.skipped) for one in report.files] == [(2, False)]


def test_a_file_replaced_after_it_was_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    home.inbox.mkdir(parents=True)
    file = home.inbox / "events.ndjson"
    file.write_text("one\n")
    note = note_ingested

    def note_later(home: Home, path: Path, seen: Sighting, record: str) -> None:
        append(path)
        note(home, path, replace(seen, settled=True), record)

    with monkeypatch.context() as patched:
        patched.setattr(files, "note_ingested", note_later)
        assert [one.lines for one in ingest_inbox(home, NOW_MS, Settings(threads=1)).files] == [1]

    assert [one.lines for one in ingest_inbox(home, NOW_MS, Settings(threads=1)).files] == [2]
