"""Frames that wait to be merged, in memory while they are few, then on disk; read by row range."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import polars as pl
import pyarrow as pa

# About 900,000 slices. Always on disk, an ingest of 1 M lines took 13 % more CPU time.
_MAX_MEMORY_BYTES: Final = 128 << 20
# Ranges of some thousand rows are read from a file, so few rows are read in vain.
_BATCH_ROWS: Final = 1_024


def compact(frame: pl.DataFrame) -> pa.Table:
    """A copy of the frame that holds on to no other memory, as texts of a Polars slice do."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()


class StoredFrame(Protocol):
    """A frame in memory or on disk. Any thread may read it."""

    def read(self, first: int, end: int) -> pa.Table:
        """Rows [first, end), at least one."""


@dataclass
class FrameStore:
    """Stores frames under several names; frames of one name have the same columns."""

    folder: Path
    _memory_bytes: int = 0
    _files: dict[str, _SpillFile] = field(default_factory=dict)

    def add(self, name: str, frame: pl.DataFrame) -> StoredFrame:
        """Store a frame: in memory while there is room, then in the file of its name."""
        table = compact(frame)
        if self._memory_bytes + table.nbytes <= _MAX_MEMORY_BYTES:
            self._memory_bytes += table.nbytes
            return _MemoryFrame(table)
        if name not in self._files:
            self._files[name] = _SpillFile(self.folder / f"{name}.arrow")
        return self._files[name].add(table)

    def finish(self) -> None:
        """Accept no more frames; from now on all can be read."""
        for file in self._files.values():
            file.finish()


@dataclass(frozen=True)
class _MemoryFrame:
    table: pa.Table

    def read(self, first: int, end: int) -> pa.Table:
        return self.table.slice(first, end - first)


class _SpillFile:
    """An uncompressed Arrow file of frames, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches = 0
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._reader: pa.ipc.RecordBatchFileReader | None = None
        self._lock = threading.Lock()

    def add(self, table: pa.Table) -> _FileFrame:
        """Append a frame."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, table.schema)
        first = self._batches
        for batch in table.to_batches(_BATCH_ROWS):
            self._writer.write_batch(batch)
            self._batches += 1
        return _FileFrame(self, first)

    def finish(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()

    def read_batch(self, number: int) -> pa.RecordBatch:
        """One batch, counted from 0."""
        with self._lock:
            if self._reader is None:
                self._reader = pa.ipc.open_file(pa.OSFile(str(self._path)))
            return self._reader.get_batch(number)


@dataclass(frozen=True)
class _FileFrame:
    """A frame in a spill file, from batch `first_batch`. All its batches but the last are full."""

    file: _SpillFile
    first_batch: int

    def read(self, first: int, end: int) -> pa.Table:
        from_batch = first // _BATCH_ROWS
        batches = [
            self.file.read_batch(self.first_batch + number)
            for number in range(from_batch, -(-end // _BATCH_ROWS))
        ]
        start = from_batch * _BATCH_ROWS
        return pa.Table.from_batches(batches).slice(first - start, end - first)
