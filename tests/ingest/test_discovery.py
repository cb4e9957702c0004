"""Which files are event files, and which of them a folder holds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.discovery import event_files, is_event_file, line_compression, path_text


@pytest.mark.parametrize(
    ("name", "compression"),
    [
        ("a.ndjson", "plain"),
        ("a.jsonl", "plain"),
        ("a.ndjson.gz", "gzip"),
        ("a.jsonl.gz", "gzip"),
        ("a.ndjson.zst", "zstd"),
        ("a.jsonl.zst", "zstd"),
        ("a.b.ndjson", "plain"),
        ("a.parquet", None),
        ("a.parquet.gz", None),
        ("a.json", None),
        ("a.ndjson.tmp", None),
        ("a.ndjson.bz2", None),
        ("a.NDJSON", None),
        ("ndjson", None),
    ],
)
def test_the_name_of_a_file_tells_its_compression(name: str, compression: str | None) -> None:
    assert line_compression(Path(name)) == compression
    assert is_event_file(Path(name)) == (compression is not None or name == "a.parquet")


def test_a_folder_has_its_event_files_by_name(tmp_path: Path) -> None:
    for name in ("b.ndjson", "a.parquet", "c.jsonl.zst", ".d.ndjson", "notes.txt", "e.ndjson.tmp"):
        (tmp_path / name).touch()
    (tmp_path / "inner.ndjson").mkdir()

    assert [path.name for path in event_files(tmp_path)] == ["a.parquet", "b.ndjson", "c.jsonl.zst"]


def test_a_link_in_a_folder_is_listed_even_if_it_leads_to_a_folder(tmp_path: Path) -> None:
    # The caller rejects links, and says so: they must not disappear here.
    (tmp_path / "link.ndjson").symlink_to(tmp_path)

    assert event_files(tmp_path) == [tmp_path / "link.ndjson"]


def test_a_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    assert event_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]


def test_a_folder_that_cannot_be_read_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", denied)

    with pytest.raises(FileRejected, match="cannot be read: Permission denied"):
        event_files(tmp_path)


def test_a_path_that_does_not_exist_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileRejected, match="there is no such file or folder"):
        event_files(tmp_path / "none.ndjson")


def test_bytes_of_a_name_that_are_not_utf_8_are_escaped() -> None:
    path = Path(os.fsdecode(b"inbox/a\xff\xc3\xa9.ndjson"))

    assert path_text(path) == "inbox/a\\udcffé.ndjson"
