"""Whether a file's first bytes contradict its name.

A gzip file named `.ndjson` would be one long quarantined line, and under its right name a batch
that exists already: so it is rejected before anything is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hourtally.errors import FileRejected
from hourtally.ingest.discovery import (
    COMPRESSIONS,
    LINE_SUFFIXES,
    PARQUET_SUFFIX,
    is_parquet,
    line_compression,
)

_GZIP: Final = b"\x1f\x8b"
# RFC 8878: a frame, or one of sixteen kinds of frames that a reader passes over.
_ZSTD: Final = (b"\x28\xb5\x2f\xfd", *(bytes((kind, 0x2A, 0x4D, 0x18)) for kind in range(80, 96)))
_PARQUET: Final = (b"PAR1", b"PARE")
_BOM: Final = b"\xef\xbb\xbf"
_MOST_BYTES: Final = 64


def check_first_bytes(path: Path) -> None:
    """Check that an event file is what its name says.

    Raises:
        FileRejected: its first bytes are those of another kind of file, or it is to be Parquet and
            has none, which a file of lines may: then it must not count as that file's batch.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_MOST_BYTES)
    kind = _kind_of(head)
    named = "parquet" if is_parquet(path) else line_compression(path)
    if named == "parquet" and not head:
        raise FileRejected(path, "it is empty, which no Parquet file is: write it again")
    if kind not in {None, named}:
        what = "lines of text" if kind == "plain" else f"a {kind} file"
        right = right_name(path.name, kind or "plain")
        reason = f"its first bytes are those of {what}: name it {right} and ingest it again"
        raise FileRejected(path, reason)


def _kind_of(head: bytes) -> str | None:
    """What a file is that begins like this; None where that is not sure."""
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_ZSTD):
        return "zstd"
    if head.startswith(_PARQUET):
        return "parquet"
    return "plain" if head.removeprefix(_BOM).lstrip().startswith(b"{") else None


def right_name(name: str, kind: str) -> str:
    """The name of a file as this kind: `gzip`, `zstd`, `parquet` or `plain`."""
    stem = _without(name, COMPRESSIONS)
    if kind == "parquet":
        return _without(stem, LINE_SUFFIXES) + PARQUET_SUFFIX
    if is_parquet(Path(name)):
        stem = _without(name, (PARQUET_SUFFIX,)) + LINE_SUFFIXES[0]
    endings = {compression or "plain": suffix for suffix, compression in COMPRESSIONS.items()}
    return stem + endings[kind]


def _without(name: str, suffixes: Iterable[str]) -> str:
    """A name without the first of the suffixes that it has."""
    for suffix in filter(None, suffixes):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
