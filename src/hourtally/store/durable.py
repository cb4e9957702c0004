"""The only ways to write what must survive a crash; what the system refuses, named.

No Parquet writer fsyncs and every one writes in place, so what must survive a crash goes
through here: written under a temporary name, fsynced, then given its name (`rename` where
replacing is meant, `link` where the first one wins), then the folder is fsynced. A failed
fsync is never tried again: the pages it was about are gone, so the whole step has failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hourtally.errors import Damaged, StorageFault, what_to_do

# Few reads, as each waits for whoever else runs Python meanwhile.
_READ_BYTES = 8 << 20
# How a record ends, and how one ends that has a digest.
_END = b"\n}\n"
_SEALED_END = b',\n "digest": "%b"\n}\n'
_DIGEST_DIGITS = 64


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder, sorted by name; none where there is no such folder."""
    return [folder / name for name in list_names(folder)]


def list_names(folder: Path | str) -> list[str]:
    """Their names: a third of the time, which looking through a year's hours can tell."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - iterdir makes a path of each
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def storage_faults(path: Path, doing: str, other: str = "another --home") -> Iterator[None]:
    """Turn what the system refuses into a `StorageFault` that names path, cause and what to do."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        message = (
            f"{where}: {doing} failed: {error.strerror or error}. What was published before is "
            f"whole; {what_to_do(error, other)}, then run the same command again."
        )
        raise StorageFault(message) from error


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the path where the system names none, or only the last part of one inside it."""
    try:
        yield
    except OSError as error:
        if not str(error.filename).startswith(str(path)):
            error.filename = str(path)
        raise


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, each durably named by its parent.

    One that is there may be named in memory only: whoever made it may have been killed just then.
    What is above it was durable before it was made.
    """
    if folder.is_dir():
        # Who may not read what is above did not make it.
        with contextlib.suppress(PermissionError):
            fsync_folder(folder.parent)
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    with undone_if_it_fails(folder.rmdir):
        fsync_folder(folder.parent)


@contextlib.contextmanager
def undone_if_it_fails(undo: Callable[[], object]) -> Iterator[None]:
    """Take a name back if it could not be made durable: the next fsync would say that it is."""
    try:
        yield
    except OSError:
        # Where this fails too, the disk is past anything that could be done about it here.
        with contextlib.suppress(OSError):
            undo()
        raise


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def fsync_file(path: Path) -> None:
    """Make a file's bytes durable that some writer has written in place."""
    _fsync(path, os.O_RDONLY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        with _named(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o666, staging: Path | None = None
) -> None:
    """Write a file durably under its name; an older one of that name is replaced whole.

    Args:
        path: of the file.
        content: all of it.
        mode: who may read and write it, as far as the umask lets them.
        staging: a folder of the same file system in which it bears a temporary name; by default
            its own. There that name stays if the process is killed.
    """
    temporary = _write_temporary(staging or path.parent, path.name, content, mode)
    temporary.replace(path)
    fsync_folder(path.parent)


def create_file(path: Path, content: bytes, *, staging: Path | None = None) -> bool:
    """Write a file durably unless its name is taken; whether this call created it.

    Where this fails, the file is not there, or the disk has lost its senses: then it may be there
    after all, so nothing that it speaks of is to be removed before its folder was fsynced.
    """
    temporary = _write_temporary(staging or path.parent, path.name, content)
    try:
        os.link(temporary, path)
        with undone_if_it_fails(path.unlink):
            fsync_folder(path.parent)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _write_temporary(folder: Path, name: str, content: bytes, mode: int = 0o666) -> Path:
    temporary = folder / f".{name}.{secrets.token_hex(8)}.tmp"
    try:
        opener = partial(os.open, mode=mode)
        with _named(temporary), open(temporary, "xb", opener=opener) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, if it is there."""
    with contextlib.suppress(FileNotFoundError), _named(folder):
        shutil.rmtree(folder)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with _named(path), path.open("rb", buffering=0) as file:
        block = memoryview(bytearray(min(_READ_BYTES, os.fstat(file.fileno()).st_size + 1)))
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """What a record says of a file: its size and SHA-256."""
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}


def to_json(record: dict[str, Any]) -> bytes:
    """A record as JSON to be read by people too; numbers of any size stay exact."""
    return (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode()


def to_sealed_json(record: dict[str, Any]) -> bytes:
    """The same with one more field at the end, `digest`: the SHA-256 of the record without it."""
    return _seal(to_json(record))


def _seal(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return content.removesuffix(_END) + _SEALED_END % digest.encode()


def read_sealed_json(path: Path) -> dict[str, Any]:
    """A record written by `to_sealed_json`, without its digest; every byte of it is checked.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it is not such a record, or not as it was written.
    """
    with _named(path), path.open("rb", buffering=0) as file:
        sealed = file.readall()
    content = sealed[: -len(_SEALED_END % (b"0" * _DIGEST_DIGITS))] + _END
    if sealed != _seal(content):
        raise Damaged(path, "its digest is not that of its content; restore the file from a copy")
    try:
        record: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise Damaged(path, f"it is no JSON: {error}") from error
    return record
