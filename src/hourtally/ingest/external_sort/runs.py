"""Sorts the slices of files by file and hour, in bounded memory for files of any size.

Slices collect until there are `RUN_ROWS` of them; then they become a run, sorted hour by hour.
Runs share a dimension table as long as they find their dimensions in it and it is not full. Runs
and tables wait in memory or on disk (`spill.py`); an hour is then merged from its segment of
every run (`partitions.py`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

import polars as pl

from hourtally.ingest.external_sort.dimensions import DimensionTable
from hourtally.ingest.external_sort.partitions import (
    Partition,
    Segment,
    SegmentGroup,
    partitions_of,
    sample_keys,
)
from hourtally.ingest.external_sort.spill import FrameStore, StoredFrame
from hourtally.ingest.slices.cutting import SECONDS_PER_FILE
from hourtally.model.hours import Hour

RUN_ROWS: Final = 160_000
# A table is closed before a run that would find less than this share of its dimensions in it,
_MIN_SHARE_KNOWN: Final = 0.5
# and after a run that has used less than one in so many of its rows, or has filled it.
_MAX_ROWS_PER_USED: Final = 4
_MAX_DIMENSIONS: Final = 250_000
_MAX_DIMENSION_BYTES: Final = 64 << 20
_ROWS_PER_SAMPLE: Final = 1_000


@dataclass(frozen=True)
class SingleRun:
    """Sorted slices without duplicates.

    dimensions, slices: as `EncodedSlices`, but the dimensions are in any order. places: the rows
    [first, end) of each hour of each file, which is numbered as in `slices_of`.
    """

    dimensions: pl.DataFrame
    slices: pl.DataFrame
    places: dict[int, tuple[int, int]]


class SortedRuns:
    """The slices of some files, added in any order and returned by file and hour.

    duplicates: how many events of each file, by its number, were left out as duplicates while runs
    were sorted.
    """

    def __init__(self, folder: Path) -> None:
        self.duplicates: Counter[int] = Counter()
        self._store = FrameStore(folder)
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._table = DimensionTable()
        self._closed_tables: list[_ClosedTable] = []
        self._segments: dict[int, list[Segment]] = {}
        self._single_run: SingleRun | None = None

    def add(self, slices: pl.DataFrame) -> None:
        """Add slices (`hour`, then `schemas.SLICES`)."""
        self._waiting.append(slices)
        self._waiting_rows += len(slices)
        if self._waiting_rows >= RUN_ROWS:
            self._sort_run()

    def single_run(self) -> SingleRun | None:
        """All slices, if they are one run: those of small files."""
        if self._waiting_rows:
            self._sort_run()
        return self._single_run

    def by_hour(self) -> Iterator[tuple[int, Hour, Iterator[Partition]]]:
        """The number of each file and each of its hours, with its partitions, in order."""
        if self._waiting_rows:
            self._sort_run()
        if len(self._table):
            self._close_table()
        self._store.finish()
        for place, segments in sorted(self._segments.items()):
            file, timestamp = divmod(place, SECONDS_PER_FILE)
            yield file, Hour(timestamp), partitions_of(self._groups(place, segments))

    def _sort_run(self) -> None:
        whole = pl.concat(self._waiting, rechunk=False)
        self._waiting, self._waiting_rows = [], 0
        if len(self._table) and self._table.share_known(whole) < _MIN_SHARE_KNOWN:
            self._close_table()
        run, duplicates = self._table.sort(self._table.encode(whole))
        self.duplicates.update(duplicates)
        hours = self._table.rows["hour"].gather(run["dimension_id"]).rle().struct.unnest()
        ranges = list(_ranges(hours["len"]))
        sampled = [_sampled_rows(*rows) for rows in ranges]
        samples = sample_keys(run[list(itertools.chain(*sampled))], self._table.rows)
        is_first = not self._segments
        places = dict(zip(hours["value"], ranges, strict=True))
        self._single_run = SingleRun(self._table.rows, run, places) if is_first else None
        slices = self._store.add("slices", run)
        ids = self._store.add("ids", run.select("dimension_id"))
        for timestamp, (first, end), own in zip(
            hours["value"], ranges, _ranges(map(len, sampled)), strict=True
        ):
            table = len(self._closed_tables)
            segment = Segment(table, slices, ids, first, end, samples[slice(*own)])
            self._segments.setdefault(timestamp, []).append(segment)
        if _is_worn(self._table, run["dimension_id"].n_unique()):
            self._close_table()

    def _close_table(self) -> None:
        dimensions = self._table.sorted_rows()
        hours = dimensions["hour"].rle().struct.unnest()
        ranges = dict(zip(hours["value"], _ranges(hours["len"]), strict=True))
        self._closed_tables.append(_ClosedTable(self._store.add("dimensions", dimensions), ranges))
        self._table = DimensionTable()

    def _groups(self, timestamp: int, segments: list[Segment]) -> list[SegmentGroup]:
        groups = []
        for number, of_table in itertools.groupby(segments, key=attrgetter("table")):
            table = self._closed_tables[number]
            first, end = table.hours[timestamp]
            groups.append(SegmentGroup(table.dimensions, first, end, list(of_table)))
        return groups


@dataclass(frozen=True)
class _ClosedTable:
    """Sorted dimensions; those of an hour are rows [first, end)."""

    dimensions: StoredFrame
    hours: dict[int, tuple[int, int]]


def _is_worn(table: DimensionTable, used: int) -> bool:
    """Whether a table is full, or the last run has used few of its rows."""
    return (
        used * _MAX_ROWS_PER_USED < len(table)
        or len(table) > _MAX_DIMENSIONS
        or table.rows.estimated_size() > _MAX_DIMENSION_BYTES
    )


def _ranges(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where each range of such a size begins and ends, if they follow each other."""
    return itertools.pairwise(itertools.accumulate(sizes, initial=0))


def _sampled_rows(first: int, end: int) -> range:
    """Rows that represent [first, end), one for `_ROWS_PER_SAMPLE` or fewer."""
    return range(first + min(_ROWS_PER_SAMPLE, end - first) // 2, end, _ROWS_PER_SAMPLE)
