from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hourtally.errors import Damaged, NotFound, StorageFault
from hourtally.model.hours import Hour
from hourtally.store import durable

HOUR = Hour.parse("2026-11-22T13")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_replaced_file_has_its_new_content_and_no_file_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    durable.replace_file(path, b"one")
    durable.replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["note.json"]


def test_of_two_files_created_under_one_name_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "000001.json"
    assert durable.create_file(path, b"first")
    assert not durable.create_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["000001.json"]


def test_of_many_that_create_one_file_at_once_one_does(tmp_path: Path) -> None:
    path = tmp_path / "000001.json"
    start = threading.Barrier(8)
    created: list[bytes] = []

    def create(number: int) -> None:
        start.wait()
        content = b"%d" % number
        if durable.create_file(path, content):
            created.append(content)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert created == [path.read_bytes()]
    assert names(tmp_path) == ["000001.json"]


@pytest.mark.parametrize("write", [durable.replace_file, durable.create_file])
def test_a_file_is_on_disk_before_it_has_its_name_and_its_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], object]
) -> None:
    steps: list[tuple[str, bool]] = []
    path = tmp_path / "record.json"

    def noted(descriptor: int) -> None:
        what = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append(("folder" if what == tmp_path else "file", path.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    write(path, b"content")
    assert steps == [("file", False), ("folder", True)]


@pytest.mark.parametrize("write", [durable.replace_file, durable.create_file])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], object]
) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, b"after")
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["record.json"]


def test_every_folder_is_named_durably_by_the_one_above_even_if_another_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").resolve())
    )
    durable.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path.parent, tmp_path, tmp_path / "a"]
    synced.clear()
    # Its maker may have been killed before it fsynced.
    durable.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path / "a"]


@pytest.mark.parametrize("make", [durable.make_folder, lambda path: durable.create_file(path, b"")])
def test_a_name_that_could_not_be_made_durable_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    def lose_names(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", lose_names)
    # The next fsync of the folder would succeed, and the name not be on the disk for all that.
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            make(tmp_path / "name")
        assert names(tmp_path) == []


def test_what_the_system_refuses_is_told_with_its_path_and_what_to_do() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/h/hours/x")
    with (
        pytest.raises(StorageFault) as fault,
        durable.storage_faults(Path("/h"), "building hour 2026-11-22T13"),
    ):
        raise full
    assert str(fault.value) == (
        "/h/hours/x: building hour 2026-11-22T13 failed: No space left on device. Everything "
        "published before is intact; free space or repair the path, then run the same command "
        "again."
    )


@pytest.mark.parametrize(
    "fail",
    [
        durable.fsync_file,
        lambda path: durable.fsync_folder(path.parent),
        lambda path: durable.replace_file(path, b"x"),
    ],
)
def test_an_fsync_that_fails_is_told_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[[Path], None]
) -> None:
    (tmp_path / "file").touch()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFault) as fault, durable.storage_faults(Path("/h"), "writing"):
        fail(tmp_path / "file")
    assert str(fault.value).startswith(str(tmp_path))


def test_what_is_told_already_is_not_told_otherwise() -> None:
    told = NotFound("as it is")
    with pytest.raises(NotFound) as raised, durable.storage_faults(Path("/h"), "reading"):
        raise told
    assert raised.value is told


@pytest.mark.parametrize("there", ["nothing", "a file", "entries"])
def test_a_folder_that_is_none_has_no_entries(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "folder"
    if there == "a file":
        folder.touch()
    if there == "entries":
        folder.mkdir()
        (folder / "b").touch()
        (folder / "a").touch()
    expected = ["a", "b"] if there == "entries" else []
    assert [path.name for path in durable.list_folder(folder)] == expected


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    durable.remove_folder(tmp_path / "a")
    durable.remove_folder(tmp_path / "a")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_removed_is_named_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()

    def broken(path: str, **_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, "unlink", broken)
    with pytest.raises(OSError, match="Input/output error") as fault:
        durable.remove_folder(tmp_path / "folder")
    assert fault.value.filename.startswith(str(tmp_path / "folder"))


def test_a_file_is_described_by_its_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # The first example of FIPS 180-2, appendix B.
    assert durable.describe_file(tmp_path / "f") == {
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = {"total": 2**70, "name": 'é"\u2028', "none": None, "list": [1, {"a": "b"}]}
    (tmp_path / "r.json").write_bytes(durable.to_sealed_json(record))
    assert durable.read_sealed_json(tmp_path / "r.json") == record


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"[]", b"1", b"\xff", b"{\n}\n"])
def test_what_is_no_record_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(Damaged, match=r"r\.json: damaged: its digest does not match its content"):
        durable.read_sealed_json(tmp_path / "r.json")


def test_what_somebody_has_sealed_and_is_no_json_is_damaged(tmp_path: Path) -> None:
    digest = hashlib.sha256(b'{"a": x\n}\n').hexdigest()
    (tmp_path / "r.json").write_text(f'{{"a": x,\n "digest": "{digest}"\n}}\n')
    with pytest.raises(Damaged, match=r"r\.json: damaged: it is not JSON"):
        durable.read_sealed_json(tmp_path / "r.json")
