"""The lines of an NDJSON file in blocks, however the file is compressed.

Blocks end at line breaks, so that each can be parsed on its own. Memory is bounded whatever the
file holds: of a line longer than `MAX_KEPT_LINE_BYTES`, only the beginning, the length and the
digest are kept.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from hourtally.errors import FileRejected
from hourtally.ingest.discovery import line_compression
from hourtally.ingest.ndjson.line_index import count_line_breaks, line_breaks

# A block costs as much as 3,000 lines do, beside its own; three are in memory at a time.
BLOCK_BYTES: Final = 28 << 20
# How far before the end of a block its last line break is looked for.
_TAIL_BYTES: Final = 64 << 10
# A block of events has fewer lines, as these are longer than 294 bytes.
MAX_BLOCK_LINES: Final = 100_000
MAX_KEPT_LINE_BYTES: Final = 16 << 20
# Events compress to a fortieth, at best to a 150th; gzip's limit is a 1,030th.
MAX_EXPANSION: Final = 500
MIN_EXPANDED_BYTES: Final = 1 << 30
_BOM = b"\xef\xbb\xbf"


@dataclass
class Block:
    """Whole lines.

    first_line: the number of the first line, from 1. bytes_read: of the file so far. recycle:
    makes the memory of the text available to later blocks.
    """

    first_line: int
    text: bytes
    bytes_read: int
    recycle: Callable[[], None] | None = None

    @cached_property
    def breaks(self) -> pl.Series:
        """The position of every LF."""
        return line_breaks(self.text)

    @cached_property
    def rows(self) -> int:
        """How many lines it has."""
        return count_line_breaks(self.text) + (not self.text.endswith(b"\n"))

    def release(self) -> None:
        """Drop the text, which is no longer needed."""
        self.text = b""
        if self.recycle is not None:
            self.recycle()


def joined(blocks: Sequence[Block]) -> tuple[bytes, pl.Series]:
    """The lines of some blocks as one text, and where its line breaks are."""
    if len(blocks) == 1:
        return blocks[0].text, blocks[0].breaks
    ended = (b.text if b.text.endswith(b"\n") else b.text + b"\n" for b in blocks)
    text = b"".join(ended)
    return text, line_breaks(text)


@dataclass(frozen=True)
class OversizedLine:
    """A line too long for memory: its number, beginning, length in bytes and SHA-256."""

    number: int
    head: bytes
    length: int
    sha256: str


_Chunk = tuple[bytes, Callable[[], None] | None]
"""Bytes that were read, and how to recycle their memory."""


def read_blocks(path: Path) -> Iterator[Block | OversizedLine]:
    """The lines of a file, in order.

    Raises:
        FileRejected: it cannot be read or decompressed to its end.
    """
    compression = line_compression(path)
    try:
        with path.open("rb", buffering=0) as raw:
            size = path.stat().st_size
            if compression == "plain":
                yield from _cut_at_line_breaks(partial(_read_lines, raw, []), raw.tell)
                return
            if size == 0:
                raise FileRejected(path, f"it is empty, so it is not a {compression} file")
            with closing(pa.PythonFile(raw, "r")) as file:
                stream = pa.CompressedInputStream(file, compression)
                yield from _cut_at_line_breaks(_limit_expansion(stream.read, path, size), raw.tell)
    except OSError as error:
        reason = f"it cannot be read to its end: {error.strerror or error}"
        raise FileRejected(path, reason) from error


def _read_lines(file: io.FileIO, free: list[io.BytesIO], size: int) -> _Chunk:
    """Read about `size` bytes, up to the end of a line, so that no part of it must be copied.

    free: buffers to read into. Reading into new memory, and cutting it at line breaks by copying,
    an ingest of 1 M lines took 17 % more CPU time.
    """
    size = min(size, os.fstat(file.fileno()).st_size - file.tell())
    if size <= 0:
        # The end of the file, or what was appended to it, or a file without a size, as in /proc.
        return file.read(_TAIL_BYTES), None
    tail_size = min(size, _TAIL_BYTES)
    tail = os.pread(file.fileno(), tail_size, file.tell() + size - tail_size)
    end = tail.rfind(b"\n") + 1
    size = size - tail_size + end if end else size
    if free:
        memory = free.pop()
        if memory.getbuffer().nbytes < size:
            memory.seek(size - 1)
            memory.write(b"\0")
        with memory.getbuffer() as buffer:
            length = file.readinto(buffer[:size])
        memory.truncate(length)
    else:
        memory = io.BytesIO(file.read(size))
    # Not a copy. If something still refers to it when the buffer is written to, BytesIO copies.
    return memory.getvalue(), partial(free.append, memory)


def _limit_expansion(
    read: Callable[[int], bytes], path: Path, size: int
) -> Callable[[int], _Chunk]:
    """The same reads, up to a size that a compressed file of events never expands to."""
    most = max(MIN_EXPANDED_BYTES, MAX_EXPANSION * size)
    expanded = 0

    def bounded(count: int) -> _Chunk:
        nonlocal expanded
        chunk = read(count)
        expanded += len(chunk)
        if expanded > most:
            reason = (
                f"it expands to over {most} bytes, {MAX_EXPANSION} times its size: "
                "it is not a file of events"
            )
            raise FileRejected(path, reason)
        return chunk, None

    return bounded


def _cut_at_line_breaks(
    read: Callable[[int], _Chunk], tell: Callable[[], int]
) -> Iterator[Block | OversizedLine]:
    """Cut what `read(size)` returns into blocks at line breaks."""
    line = 1
    rest = b""
    chunk, recycle = read(BLOCK_BYTES)
    if chunk.startswith(_BOM):
        chunk, recycle = chunk.removeprefix(_BOM), None
    while chunk:
        end = chunk.rfind(b"\n") + 1
        if end:
            if rest or end < len(chunk):
                text, recycle = b"".join((rest, memoryview(chunk)[:end])), None
            else:
                text = chunk
            rest = chunk[end:]
            block = Block(line, text, tell(), recycle)
            line += block.rows
            # Only the block refers to its text, so it can release it before the next one is read.
            del text, chunk
            yield from _limit_lines(block)
        elif len(rest) + len(chunk) <= MAX_KEPT_LINE_BYTES:
            rest += chunk
        else:
            oversized, chunk = _skip_line(line, rest + chunk, read)
            recycle = None
            yield oversized
            line += 1
            rest = b""
            if chunk:
                continue
        chunk, recycle = read(BLOCK_BYTES)
    if rest:
        yield Block(line, rest, tell())


def _limit_lines(block: Block) -> Iterator[Block]:
    """The block, in several if it has many lines: a quarantined one takes 350 bytes more."""
    if block.rows <= MAX_BLOCK_LINES:
        yield block
        return
    ends = (block.breaks.gather_every(MAX_BLOCK_LINES, MAX_BLOCK_LINES - 1) + 1).to_list()
    borders = sorted({0, *ends, len(block.text)})
    for number, (start, end) in enumerate(itertools.pairwise(borders)):
        first_line = block.first_line + number * MAX_BLOCK_LINES
        yield Block(first_line, block.text[start:end], block.bytes_read)


def _skip_line(
    line: int, head: bytes, read: Callable[[int], _Chunk]
) -> tuple[OversizedLine, bytes]:
    """Read to the end of an oversized line; returns the line, and what was read after it."""
    digest = hashlib.sha256(head)
    length = len(head)
    rest = b""
    while chunk := read(BLOCK_BYTES)[0]:
        end = chunk.find(b"\n")
        tail = chunk if end < 0 else chunk[:end]
        digest.update(tail)
        length += len(tail)
        if end >= 0:
            rest = chunk[end + 1 :]
            break
    return OversizedLine(line, head[:MAX_KEPT_LINE_BYTES], length, digest.hexdigest()), rest
