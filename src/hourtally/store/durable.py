"""Durable writes, and storage faults that name their path.

No Parquet writer fsyncs and all of them write in place, so whatever must survive a crash is
written here: under a temporary name, fsynced, then renamed (or linked, where the first writer
wins), then the folder is fsynced. A failed fsync is never retried: the kernel has dropped the
pages, so the whole step has failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from hourtally.errors import Damaged, StorageFault, suggested_fix

Result = TypeVar("Result")

_FSYNCS_AT_ONCE: Final = 8
# Few large reads, as each one waits for the interpreter lock.
_READ_BYTES = 8 << 20
# The end of a record, without and with a digest.
_END = b"\n}\n"
_SEALED_END = b',\n "digest": "%b"\n}\n'
_DIGEST_DIGITS = 64


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder, sorted by name; empty if there is no such folder."""
    return [folder / name for name in list_names(folder)]


def list_names(folder: Path | str) -> list[str]:
    """Their names: a third of the time, which looking through a year's hours can tell."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - iterdir makes a path of each
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def storage_faults(path: Path, doing: str, other: str = "another --home") -> Iterator[None]:
    """Turn a system error into a `StorageFault` that names path, cause and what to do."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        message = (
            f"{where}: {doing} failed: {error.strerror or error}. Everything published before is "
            f"intact; {suggested_fix(error, other)}, then run the same command again."
        )
        raise StorageFault(message) from error


@contextlib.contextmanager
def _path_in_error(path: Path) -> Iterator[None]:
    """Put the path into an error that names none, or only the last part of it."""
    try:
        yield
    except OSError as error:
        if not str(error.filename).startswith(str(path)):
            error.filename = str(path)
        raise


def make_folder(folder: Path) -> None:
    """Create a folder and its parents durably.

    A folder that exists may not be on disk yet: its creator may have been killed just then. Its
    parents were made durable before it.
    """
    if folder.is_dir():
        # A parent that this user may not read was made by somebody else.
        with contextlib.suppress(PermissionError):
            fsync_folder(folder.parent)
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    with undo_on_failure(folder.rmdir):
        fsync_folder(folder.parent)


@contextlib.contextmanager
def undo_on_failure(undo: Callable[[], object]) -> Iterator[None]:
    """Undo a step whose fsync failed: the next fsync would report success without it."""
    try:
        yield
    except OSError:
        # If this fails too, the disk is beyond repair from here.
        with contextlib.suppress(OSError):
            undo()
        raise


def fsync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def fsync_file(path: Path) -> None:
    """Make a file durable that some writer has written in place."""
    _fsync(path, os.O_RDONLY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        with _path_in_error(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o666, staging: Path | None = None
) -> None:
    """Write a file durably; an older file of that name is replaced atomically.

    Args:
        path: the file.
        content: all of its bytes.
        mode: permissions, before the umask.
        staging: a folder on the same file system for the temporary file, by default the file's
            own. If the process is killed, the temporary file stays there.
    """
    temporary = _write_temporary(staging or path.parent, path.name, content, mode)
    temporary.replace(path)
    fsync_folder(path.parent)


def create_file(path: Path, content: bytes, *, staging: Path | None = None) -> bool:
    """Write a file durably unless the name is taken; return whether this call created it.

    If this fails, the file is usually not there. On a failing disk it may be there after all, so
    fsync its folder before you remove anything that the file refers to.
    """
    [created] = create_files([NewFile(path, content, staging or path.parent)])
    return created


@dataclass(frozen=True)
class NewFile:
    """A file to create in a folder. staging: where its temporary file is written."""

    path: Path
    content: bytes
    staging: Path


def create_files(files: Sequence[NewFile]) -> list[bool]:
    """As `create_file`, for files of one folder, with a single fsync for all their names."""
    temporaries: list[Path] = []
    created: list[bool] = []
    try:
        temporaries += call_together(
            _write_temporary, ((new.staging, new.path.name, new.content) for new in files)
        )
        with undo_on_failure(lambda: _remove_created(files, created)):
            for temporary, new in zip(temporaries, files, strict=True):
                created.append(_link(temporary, new.path))
            if any(created):
                fsync_folder(files[0].path.parent)
    finally:
        for temporary in temporaries:
            temporary.unlink()
    return created


def _remove_created(files: Sequence[NewFile], created: Sequence[bool]) -> None:
    for new, is_ours in zip(files, created, strict=False):
        if is_ours:
            new.path.unlink()


def _link(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True


def call_together(call: Callable[..., Result], work: Iterable[tuple[object, ...]]) -> list[Result]:
    """`call(*item)` for each item, eight at a time: fsyncs that wait together end together."""
    items = list(work)
    if len(items) == 1:
        return [call(*items[0])]
    with ThreadPoolExecutor(_FSYNCS_AT_ONCE) as pool:
        return list(pool.map(lambda item: call(*item), items))


def _write_temporary(folder: Path, name: str, content: bytes, mode: int = 0o666) -> Path:
    temporary = folder / f".{name}.{secrets.token_hex(8)}.tmp"
    try:
        opener = partial(os.open, mode=mode)
        with _path_in_error(temporary), open(temporary, "xb", opener=opener) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def remove_folder(folder: Path) -> None:
    """Remove a folder and everything in it, if it exists."""
    with contextlib.suppress(FileNotFoundError), _path_in_error(folder):
        shutil.rmtree(folder)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with _path_in_error(path), path.open("rb", buffering=0) as file:
        block = memoryview(bytearray(min(_READ_BYTES, os.fstat(file.fileno()).st_size + 1)))
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """The entry of a file in a record: its size and SHA-256."""
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}


def to_json(record: dict[str, Any]) -> bytes:
    """A record as readable JSON; numbers of any size stay exact."""
    return (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode()


def to_sealed_json(record: dict[str, Any]) -> bytes:
    """As `to_json`, with a last field `digest`: the SHA-256 of the record without that field."""
    return _seal(to_json(record))


def _seal(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return content.removesuffix(_END) + _SEALED_END % digest.encode()


def read_sealed_json(path: Path) -> dict[str, Any]:
    """A record written by `to_sealed_json`, without its digest; every byte of it is checked.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it is not a sealed record, or differs from what was written.
    """
    with _path_in_error(path), path.open("rb", buffering=0) as file:
        sealed = file.readall()
    content = sealed[: -len(_SEALED_END % (b"0" * _DIGEST_DIGITS))] + _END
    if sealed != _seal(content):
        raise Damaged(path, "its digest does not match its content; restore the file from a copy")
    try:
        record: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise Damaged(path, f"it is not JSON: {error}") from error
    return record
