"""Event files as they lie on disk: their lines in blocks, whatever they are compressed with.

Blocks end at line breaks, so that they can be read apart from each other. Memory stays
bounded whatever the file holds: one line longer than `MAX_KEPT_LINE_BYTES` is told by its
beginning, its length and its digest.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from hourtally.errors import FileRefused
from hourtally.event_files import line_compression

# What a block costs beside its lines is as much as 3,000 of them do; three are under way.
BLOCK_BYTES: Final = 28 << 20
# Of a block's end, to look for a line's end in.
_NEAR_BYTES: Final = 64 << 10
# Lines of events are longer: a block has fewer of them.
MAX_BLOCK_LINES: Final = 100_000
MAX_KEPT_LINE_BYTES: Final = 16 << 20
# A line of events compresses to a fortieth, at best to a 150th; gzip's best is a 1,030th.
MAX_EXPANSION: Final = 500
MIN_EXPANDED_BYTES: Final = 1 << 30
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines. first_line: the number of the first, from 1. read_bytes: of the file so far."""

    first_line: int
    text: bytes
    read_bytes: int


@dataclass(frozen=True)
class HugeLine:
    """A line too long to be held: its number, beginning, length in bytes and SHA-256."""

    line: int
    head: bytes
    length: int
    sha256: str


def read_blocks(path: Path) -> Iterator[Block | HugeLine]:
    """The lines of a file, in order.

    Raises:
        FileRefused: it cannot be read or decompressed to its end.
    """
    compression = line_compression(path)
    try:
        with path.open("rb", buffering=0) as raw:
            size = path.stat().st_size
            if compression == "plain":
                yield from _blocks_of(partial(_read_lines, raw), raw.tell)
                return
            if size == 0:
                raise FileRefused(path, f"it is empty, which no {compression} file is")
            with closing(pa.PythonFile(raw, "r")) as file:
                stream = pa.CompressedInputStream(file, compression)
                yield from _blocks_of(_bounded(stream.read, path, size), raw.tell)
    except OSError as error:
        reason = f"it cannot be read to its end: {error.strerror or error}"
        raise FileRefused(path, reason) from error


def _read_lines(file: io.FileIO, size: int) -> bytes:
    """Read about so many bytes, to the end of a line: then no part of it has to be moved."""
    most = min(size, _NEAR_BYTES)
    near = os.pread(file.fileno(), most, file.tell() + size - most)
    end = near.rfind(b"\n") + 1
    return file.read(size - most + end if end else size)


def _bounded(read: Callable[[int], bytes], path: Path, size: int) -> Callable[[int], bytes]:
    """The same reads, up to a size that no compressed file of events expands to."""
    most = max(MIN_EXPANDED_BYTES, MAX_EXPANSION * size)
    expanded = 0

    def bounded(count: int) -> bytes:
        nonlocal expanded
        piece = read(count)
        expanded += len(piece)
        if expanded > most:
            reason = (
                f"it expands to over {most} bytes, {MAX_EXPANSION} times its size: "
                "this is no file of events"
            )
            raise FileRefused(path, reason)
        return piece

    return bounded


def _blocks_of(read: Callable[[int], bytes], tell: Callable[[], int]) -> Iterator[Block | HugeLine]:
    """Cut what `read(size)` gives at line breaks."""
    line = 1
    rest = b""
    piece = read(BLOCK_BYTES).removeprefix(_BOM)
    while piece:
        end = piece.rfind(b"\n") + 1
        if end:
            whole = not rest and end == len(piece)
            text = piece if whole else b"".join((rest, memoryview(piece)[:end]))
            lines = _count_lines(text)
            yield from _of_few_lines(Block(line, text, tell()), lines)
            line += lines
            rest = piece[end:]
        elif len(rest) + len(piece) <= MAX_KEPT_LINE_BYTES:
            rest += piece
        else:
            huge, piece = _skip_line(line, rest + piece, read)
            yield huge
            line += 1
            rest = b""
            if piece:
                continue
        piece = read(BLOCK_BYTES)
    if rest:
        yield Block(line, rest, tell())


def is_plain_ascii(text: bytes) -> bool:
    """Whether it has neither DEL nor anything that is not ASCII."""
    return not (_octets(text) >= 0x7F).any()


def _count_lines(text: bytes) -> int:
    """How many lines end in it. The same as `bytes.count`, which takes six times as long."""
    return int((_octets(text) == ord("\n")).sum())


def _octets(text: bytes) -> pl.Series:
    octets = pa.Array.from_buffers(pa.uint8(), len(text), [None, pa.py_buffer(text)])
    return pl.Series(_AsItIs(octets))


@dataclass(frozen=True)
class _AsItIs:
    """An array for Polars, which would load much of pyarrow for one that it knew."""

    array: pa.Array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        exported: tuple[object, object] = self.array.__arrow_c_array__(requested_schema)
        return exported


def _of_few_lines(block: Block, lines: int) -> Iterator[Block]:
    """The block itself, or its lines in several: each refused one takes 350 bytes beside itself."""
    if lines <= MAX_BLOCK_LINES:
        yield block
        return
    middle = len(block.text) // 2
    end = block.text.rfind(b"\n", 0, middle) + 1 or block.text.find(b"\n", middle) + 1
    first, second = block.text[:end], block.text[end:]
    first_lines = _count_lines(first)
    yield from _of_few_lines(replace(block, text=first), first_lines)
    first_line = block.first_line + first_lines
    yield from _of_few_lines(
        replace(block, first_line=first_line, text=second), lines - first_lines
    )


def _skip_line(line: int, head: bytes, read: Callable[[int], bytes]) -> tuple[HugeLine, bytes]:
    """Read to the end of a line too long to be held; the line, and what was read after it."""
    digest = hashlib.sha256(head)
    length = len(head)
    rest = b""
    while piece := read(BLOCK_BYTES):
        end = piece.find(b"\n")
        tail = piece if end < 0 else piece[:end]
        digest.update(tail)
        length += len(tail)
        if end >= 0:
            rest = piece[end + 1 :]
            break
    return HugeLine(line, head[:MAX_KEPT_LINE_BYTES], length, digest.hexdigest()), rest
