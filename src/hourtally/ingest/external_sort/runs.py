"""Slices on their way from a file to its hours, in bounded memory for a file of any size.

Slices are held until there are `RUN_ROWS` of them; then they become a run, sorted hour by hour.
Runs share a table of labels, as long as they find theirs there and it is not full. What lies in
runs and tables waits in memory or on disk (`spill.py`); an hour is put together from its part of
every run (`portions.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

import polars as pl

from hourtally.ingest.external_sort.dimensions import LabelTable
from hourtally.ingest.external_sort.partitions import Group, Part, Portion, divided, samples_of
from hourtally.ingest.external_sort.spill import Keeper, Kept
from hourtally.model.hours import Hour

RUN_ROWS: Final = 160_000
# A table of labels ends before a run that would find less than this share of its labels there,
_LEAST_FOUND: Final = 0.5
# and after one that has used less than one in so many of them, or has filled it.
_LEAST_USED: Final = 4
_MOST_LABELS: Final = 250_000
_MOST_LABEL_BYTES: Final = 64 << 20
_ROWS_A_SAMPLE: Final = 1_000


class Runs:
    """The slices of one file: added in the order of the file, given back by hour.

    left_out: events that were left out as duplicates when runs were made.
    """

    def __init__(self, folder: Path) -> None:
        self.left_out = 0
        self._keeper = Keeper(folder)
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._table = LabelTable()
        self._ended: list[_EndedTable] = []
        self._parts: dict[int, list[Part]] = {}

    def add(self, slices: pl.DataFrame) -> None:
        """Take slices (`schemas.SLICES` after `hour`)."""
        self._waiting.append(slices)
        self._waiting_rows += len(slices)
        if self._waiting_rows >= RUN_ROWS:
            self._make_run()

    def by_hour(self) -> Iterator[tuple[Hour, Iterator[Portion]]]:
        """Each hour with its portions, in order."""
        if self._waiting_rows:
            self._make_run()
        if len(self._table):
            self._end_table()
        self._keeper.close()
        for timestamp, parts in sorted(self._parts.items()):
            yield Hour(timestamp), divided(self._groups(timestamp, parts))

    def _make_run(self) -> None:
        whole = pl.concat(self._waiting, rechunk=False)
        self._waiting, self._waiting_rows = [], 0
        if len(self._table) and self._table.share_found(whole) < _LEAST_FOUND:
            self._end_table()
        numbered = self._table.numbered(whole)
        run, left_out = self._table.in_order(numbered)
        self.left_out += left_out
        hours = self._table.labels["hour"].gather(run["label"]).rle().struct.unnest()
        stretches = list(_stretches(hours["len"]))
        sampled = [_sampled(*stretch) for stretch in stretches]
        samples = samples_of(run[list(itertools.chain(*sampled))], self._table.labels)
        slices = self._keeper.keep("slices", run)
        numbers = self._keeper.keep("numbers", run.select("label"))
        for timestamp, (first, end), own in zip(
            hours["value"], stretches, _stretches(map(len, sampled)), strict=True
        ):
            part = Part(len(self._ended), slices, numbers, first, end, samples[slice(*own)])
            self._parts.setdefault(timestamp, []).append(part)
        if _is_worn(self._table, run["label"].n_unique()):
            self._end_table()

    def _end_table(self) -> None:
        labels = self._table.labels_in_order()
        hours = labels["hour"].rle().struct.unnest()
        stretches = dict(zip(hours["value"], _stretches(hours["len"]), strict=True))
        self._ended.append(_EndedTable(self._keeper.keep("labels", labels), stretches))
        self._table = LabelTable()

    def _groups(self, timestamp: int, parts: list[Part]) -> list[Group]:
        groups = []
        for table, of_table in itertools.groupby(parts, key=attrgetter("table")):
            first, end = self._ended[table].hours[timestamp]
            groups.append(Group(self._ended[table].labels, first, end, list(of_table)))
        return groups


@dataclass(frozen=True)
class _EndedTable:
    """Labels in order, those of each hour in [first, end)."""

    labels: Kept
    hours: dict[int, tuple[int, int]]


def _is_worn(table: LabelTable, used: int) -> bool:
    """Whether a table is full, or a run has used few of its labels."""
    return (
        used * _LEAST_USED < len(table)
        or len(table) > _MOST_LABELS
        or table.labels.estimated_size() > _MOST_LABEL_BYTES
    )


def _stretches(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where each of them begins and ends, one after the other."""
    ends = list(itertools.accumulate(sizes, initial=0))
    return itertools.pairwise(ends)


def _sampled(first: int, end: int) -> range:
    """Rows that stand for [first, end), one for `_ROWS_A_SAMPLE` or fewer."""
    return range(first + min(_ROWS_A_SAMPLE, end - first) // 2, end, _ROWS_A_SAMPLE)
