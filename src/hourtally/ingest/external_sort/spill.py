"""Frames that wait, in memory while they are few: then they are read in stretches of rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import polars as pl
import pyarrow as pa

# About 900,000 slices: to write and read them took a twentieth of an ingest of so many.
_MOST_HELD_BYTES: Final = 128 << 20
# Stretches of a thousand rows are read of a file, so that few others are read with them.
_BATCH_ROWS: Final = 1_024


def compact(frame: pl.DataFrame) -> pa.Table:
    """The frame in memory of its own: texts in Polars drag along whatever they were cut from."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()


class Kept(Protocol):
    """A frame, wherever it waits. Any thread may read of it."""

    def read(self, first: int, end: int) -> pa.Table:
        """Rows [first, end); there has to be one."""


@dataclass
class Keeper:
    """Keeps frames of several names, those of one name with the same columns."""

    folder: Path
    _held_bytes: int = 0
    _files: dict[str, _SpilledFrames] = field(default_factory=dict)

    def keep(self, name: str, frame: pl.DataFrame) -> Kept:
        """Put a frame away: in memory as long as there is room, then in a file of its name."""
        table = compact(frame)
        if self._held_bytes + table.nbytes <= _MOST_HELD_BYTES:
            self._held_bytes += table.nbytes
            return _HeldFrame(table)
        if name not in self._files:
            self._files[name] = _SpilledFrames(self.folder / f"{name}.arrow")
        return self._files[name].add(table)

    def close(self) -> None:
        """Nothing can be kept any more; now all can be read."""
        for file in self._files.values():
            file.close()


@dataclass(frozen=True)
class _HeldFrame:
    table: pa.Table

    def read(self, first: int, end: int) -> pa.Table:
        return self.table.slice(first, end - first)


class _SpilledFrames:
    """An uncompressed Arrow file of frames, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches = 0
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._reader: pa.ipc.RecordBatchFileReader | None = None
        self._lock = threading.Lock()

    def add(self, table: pa.Table) -> _SpilledFrame:
        """Append a frame."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, table.schema)
        first = self._batches
        for batch in table.to_batches(_BATCH_ROWS):
            self._writer.write_batch(batch)
            self._batches += 1
        return _SpilledFrame(self, first)

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()

    def batch(self, number: int) -> pa.RecordBatch:
        """One batch, from 0."""
        with self._lock:
            if self._reader is None:
                self._reader = pa.ipc.open_file(pa.OSFile(str(self._path)))
            return self._reader.get_batch(number)


@dataclass(frozen=True)
class _SpilledFrame:
    """A frame in such a file. first_batch: its first one; all but its last one are full."""

    frames: _SpilledFrames
    first_batch: int

    def read(self, first: int, end: int) -> pa.Table:
        from_batch = first // _BATCH_ROWS
        batches = [
            self.frames.batch(self.first_batch + number)
            for number in range(from_batch, -(-end // _BATCH_ROWS))
        ]
        start = from_batch * _BATCH_ROWS
        return pa.Table.from_batches(batches).slice(first - start, end - first)
