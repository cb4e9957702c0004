"""Slices on their way from a file to its hours, in bounded memory for a file of any size.

Slices are held until there are `RUN_ROWS` of them; then they become a run, labelled and sorted,
hour by hour. Runs stay in memory while they are few and go to disk otherwise. An hour is put
together from its part of every run. Where that is more than is to be held, it is divided by
resource, so that it comes in portions that follow each other in the order of a slices file: each
takes from every run the stretch that is its own. A resource that is more than a portion is
divided by its slices; equal slices are never in two portions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import polars as pl
import pyarrow as pa

from hourtally.concurrency import in_turn
from hourtally.hours import Hour
from hourtally.labels import Labelled, Parts, extent, labelled, resource_text
from hourtally.schemas import RESOURCE_ORDER
from hourtally.spill import SpilledFrames, compact

RUN_ROWS: Final = 160_000
_MOST_HELD_BYTES: Final = 32 << 20
_PORTION_ROWS: Final = 131_072
_ROWS_A_SAMPLE: Final = 1_000
_THREADS: Final = 2
_BY: Final = ("resource_text", "extent", "identity")


class _Kept(Protocol):
    """A table, wherever it lies."""

    def read(self, first: int, end: int) -> pa.Table:
        """Rows [first, end)."""


@dataclass(frozen=True)
class _Held:
    table: pa.Table

    def read(self, first: int, end: int) -> pa.Table:
        return self.table.slice(first, end - first)


@dataclass(frozen=True)
class _Part:
    """An hour in a run. Ranges: of the run's labels and slices, end exclusive."""

    labels: _Kept
    slices: _Kept
    label_range: tuple[int, int]
    slice_range: tuple[int, int]
    samples: pl.DataFrame

    def between(self, first: _Cut, end: _Cut) -> tuple[pa.Table, pa.Table]:
        """What lies between two cuts: its labels, and its slices by the run's labels."""
        return (
            self.labels.read(first.label_from, end.label_until),
            self.slices.read(first.slice, end.slice),
        )


@dataclass(frozen=True)
class _Cut:
    """Where a part is cut: labels before and after, slices. A label cut in two is on both sides."""

    label_until: int
    label_from: int
    slice: int


@dataclass
class Runs:
    """The slices of one file: added in the order of the file, given back by hour.

    left_out: events that were left out as duplicates when runs were made.
    """

    folder: Path
    left_out: int = 0
    _waiting: list[pl.DataFrame] = field(default_factory=list)
    _waiting_rows: int = 0
    _held_bytes: int = 0
    _parts: dict[int, list[_Part]] = field(default_factory=dict)
    _spilled: tuple[SpilledFrames, SpilledFrames] | None = None

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
        for frames in self._spilled or ():
            frames.close()
        for timestamp, parts in sorted(self._parts.items()):
            yield Hour(timestamp), _portions(parts)

    def _make_run(self) -> None:
        # In one piece, as rows are taken out of one in a tenth of the time that many take.
        waiting = pl.concat(self._waiting, rechunk=True)
        self._waiting, self._waiting_rows = [], 0
        run, left_out = labelled(waiting)
        self.left_out += left_out
        hours = run.labels.group_by("hour", maintain_order=True).agg(
            pl.len().alias("labels"), pl.col("slices").sum()
        )
        places = [list(_sampled(*stretch)) for stretch in _stretches(hours["slices"])]
        samples = _samples(run, [place for of_hour in places for place in of_hour])
        labels, slices = self._keep(run)
        sample = 0
        for timestamp, label_range, slice_range, of_hour in zip(
            hours["hour"],
            _stretches(hours["labels"]),
            _stretches(hours["slices"]),
            places,
            strict=True,
        ):
            own = samples.slice(sample, len(of_hour))
            sample += len(of_hour)
            part = _Part(labels, slices, label_range, slice_range, own)
            self._parts.setdefault(timestamp, []).append(part)

    def _keep(self, run: Labelled) -> tuple[_Kept, _Kept]:
        labels, slices = compact(run.labels), compact(run.slices)
        size = labels.nbytes + slices.nbytes
        if self._held_bytes + size <= _MOST_HELD_BYTES:
            self._held_bytes += size
            return _Held(labels), _Held(slices)
        if self._spilled is None:
            self._spilled = (
                SpilledFrames(self.folder / "labels.arrow"),
                SpilledFrames(self.folder / "slices.arrow"),
            )
        return self._spilled[0].add(labels), self._spilled[1].add(slices)


