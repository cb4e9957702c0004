"""Slices on their way from a file to its hours, in bounded memory for a file of any size.

Slices are held until there are `RUN_ROWS` of them, then written to disk as a run, by hour. An
hour is put together from its part of every run. Where that is more than is to be held, it is
divided once more, by resource, so that it comes in portions that follow each other in the order
of a slices file. A resource that is more than a portion is divided by its slices, and what of
them is said again is left out; equal slices are never in two portions.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from hourtally.hours import Hour
from hourtally.schemas import SLICES
from hourtally.slicing import slice_sort_key, sort_key, without_duplicates

# A slice takes about 400 bytes while it is held.
RUN_ROWS: Final = 200_000
_BATCH_ROWS: Final = 65_536
_PORTION_ROWS: Final = 131_072
_SAMPLES_PER_BATCH: Final = 100


@dataclass
class Runs:
    """The slices of one file: added in any portions, given back by hour.

    left_out: events that were left out as duplicates, once all that was added is given back.
    """

    folder: Path
    left_out: int = 0
    _held: list[pl.DataFrame] = field(default_factory=list)
    _held_rows: int = 0
    _spilled: bool = False
    # Hours are put together in several threads; to count by hand would name two files alike.
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    # For each hour which batches of which files are its own, and how many rows they have.
    _batches: dict[int, list[tuple[Path, int]]] = field(default_factory=dict)
    _rows: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, slices: pl.DataFrame) -> None:
        """Take slices (`schemas.SLICES` after `hour`)."""
        self._held.append(slices)
        self._held_rows += len(slices)
        if self._held_rows >= RUN_ROWS:
            self._spill()

    def by_hour(self) -> Iterator[tuple[Hour, Iterator[pl.DataFrame]]]:
        """Each hour with its portions, in order; their rows are in no order."""
        if not self._spilled:
            for timestamp, slices in sorted(self._held_by_hour()):
                yield Hour(timestamp), iter((slices,))
            return
        if self._held_rows:
            self._spill()
        for timestamp, batches in sorted(self._batches.items()):
            yield Hour(timestamp), self._portions(batches, self._rows[timestamp])

    def _held_by_hour(self) -> list[tuple[int, pl.DataFrame]]:
        if not self._held:
            return []
        held = pl.concat(self._held)
        self._held, self._held_rows = [], 0
        if held["hour"].n_unique() == 1:
            return [(int(held["hour"][0]), held.drop("hour"))]
        hours = held.partition_by("hour", as_dict=True, include_key=False)
        return [(int(hour), slices) for (hour,), slices in hours.items()]

    def _spill(self) -> None:
        self._spilled = True
        path = self._new_file()
        hours = self._held_by_hour()
        with RunWriter(path) as run:
            for timestamp, slices in hours:
                batches = self._batches.setdefault(timestamp, [])
                batches += [(path, number) for number in run.write(slices)]
                self._rows[timestamp] = self._rows.get(timestamp, 0) + len(slices)

    def _new_file(self) -> Path:
        return self.folder / f"run-{next(self._numbers):06d}.arrow"

    def _portions(self, batches: list[tuple[Path, int]], rows: int) -> Iterator[pl.DataFrame]:
        if rows <= _PORTION_ROWS:
            yield pl.concat(read_batches(batches))
            return
        key, wanted = sort_key(), -(-rows // _PORTION_ROWS)
        borders = _borders(read_batches(batches), wanted, key)
        is_crowded = borders.is_duplicated().any()
        if is_crowded:
            # Some resource would fill several portions, a replica a row or one row many times.
            key = slice_sort_key()
            borders = _borders(read_batches(batches), wanted, key)
        borders = borders.unique().sort()
        paths = [self._new_file() for _ in range(len(borders) + 1)]
        writers = [RunWriter(path) for path in paths]
        for read in read_batches(batches):
            slices = self._without_duplicates(read) if is_crowded else read
            portion = borders.search_sorted(slices.select(key).to_series(), side="right")
            divided = slices.with_columns(portion=portion).partition_by("portion", as_dict=True)
            for (number,), part in divided.items():
                writers[int(number)].write(part)
        for writer, path in zip(writers, paths, strict=True):
            writer.close()
            pieces = [(path, number) for number in range(writer.batches)]
            if pieces:
                yield pl.concat(read_batches(pieces))
            path.unlink()

    def _without_duplicates(self, slices: pl.DataFrame) -> pl.DataFrame:
        kept, left_out = without_duplicates(slices)
        with self._lock:
            self.left_out += left_out
        return kept


def _borders(parts: Iterable[pl.DataFrame], portions: int, key: pl.Expr) -> pl.Series:
    """Keys that divide the rows of the parts into about equal portions, in order."""
    samples = pl.concat(
        part.gather_every(max(1, len(part) // _SAMPLES_PER_BATCH)).select(key) for part in parts
    ).to_series()
    places = [len(samples) * number // portions for number in range(1, portions)]
    return samples.sort()[places]


class RunWriter:
    """An uncompressed Arrow file of slices, in batches that can be read one by one."""

    def __init__(self, path: Path) -> None:
        self.batches = 0
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> RunWriter:
        """Nothing to prepare: the file is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the footer."""
        self.close()

    def write(self, slices: pl.DataFrame) -> range:
        """Append slices; the numbers of their batches."""
        first = self.batches
        # Without the newest string type: a batch of it drags all of its siblings' text along.
        table = slices.select(SLICES.keys()).to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, table.schema)
        for batch in table.combine_chunks().to_batches(_BATCH_ROWS):
            self._writer.write_batch(batch)
            self.batches += 1
        return range(first, self.batches)

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()


def read_batches(batches: Iterable[tuple[Path, int]]) -> Iterator[pl.DataFrame]:
    """Batches of runs, each read when its turn comes."""
    opened: tuple[Path, pa.ipc.RecordBatchFileReader] | None = None
    for path, number in batches:
        if opened is None or opened[0] != path:
            opened = (path, pa.ipc.open_file(pa.OSFile(str(path))))
        yield pl.DataFrame(pa.table(opened[1].get_batch(number)))
