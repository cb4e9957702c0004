"""Which files are event files, by name, and which of them a folder and its subfolders hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from hourtally.errors import FileRejected, with_urls
from hourtally.store import durable
from hourtally.store.faults import StoreFault

LINE_SUFFIXES: Final = (".ndjson", ".jsonl", ".json")
COMPRESSIONS: Final = {"": None, ".gz": "gzip", ".zst": "zstd"}
PARQUET_SUFFIX: Final = ".parquet"
# The same, for messages.
EVENT_SUFFIXES: Final = ".ndjson, .jsonl or .json (also with .gz or .zst), or .parquet"

A_LINK: Final = "symbolic link"
OTHER_NAME: Final = "not an event file's name"
_MAX_EXAMPLES: Final = 3

# The folders of a home (contract, section 7) that may not be ingested; the inbox may.
_FOLDERS_OF_HOME: Final = frozenset(
    ("batches", "cases", "events", "exports", "hours", "quarantine", "rates")
)
# Two of them show that a folder is a home, by what is in them: a batch's record, an hour's folder.
_NAMES_BY_MARK: Final = {
    "batches": re.compile(r"[0-9a-f]{16}\.json", re.ASCII),
    "hours": re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}", re.ASCII),
}


@dataclass
class Tally:
    """How many files have something in common, and the first few of them, each as fields."""

    count: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, **example: str) -> None:
        """Count one more file."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(example)

    def merge(self, other: Tally) -> None:
        """Count the files of another tally too."""
        self.count += other.count
        self.examples += other.examples[: _MAX_EXAMPLES - len(self.examples)]


@dataclass
class Found:
    """What a folder holds.

    Attributes:
        files: its event files, sorted by path.
        passed_over: files that are not taken, each with its `file` and `why`.
        refused: subfolders that cannot be searched.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: Tally = field(default_factory=Tally)
    refused: list[FileRejected] = field(default_factory=list)


def is_event_file(path: Path) -> bool:
    """Whether a file is an event file by its name, whatever its case."""
    return is_parquet(path) or line_compression(path) is not None


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet by its name."""
    return path.name.lower().endswith(PARQUET_SUFFIX)


def line_compression(path: Path) -> str | None:
    """`plain`, `gzip` or `zstd` for an NDJSON file, by its name; None for any other file."""
    name = path.name.lower()
    for suffix, compression in COMPRESSIONS.items():
        if name.endswith(tuple(line_suffix + suffix for line_suffix in LINE_SUFFIXES)):
            return compression or "plain"
    return None


def named_files(path: Path) -> Found:
    """The file itself, or what a folder holds that somebody names for ingesting.

    Raises:
        FileRejected: there is no such file or folder, it cannot be read, or it is a folder of
            Hourtally's own or without event files.
    """
    try:
        if not durable.has_folders(path):
            return named_objects(path)
        if not path.is_dir():
            if not path.exists():
                raise FileRejected(path, "there is no such file or folder")
            return Found([path])
    except OSError as error:
        raise unreadable(path, error) from error
    if own := _own_folder(path):
        raise FileRejected(path, own)
    found = event_files(path)
    if not found.files and not found.refused:
        raise FileRejected(path, _nothing_to_take(found))
    return found


def event_files(folder: Path, *, homes_too: bool = False) -> Found:
    """The event files in a folder and its subfolders.

    Links are not followed: whoever may write to the folder could have any file read that this
    process may read. Names that begin with `.` or `_` are skipped without a word, as Spark's
    `_SUCCESS` and `_temporary/` are.

    Args:
        folder: where to look.
        homes_too: search subfolders that look like a home too.

    Raises:
        FileRejected: the folder cannot be read.
    """
    if not durable.has_folders(folder):
        return objects_below(folder, homes_too=homes_too)
    found = Found()
    try:
        waiting = [_entries(folder)]
    except OSError as error:
        raise unreadable(folder, error) from error
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
            continue
        path = Path(entry.path)
        try:
            if not entry.is_dir(follow_symlinks=False):
                _sort_in(found, entry, path)
            elif not homes_too and _looks_like_a_home(path):
                found.refused.append(FileRejected(path, _IS_HOME))
            else:
                waiting.append(_entries(path))
        except OSError as error:
            found.refused.append(unreadable(path, error))
    return found