def _stretches(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where each of them begins and ends, one after the other."""
    ends = list(itertools.accumulate(sizes, initial=0))
    return itertools.pairwise(ends)


def _sampled(first: int, end: int) -> range:
    """Rows that stand for [first, end), one for `_ROWS_A_SAMPLE` or fewer."""
    return range(first + min(_ROWS_A_SAMPLE, end - first) // 2, end, _ROWS_A_SAMPLE)


def _samples(run: Labelled, places: list[int]) -> pl.DataFrame:
    """Grain: one slice of a run, by `_BY`, what portions are divided by."""
    slices = run.slices[places]
    texts = run.labels[slices["label"]].select(resource_text())
    return pl.concat([texts, slices.select(extent(), "identity")], how="horizontal")


@dataclass(frozen=True)
class Portion:
    """Of an hour, what lies between two cuts in those of its parts that have something there."""

    stretches: list[tuple[_Part, _Cut, _Cut]]

    def read(self) -> Parts:
        """Its slices, which are to be merged. Any thread may call this."""
        tables = [part.between(first, end) for part, first, end in self.stretches]
        labels, slices = ([*of_all] for of_all in zip(*tables, strict=True))
        begins = itertools.accumulate(map(len, labels), initial=0)
        shifts = [
            begin - first.label_from
            for begin, (_, first, _) in zip(begins, self.stretches, strict=False)
        ]
        shift = pl.DataFrame({"by": shifts, "slices": [*map(len, slices)]}).select(
            pl.col("by").repeat_by("slices").explode()
        )
        numbered = _frame(pa.concat_tables(slices)).with_columns(
            (pl.col("label") + shift.to_series()).cast(pl.UInt32)
        )
        return Parts(_frame(pa.concat_tables(labels)), numbered, len(self.stretches))


def _frame(table: pa.Table) -> pl.DataFrame:
    """A table of many pieces, put together first: each would cost Polars a tenth of a ms."""
    return pl.DataFrame(table.combine_chunks())


def _portions(parts: list[_Part]) -> Iterator[Portion]:
    total = sum(part.slice_range[1] - part.slice_range[0] for part in parts)
    borders = _borders(parts, -(-total // _PORTION_ROWS))
    cuts = [
        list(itertools.pairwise(of_part))
        for of_part in in_turn(_THREADS, _cuts, ((part, borders) for part in parts))
    ]
    for portion in range(len(borders) + 1):
        stretches = [
            (part, *own[portion])
            for part, own in zip(parts, cuts, strict=True)
            if own[portion][0].slice < own[portion][1].slice
        ]
        # Nothing comes before a border that is the first resource of all.
        if stretches:
            yield Portion(stretches)


def _borders(parts: list[_Part], portions: int) -> pl.DataFrame:
    """What slices sort by where a portion begins, `_BY`; distinct and in order.

    A resource of less than a portion is not divided.
    """
    samples = pl.concat(part.samples for part in parts).sort(_BY)
    places = [len(samples) * number // portions for number in range(1, portions)]
    borders = samples[places]
    is_crowded = pl.col("resource_text").is_duplicated()
    return borders.select(
        "resource_text",
        *(pl.when(is_crowded).then(pl.col(column)).otherwise(0) for column in _BY[1:]),
    ).unique(maintain_order=True)


def _cuts(part: _Part, borders: pl.DataFrame) -> list[_Cut]:
    """Where the borders cut a part: from its beginning to its end."""
    (first_label, end_label), (first_slice, end_slice) = part.label_range, part.slice_range
    cuts = [_Cut(first_label, first_label, first_slice)]
    if len(borders):
        read = part.labels.read(first_label, end_label)
        labels = _frame(read.select([*RESOURCE_ORDER, "slices"]))
        texts = labels.select(resource_text()).to_series()
        befores = texts.search_sorted(borders["resource_text"], side="left")
        afters = texts.search_sorted(borders["resource_text"], side="right")
        # Slices before each label; those before a border are all of its resource's, and some of it.
        offsets = first_slice + labels["slices"].cum_sum().shift(1, fill_value=0)
        offsets.append(pl.Series([end_slice], dtype=offsets.dtype))
        for before, after, first, end, (_, *place) in zip(
            befores, afters, offsets[befores], offsets[afters], borders.iter_rows(), strict=True
        ):
            if any(place) and first < end:
                first += _before(_frame(part.slices.read(first, end)), *place)
                cuts.append(_Cut(first_label + after, first_label + before, first))
            else:
                cuts.append(_Cut(first_label + before, first_label + before, first))
    return [*cuts, _Cut(end_label, end_label, end_slice)]


def _before(slices: pl.DataFrame, extent_: int, identity: int) -> int:
    """How many slices of a resource come before a place in it."""
    is_before = (extent() < extent_) | ((extent() == extent_) & (pl.col("identity") < identity))
    return int(slices.select(is_before.sum()).item())
