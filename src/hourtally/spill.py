"""Frames that wait on disk: written one after the other, then read in stretches of rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

# Stretches of a thousand rows are read of it, so that few others are read with them.
_BATCH_ROWS: Final = 1_024


def compact(frame: pl.DataFrame) -> pa.Table:
    """The frame in memory of its own: texts in Polars drag along whatever they were cut from."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()


class SpilledFrames:
    """An uncompressed Arrow file of frames of one schema. Closed, it can be read by any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches = 0
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._reader: pa.ipc.RecordBatchFileReader | None = None
        self._lock = threading.Lock()

    def add(self, table: pa.Table) -> SpilledFrame:
        """Append a frame."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, table.schema)
        first = self._batches
        for batch in table.to_batches(_BATCH_ROWS):
            self._writer.write_batch(batch)
            self._batches += 1
        return SpilledFrame(self, first)

    def close(self) -> None:
        """Write the footer; nothing can be added any more."""
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
class SpilledFrame:
    """A frame in such a file. first_batch: its first one; all but its last one are full."""

    frames: SpilledFrames
    first_batch: int

    def read(self, first: int, end: int) -> pa.Table:
        """Rows [first, end); there has to be one."""
        from_batch = first // _BATCH_ROWS
        batches = [
            self.frames.batch(self.first_batch + number)
            for number in range(from_batch, -(-end // _BATCH_ROWS))
        ]
        start = from_batch * _BATCH_ROWS
        return pa.Table.from_batches(batches).slice(first - start, end - first)
