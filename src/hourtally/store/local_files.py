"""Files in local folders, written durably.

No Parquet writer fsyncs and all of them write in place, so whatever must survive a crash is
written here: under a temporary name, fsynced, then renamed (or linked, where the first writer
wins), then the folder is fsynced. A failed fsync is never retried: the kernel has dropped the
pages, so the whole step has failed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from hourtally.store.files import AnyPath, Files, FileState, NewFile, ReadRange, use_local

Result = TypeVar("Result")

_FSYNCS_AT_ONCE: Final = 8


class LocalFiles(Files):
    """A local folder. Its methods are the functions of this module where they take a line."""

    has_folders = True
    reads_at_once = 1

    def names(self, folder: AnyPath) -> list[str]:
        # A third of the time of making paths, which looking through a year's hours can tell.
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - iterdir makes a path of each
        except (FileNotFoundError, NotADirectoryError):
            return []

    def exists(self, path: AnyPath) -> bool:
        return os.path.exists(path)  # noqa: PTH110 - making a path takes longer

    def is_folder(self, path: Path) -> bool:
        return path.is_dir()

    def state(self, path: Path) -> FileState:
        status = path.stat()
        return FileState(status.st_size, status.st_mtime_ns)

    def below(self, folder: Path) -> dict[str, FileState]:
        found = {}
        for inside, _, names in os.walk(folder):
            for path in (Path(inside, name) for name in names):
                if not path.is_symlink():
                    found[str(path.relative_to(folder))] = self.state(path)
        return found

    def read(self, path: Path, most: int = -1) -> bytes:
        with path_in_error(path), path.open("rb") as file:
            return file.read(most)

    def ranges(self, path: Path) -> AbstractContextManager[ReadRange]:
        return read_ranges(path)

    def local(self, path: Path) -> Path:
        return path

    def fetch(self, paths: Iterable[Path]) -> None:
        pass

    def fetch_files(self, paths: Iterable[Path]) -> None:
        pass

    def release(self, paths: Iterable[Path]) -> None:
        pass

    def create(self, files: Sequence[NewFile]) -> list[bool]:
        return create_files(files)

    def replace(self, path: Path, content: bytes, mode: int, staging: Path | None) -> None:
        if staging is None:
            temporary = path.parent / f".{path.name}.tmp"
            temporary.write_bytes(content)
            temporary.replace(path)
            return
        temporary = _write_temporary(staging, path.name, content, mode)
        temporary.replace(path)
        fsync_folder(path.parent)

    def make_folder(self, folder: Path) -> None:
        make_folder(folder)

    def begin_folder(self, folder: Path) -> None:
        folder.mkdir()

    def check_in_time(self, name: str) -> None:
        pass

    def publish(self, folder: Path) -> None:
        fsync_folder(folder)
        fsync_folder(folder.parent)

    def move(self, staged: Mapping[Path, Path], owner: str) -> list[Path]:
        assert not owner
        for path, target in staged.items():
            path.rename(target)
        return []

    def undo_move(self, targets: Iterable[Path], owner: str) -> None:
        assert not owner
        for path in targets:
            path.unlink(missing_ok=True)

    def new_owner(self) -> str:
        return ""

    def sync(self, folder: Path) -> None:
        fsync_folder(folder)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def remove_folder(self, folder: Path) -> None:
        with contextlib.suppress(FileNotFoundError), path_in_error(folder):
            shutil.rmtree(folder)

    def abandoned(self, before_ns: int | None = None) -> dict[str, int]:
        del before_ns
        return {}

    def remove_abandoned(self, names: Iterable[str]) -> None:
        assert not list(names)

    def one_listing(self, folders: Sequence[Path] | None = None) -> AbstractContextManager[None]:
        del folders
        return contextlib.nullcontext()

    def requests(self) -> dict[str, int]:
        return {}

    def add_requests(self, made: Mapping[str, int]) -> None:
        assert not made


@contextlib.contextmanager
def path_in_error(path: Path) -> Iterator[None]:
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
        with path_in_error(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def read_ranges(path: Path) -> Iterator[ReadRange]:
    """Read parts of a local file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield partial(_read_range, descriptor)
    finally:
        os.close(descriptor)


def _read_range(descriptor: int, offset: int, length: int) -> bytes:
    parts = []
    # One read gives at most 2 GiB.
    while length and (part := os.pread(descriptor, length, offset)):
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)


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
        with path_in_error(temporary), open(temporary, "xb", opener=opener) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


use_local(LocalFiles())
