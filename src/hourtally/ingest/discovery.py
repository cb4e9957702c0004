"""Which files are event files, by name, and which of them a folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hourtally.errors import FileRejected

LINE_SUFFIXES: Final = (".ndjson", ".jsonl")
COMPRESSIONS: Final = {"": None, ".gz": "gzip", ".zst": "zstd"}
PARQUET_SUFFIX: Final = ".parquet"
# The same, for messages.
EVENT_SUFFIXES: Final = ".ndjson, .jsonl (also with .gz or .zst), .parquet"


def is_event_file(path: Path) -> bool:
    """Whether a file is an event file by its name."""
    return path.suffix == PARQUET_SUFFIX or line_compression(path) is not None


def line_compression(path: Path) -> str | None:
    """`plain`, `gzip` or `zstd` for an NDJSON file, by its name; None for any other file."""
    for suffix, compression in COMPRESSIONS.items():
        if path.name.endswith(tuple(line_suffix + suffix for line_suffix in LINE_SUFFIXES)):
            return compression or "plain"
    return None


def event_files(path: Path) -> list[Path]:
    """The file itself, or the event files directly inside a folder, by name, without hidden ones.

    Raises:
        FileRejected: there is no such file or folder, or it cannot be read.
    """
    try:
        if path.is_dir():
            inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
            return [entry for entry in inside if is_event_file(entry) and not _is_folder(entry)]
        if not path.exists():
            raise FileRejected(path, "there is no such file or folder")
    except OSError as error:
        raise FileRejected(path, f"it cannot be read: {error.strerror or error}") from error
    return [path]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def path_text(path: Path) -> str:
    """A path as text for JSON; bytes of its name that are not UTF-8 are escaped."""
    return str(path).encode(errors="backslashreplace").decode()
