"""Which files are event files, and which of them a folder holds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.discovery import (
    event_files,
    is_event_file,
    line_compression,
    named_files,
    path_text,
    unreadable,
)
from hourtally.ingest.files import ingest_paths
from hourtally.settings import Settings
from hourtally.store.faults import StoreFault
from hourtally.store.layout import Home

NOW_MS = 1_795_000_000_000


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
        ("a.json", "plain"),
        ("a.json.gz", "gzip"),
        ("A.JSON.ZST", "zstd"),
        ("a.json5", None),
        ("a.ndjson.tmp", None),
        ("a.ndjson.bz2", None),
        ("a.NDJSON", "plain"),
        ("a.PARQUET", None),
        ("ndjson", None),
    ],
)
def test_the_name_of_a_file_tells_its_compression(name: str, compression: str | None) -> None:
    assert line_compression(Path(name)) == compression
    assert is_event_file(Path(name)) == (compression is not None or name.lower() == "a.parquet")


def files_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in event_files(folder).files]


def made(folder: Path, *names: str) -> Path:
    """Empty files of these names, with the folders above them; a folder if it ends in `/`."""
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return folder


def test_a_folder_is_searched_with_its_subfolders(tmp_path: Path) -> None:
    made(
        tmp_path,
        *("b.ndjson", "a.PARQUET", "c.jsonl.zst", "D.Json.Gz"),
        *("day=1/a.json", "day=1/x/b.ndjson", "events.parquet/part-0.parquet"),
    )

    assert files_in(tmp_path) == [
        *("D.Json.Gz", "a.PARQUET", "b.ndjson", "c.jsonl.zst"),
        *("day=1/a.json", "day=1/x/b.ndjson", "events.parquet/part-0.parquet"),
    ]


def test_what_begins_with_a_dot_or_an_underscore_is_skipped_without_a_word(tmp_path: Path) -> None:
    made(
        tmp_path,
        *("_SUCCESS", ".part.ndjson.crc", "_temporary/0/a.ndjson", ".git/b.ndjson", "c.ndjson"),
    )

    found = event_files(tmp_path)

    assert [path.name for path in found.files] == ["c.ndjson"]
    assert found.passed_over.count == 0


def test_every_other_file_that_is_not_taken_is_counted_with_examples(tmp_path: Path) -> None:
    made(tmp_path, "a.ndjson", "deep/notes.txt", "e.ndjson.tmp", "part-0", "z.csv")
    (tmp_path / "link.ndjson").symlink_to(tmp_path / "a.ndjson")
    (tmp_path / "linked").symlink_to(tmp_path / "deep")

    found = event_files(tmp_path)

    assert files_in(tmp_path) == ["a.ndjson"]
    assert found.passed_over.count == 6
    assert found.passed_over.examples == [
        {"file": str(tmp_path / "deep" / "notes.txt"), "why": "not an event file's name"},
        {"file": str(tmp_path / "e.ndjson.tmp"), "why": "not an event file's name"},
        {"file": str(tmp_path / "link.ndjson"), "why": "symbolic link"},
    ]


def test_files_passed_over_in_several_folders_are_counted_together(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "events.ndjson").touch()
        for number in range(2):
            (tmp_path / folder / f"{number}.csv").touch()

    folders = [tmp_path / "a", tmp_path / "b"]
    report = ingest_paths(Home(tmp_path / "home"), folders, NOW_MS, Settings(threads=1))

    names = [Path(one["file"]).relative_to(tmp_path) for one in report.passed_over.examples]
    assert report.passed_over.count == 4
    assert names == [Path("a/0.csv"), Path("a/1.csv"), Path("b/0.csv")]


def test_a_deep_folder_is_searched(tmp_path: Path) -> None:
    made(tmp_path, "d/" * 300 + "a.ndjson")

    assert len(event_files(tmp_path).files) == 1


def test_a_subfolder_that_cannot_be_read_is_refused_and_the_others_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "a/a.ndjson", "b/b.ndjson")
    scan = os.scandir

    def denied(path: Path) -> object:
        if path == tmp_path / "a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)

    found = event_files(tmp_path)

    assert [path.name for path in found.files] == ["b.ndjson"]
    assert [refusal.path for refusal in found.refused] == [tmp_path / "a"]


@pytest.mark.parametrize("names", [(), ("notes.txt",), ("_SUCCESS", ".a.ndjson"), ("empty/",)])
def test_a_folder_with_nothing_to_take_is_rejected(tmp_path: Path, names: tuple[str, ...]) -> None:
    made(tmp_path, *names)

    with pytest.raises(FileRejected, match="it has no event files, whose names end in") as refusal:
        named_files(tmp_path)
    assert ("passed over: 1, such as" in str(refusal.value)) == ("notes.txt" in names)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("home/batches/",), "home"),
        (("home/hours/", "home/inbox/a.ndjson"), "home"),
        (("home/batches/", "home/events/a.ndjson"), "home/events"),
        (("home/hours/", "home/quarantine/a.ndjson"), "home/quarantine"),
        (("home/hours/2026-11-22T13/x.json",), "home/hours"),
        (("home/hours/2026-11-22T13/documents.ndjson",), "home/hours/2026-11-22T13"),
        (("home/batches/0123456789abcdef.json", "home/rates/a.ndjson"), "home/rates"),
        (("home/hours/", "home/.staging/a.ndjson"), "home/.staging"),
        (("home/hours/2026-11-22T13/", "home/events/hour=1/a.ndjson"), "home/events/hour=1"),
    ],
)
def test_a_home_and_the_folders_in_it_are_rejected(
    tmp_path: Path, names: tuple[str, ...], named: str
) -> None:
    made(tmp_path, *names)

    with pytest.raises(FileRejected, match="whose files are not events"):
        named_files(tmp_path / named)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("home/batches/", "home/inbox/a.ndjson"), "home/inbox"),
        (("home/batches/", "home/inbox/x/a.ndjson"), "home/inbox/x"),
        # Whoever fills an inbox names its subfolders.
        (("home/batches/", "home/inbox/hours/a.ndjson"), "home/inbox"),
        (("home/batches/", "home/inbox/hours/a.ndjson"), "home/inbox/hours"),
        (("home/batches/", "home/other/a.ndjson"), "home/other"),
        # Far below a folder that only happens to be named like one of a home's.
        (("srv/hours/", "srv/events/x/a.ndjson"), "srv/events/x"),
        (("events/hour=1/a.ndjson",), "events"),
    ],
)
def test_the_inbox_and_other_folders_are_taken(
    tmp_path: Path, names: tuple[str, ...], named: str
) -> None:
    made(tmp_path, *names)

    assert len(named_files(tmp_path / named).files) == 1


def test_a_file_named_by_itself_may_lie_anywhere(tmp_path: Path) -> None:
    made(tmp_path, "batches/", "events/_a.ndjson")

    assert named_files(tmp_path / "events" / "_a.ndjson").files == [tmp_path / "events/_a.ndjson"]


def test_a_home_found_in_a_folder_is_refused_and_the_others_are_taken(tmp_path: Path) -> None:
    made(tmp_path, "a.ndjson", "data/hours/2026-11-22T13/documents.ndjson", "x/hours/b.ndjson")

    found = named_files(tmp_path)

    assert [path.name for path in found.files] == ["a.ndjson", "b.ndjson"]
    assert [refusal.path for refusal in found.refused] == [tmp_path / "data"]


def test_a_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    assert named_files(tmp_path / "notes.txt").files == [tmp_path / "notes.txt"]


def test_a_folder_that_cannot_be_read_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "scandir", denied)

    with pytest.raises(FileRejected, match="cannot be read: Permission denied"):
        event_files(tmp_path)


def test_a_path_that_does_not_exist_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileRejected, match="there is no such file or folder"):
        named_files(tmp_path / "none.ndjson")


def test_bytes_of_a_name_that_are_not_utf_8_are_escaped() -> None:
    path = Path(os.fsdecode(b"inbox/a\xff\xc3\xa9.ndjson"))

    assert path_text(path) == "inbox/a\\udcffé.ndjson"


def test_a_refusal_of_a_store_says_what_to_do() -> None:
    fault = StoreFault(errno.EIO, "there is no such bucket", "s3://b/x", "create it")
    refused = unreadable(Path("x"), fault)
    assert refused.reason == "it cannot be read: there is no such bucket; create it"