def named_objects(path: Path) -> Found:
    """As `named_files`, in an object store."""
    if is_event_file(path) and durable.file_exists(path):
        return Found([path])
    if own := _own_folder(path):
        raise FileRejected(path, own)
    found = objects_below(path)
    if found.files or found.refused:
        return found
    if found.passed_over.count:
        raise FileRejected(path, _nothing_to_take(found))
    if durable.file_exists(path):
        return Found([path])
    raise FileRejected(path, "there is no such file or folder")


def objects_below(folder: Path, *, homes_too: bool = False) -> Found:
    """As `event_files`, in an object store."""
    found = Found()
    every = (path.relative_to(folder).parts for path in durable.files_below(folder))
    below = sorted(parts for parts in every if not any(map(_is_hidden, parts)))
    homes = set()
    if not homes_too:
        homes = {home for parts in below if (home := _home_around(parts)) is not None}
    for home in sorted(homes):
        found.refused.append(FileRejected(folder.joinpath(*home), _IS_HOME))
    folders = {parts[:depth] for parts in below for depth in range(len(parts))}
    for parts in below:
        if any(parts[:depth] in homes for depth in range(len(parts))):
            continue
        path = folder.joinpath(*parts)
        if is_event_file(path) and parts in folders:
            found.refused.append(FileRejected(path, _IS_FOLDER_TOO))
        elif is_event_file(path):
            found.files.append(path)
        else:
            found.passed_over.add(file=path_text(path), why=OTHER_NAME)
    return found


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _home_around(parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """The folder that an object shows to be a home; None if it shows nothing."""
    for depth, (mark, name) in enumerate(pairwise(parts)):
        pattern = _NAMES_BY_MARK.get(mark)
        if pattern is not None and pattern.fullmatch(name):
            return parts[:depth]
    return None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        seen = [entry for entry in entries if not _is_hidden(entry.name)]
    return iter(sorted(seen, key=lambda entry: entry.name))


def _sort_in(found: Found, entry: os.DirEntry[str], path: Path) -> None:
    if entry.is_symlink():
        found.passed_over.add(file=path_text(path), why=A_LINK)
    elif is_event_file(path):
        found.files.append(path)
    else:
        found.passed_over.add(file=path_text(path), why=OTHER_NAME)


_IS_FOLDER_TOO: Final = "other objects are named as if it were their folder; rename it"
_IS_HOME: Final = "it is a home of Hourtally, whose files are not events; name the event files"


def _own_folder(path: Path) -> str | None:
    """Why a folder may not be ingested; None if it may."""
    folder = path.resolve()
    if _has_marks(folder):
        return _IS_HOME
    for depth, home in enumerate(folder.parents):
        if durable.has_folders(home) != durable.has_folders(folder):
            # Above a bucket's working folder.
            return None
        inside = folder.relative_to(home).parts[0]
        is_own = inside in _FOLDERS_OF_HOME or inside.startswith(".")
        # A folder of this name beside an `hours` is a home's; deeper down, a name proves little.
        if is_own and (_looks_like_a_home(home) if depth else _has_marks(home)):
            return f"it is a folder of the home {with_urls(str(home))}, whose files are not events"
    return None


def _has_marks(folder: Path) -> bool:
    if folder.name == "inbox":
        # An inbox is its owner's: it may have subfolders of any name.
        return _looks_like_a_home(folder)
    return any(durable.folder_exists(folder / mark) for mark in _NAMES_BY_MARK)


def _looks_like_a_home(folder: Path) -> bool:
    """Whether a folder has a batch's record or a folder of an hour where a home has them."""
    for mark, pattern in _NAMES_BY_MARK.items():
        try:
            names = durable.list_names(folder / mark)
        except OSError:
            continue
        if any(map(pattern.fullmatch, names)):
            return True
    return False


def _nothing_to_take(found: Found) -> str:
    reason = f"it has no event files, whose names end in {EVENT_SUFFIXES}"
    passed_over = found.passed_over
    if passed_over.count:
        examples = ", ".join(example["file"] for example in passed_over.examples)
        reason += f"; passed over: {passed_over.count}, such as {examples}"
    return reason


def unreadable(path: Path, error: OSError) -> FileRejected:
    """The refusal of a file or folder that the system does not let us read."""
    reason = f"it cannot be read: {error.strerror or error}"
    if isinstance(error, StoreFault):
        reason += f"; {error.advice}"
    return FileRejected(path, reason)


def path_text(path: Path) -> str:
    """A path or URL as text for JSON; bytes of its name that are not UTF-8 are escaped."""
    return with_urls(str(path)).encode(errors="backslashreplace").decode()
