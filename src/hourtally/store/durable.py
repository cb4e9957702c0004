"""Files of a home, by path: durable writes, sealed records, and faults that name their path.

The home may be a local folder or a place in an object store; `files_at` knows which. What a call
here has written when it returns is durable.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from hourtally.errors import StorageFault, suggested_fix
from hourtally.store.files import AnyPath, FileState, NewFile, ReadRange, files_at
from hourtally.store.local_files import (
    call_together,
    fsync_file,
    path_in_error,
    undo_on_failure,
)
from hourtally.store.sealed import read_sealed_json, to_json, to_sealed_json

__all__ = [
    "NewFile",
    "call_together",
    "fsync_file",
    "read_sealed_json",
    "to_json",
    "to_sealed_json",
    "undo_on_failure",
]

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Few large reads, as each one waits for the interpreter lock.
_READ_BYTES: Final = 8 << 20


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder, sorted by name; empty if there is no such folder."""
    return [folder / name for name in list_names(folder)]


def list_names(folder: AnyPath) -> list[str]:
    """Their names: a third of the time, which looking through a year's hours can tell."""
    return files_at(folder).names(folder)


def has_folders(path: AnyPath) -> bool:
    """Whether there are folders, which can be locked and made durable."""
    return files_at(path).has_folders


def at_one_moment(call: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function of a home that sees the names of one moment, where asking takes long."""

    @wraps(call)
    def within(*given: Given.args, **named: Given.kwargs) -> Result:
        home: Any = given[0]
        with one_listing(home.root):
            return call(*given, **named)

    return within


def one_listing(root: Path, folders: Sequence[Path] | None = None) -> AbstractContextManager[None]:
    """Within it, names in a home are those of one moment, where asking takes long.

    folders: list only these, all at once.
    """
    return files_at(root).one_listing(folders)


def reads_at_once(root: Path) -> int:
    """How many reads of a home are best made at a time."""
    return files_at(root).reads_at_once


def file_exists(path: AnyPath) -> bool:
    """Whether there is such a file."""
    return files_at(path).exists(path)


def folder_exists(path: Path) -> bool:
    """Whether there is such a folder."""
    return files_at(path).is_folder(path)


def files_below(folder: Path) -> dict[Path, FileState]:
    """The files in a folder and its subfolders; links are left out."""
    return {folder / name: state for name, state in files_at(folder).below(folder).items()}


def file_state(path: Path) -> FileState:
    """A file, or a folder, which has changed when the names in it did.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return files_at(path).state(path)


def file_size(path: Path) -> int:
    """The bytes of a file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return files_at(path).state(path).size


def changed_ns(path: Path) -> int:
    """When a file, or what lies right in a folder, was last changed, in Unix nanoseconds."""
    return files_at(path).state(path).changed_ns


def read_file(path: Path, most: int = -1) -> bytes:
    """The content of a file, or its first bytes, at most so many.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return files_at(path).read(path, most)


def ranges(path: Path) -> AbstractContextManager[ReadRange]:
    """Read parts of a file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return files_at(path).ranges(path)


def local_file(path: Path) -> Path:
    """A local file of a file's content, for engines that open files themselves."""
    return files_at(path).local(path)


def fetch(paths: Sequence[Path]) -> None:
    """Get records that will be read soon, all at once where that is faster."""
    if paths:
        files_at(paths[0]).fetch(paths)


def fetch_files(paths: Sequence[Path]) -> None:
    """Make local files of many, all at once where that is faster; missing ones are left out."""
    if paths:
        files_at(paths[0]).fetch_files(paths)


def release(paths: Sequence[Path]) -> None:
    """Drop local copies of files that will not be read again soon; of a local home nothing."""
    # Each by itself: event files may lie in a bucket, and the slices of them on this disk.
    for path in paths:
        files_at(path).release([path])


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


def make_folder(folder: Path) -> None:
    """Create a folder and its parents durably.

    A folder that exists may not be on disk yet: its creator may have been killed just then. Its
    parents were made durable before it.
    """
    files_at(folder).make_folder(folder)


def begin_folder(folder: Path) -> None:
    """Make the folder of a revision, to be written locally and published."""
    files_at(folder).begin_folder(folder)


def check_in_time(folder: Path, name: str) -> None:
    """Check that a folder or an owner was not begun so long ago that its files may be gone.

    Raises:
        OSError: it was; nothing of it may be committed.
    """
    files_at(folder).check_in_time(name)


def publish_folder(folder: Path) -> None:
    """Make files durable, and their names, that were written and fsynced in a folder."""
    files_at(folder).publish(folder)


def fsync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    files_at(folder).sync(folder)


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
    files_at(path).replace(path, content, mode, staging or path.parent)


def replace_quickly(path: Path, content: bytes) -> None:
    """Write a file that a power loss may lose, but not tear; an older one is replaced."""
    files_at(path).replace(path, content, 0o666, None)


def create_file(path: Path, content: bytes, *, staging: Path | None = None) -> bool:
    """Write a file durably unless the name is taken; return whether this call created it.

    If this fails, the file is usually not there. On a failing disk it may be there after all, so
    fsync its folder before you remove anything that the file refers to.
    """
    [created] = create_files([NewFile(path, content, staging or path.parent)])
    return created


def create_files(files: Sequence[NewFile]) -> list[bool]:
    """As `create_file`, for files of one folder, with a single fsync for all their names."""
    return files_at(files[0].path).create(files)


def new_owner(folder: Path) -> str:
    """An owner for `move_files`; empty where a lock lets one caller move at a time."""
    return files_at(folder).new_owner()


def move_files(staged: Mapping[Path, Path], owner: str) -> list[Path]:
    """Give staged files, which are durable, their final names in folders that exist.

    Args:
        staged: the final path of each.
        owner: tells what this caller moves from what another one moves to the same names.

    Returns:
        The quarantine files whose names were taken, which are found by the owner.
    """
    return files_at(next(iter(staged.values()))).move(staged, owner) if staged else []


def undo_move(targets: Sequence[Path], owner: str) -> None:
    """Remove what `move_files` with this owner gave these names."""
    if targets:
        files_at(targets[0]).undo_move(targets, owner)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there."""
    files_at(path).remove(path)


def remove_folder(folder: Path) -> None:
    """Remove a folder and everything in it, if it exists."""
    files_at(folder).remove_folder(folder)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    path = local_file(path)
    with path_in_error(path), path.open("rb", buffering=0) as file:
        block = memoryview(bytearray(min(_READ_BYTES, os.fstat(file.fileno()).st_size + 1)))
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """The entry of a file in a record: its size and SHA-256."""
    sha256 = sha256_of(path)
    return {"size": local_file(path).stat().st_size, "sha256": sha256}
