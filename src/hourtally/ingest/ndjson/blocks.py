"""Event files as they lie on disk: their lines in blocks, whatever they are compressed with.

Blocks end at line breaks, so that they can be read apart from each other. Memory stays
bounded whatever the file holds: one line longer than `MAX_KEPT_LINE_BYTES` is told by its
beginning, its length and its digest.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from hourtally.errors import FileRejected
from hourtally.ingest.discovery import line_compression
from hourtally.ingest.ndjson.line_index import line_breaks

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


@dataclass
class Block:
    """Whole lines. first_line: the number of the first, from 1. read_bytes: of the file so far.

    give_back: lets the memory of the text be read into again.
    """

    first_line: int
    text: bytes
    read_bytes: int
    give_back: Callable[[], None] | None = None

    @cached_property
    def breaks(self) -> pl.Series:
        """The place of every LF."""
        return line_breaks(self.text)

    def end(self) -> None:
        """Do without the text from now on."""
        self.text = b""
        if self.give_back is not None:
            self.give_back()


@dataclass(frozen=True)
class HugeLine:
    """A line too long to be held: its number, beginning, length in bytes and SHA-256."""

    line: int
    head: bytes
    length: int
    sha256: str


_Piece = tuple[bytes, Callable[[], None] | None]
"""What was read, and how its memory is given back."""


def read_blocks(path: Path) -> Iterator[Block | HugeLine]:
    """The lines of a file, in order.

    Raises:
        FileRejected: it cannot be read or decompressed to its end.
    """
    compression = line_compression(path)
    try:
        with path.open("rb", buffering=0) as raw:
            size = path.stat().st_size
            if compression == "plain":
                yield from _blocks_of(partial(_read_lines, raw, []), raw.tell)
                return
            if size == 0:
                raise FileRejected(path, f"it is empty, which no {compression} file is")
            with closing(pa.PythonFile(raw, "r")) as file:
                stream = pa.CompressedInputStream(file, compression)
                yield from _blocks_of(_bounded(stream.read, path, size), raw.tell)
    except OSError as error:
        reason = f"it cannot be read to its end: {error.strerror or error}"
        raise FileRejected(path, reason) from error


def _read_lines(file: io.FileIO, free: list[io.BytesIO], size: int) -> _Piece:
    """Read about so many bytes, to the end of a line: then no part of it has to be moved.

    free: memory to read into. To get new memory takes half as long as to read what it is for.
    """
    size = min(size, os.fstat(file.fileno()).st_size - file.tell())
    if size <= 0:
        # The end, or what the file got since, or a file of which the system tells no size.
        return file.read(_NEAR_BYTES), None
    most = min(size, _NEAR_BYTES)
    near = os.pread(file.fileno(), most, file.tell() + size - most)
    end = near.rfind(b"\n") + 1
    size = size - most + end if end else size
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
    # This is no copy, and stays as it is if anyone still has it when the memory is read into.
    return memory.getvalue(), partial(free.append, memory)


def _bounded(read: Callable[[int], bytes], path: Path, size: int) -> Callable[[int], _Piece]:
    """The same reads, up to a size that no compressed file of events expands to."""
    most = max(MIN_EXPANDED_BYTES, MAX_EXPANSION * size)
    expanded = 0

    def bounded(count: int) -> _Piece:
        nonlocal expanded
        piece = read(count)
        expanded += len(piece)
        if expanded > most:
            reason = (
                f"it expands to over {most} bytes, {MAX_EXPANSION} times its size: "
                "this is no file of events"
            )
            raise FileRejected(path, reason)
        return piece, None

    return bounded


def _blocks_of(
    read: Callable[[int], _Piece], tell: Callable[[], int]
) -> Iterator[Block | HugeLine]:
    """Cut what `read(size)` gives at line breaks."""
    line = 1
    rest = b""
    piece, give_back = read(BLOCK_BYTES)
    if piece.startswith(_BOM):
        piece, give_back = piece.removeprefix(_BOM), None
    while piece:
        end = piece.rfind(b"\n") + 1
        if end:
            if rest or end < len(piece):
                text, give_back = b"".join((rest, memoryview(piece)[:end])), None
            else:
                text = piece
            rest = piece[end:]
            block = Block(line, text, tell(), give_back)
            line += len(block.breaks)
            # The block alone has its text, and may do without it before the next one is read.
            del text, piece
            yield from _of_few_lines(block)
        elif len(rest) + len(piece) <= MAX_KEPT_LINE_BYTES:
            rest += piece
        else:
            huge, piece = _skip_line(line, rest + piece, read)
            give_back = None
            yield huge
            line += 1
            rest = b""
            if piece:
                continue
        piece, give_back = read(BLOCK_BYTES)
    if rest:
        yield Block(line, rest, tell())


def _of_few_lines(block: Block) -> Iterator[Block]:
    """The block itself, or its lines in several: each refused one takes 350 bytes beside itself."""
    if len(block.breaks) <= MAX_BLOCK_LINES:
        yield block
        return
    ends = (block.breaks.gather_every(MAX_BLOCK_LINES, MAX_BLOCK_LINES - 1) + 1).to_list()
    borders = sorted({0, *ends, len(block.text)})
    for number, (start, end) in enumerate(itertools.pairwise(borders)):
        first_line = block.first_line + number * MAX_BLOCK_LINES
        yield Block(first_line, block.text[start:end], block.read_bytes)


def _skip_line(line: int, head: bytes, read: Callable[[int], _Piece]) -> tuple[HugeLine, bytes]:
    """Read to the end of a line too long to be held; the line, and what was read after it."""
    digest = hashlib.sha256(head)
    length = len(head)
    rest = b""
    while piece := read(BLOCK_BYTES)[0]:
        end = piece.find(b"\n")
        tail = piece if end < 0 else piece[:end]
        digest.update(tail)
        length += len(tail)
        if end >= 0:
            rest = piece[end + 1 :]
            break
    return HugeLine(line, head[:MAX_KEPT_LINE_BYTES], length, digest.hexdigest()), rest
