"""An hour of a file in partitions that are small enough to be merged in memory.

A larger hour is divided by resource, so that its partitions follow each other in the order of a
slices file: each takes its own range of rows from every run. A resource larger than a partition
is divided by its slices; equal slices are never in two partitions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from hourtally.ingest.external_sort.dimensions import UnmergedSlices, resource_text
from hourtally.ingest.external_sort.spill import StoredFrame
from hourtally.runtime.concurrency import ordered_map

PARTITION_ROWS: Final = 131_072
_THREADS: Final = 2
# What slices are divided by: first by resource, then inside a resource by `_POSITION`.
_POSITION: Final = ("slice_start_ms", "slice_end_ms", "identity")
_KEY: Final = ("resource_text", *_POSITION)

_Position = tuple[int, int, int]


@dataclass(frozen=True)
class Segment:
    """An hour's slices in one run: rows [first, end) of the run's slices.

    table: the number of the dimension table that encodes them. ids: their `dimension_id` alone.
    samples: the keys of some of them, see `sample_keys`.
    """

    table: int
    slices: StoredFrame
    ids: StoredFrame
    first: int
    end: int
    samples: pl.DataFrame


@dataclass(frozen=True)
class SegmentGroup:
    """The segments of an hour that share a dimension table, the hour's rows being [first, end).

    dimensions: sorted, after their `id`.
    """

    dimensions: StoredFrame
    first: int
    end: int
    segments: list[Segment]


@dataclass(frozen=True)
class _GroupRange:
    """A group between two borders: rows of its dimensions, and rows of each segment's slices."""

    dimensions: StoredFrame
    first: int
    end: int
    slices: list[tuple[StoredFrame, int, int]]

    def read(self, offset: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The dimensions, and the slices with `dimension_id` counted from `offset`."""
        dimensions = _to_frame(self.dimensions.read(self.first, self.end))
        slices = _to_frame(pa.concat_tables(stored.read(*rows) for stored, *rows in self.slices))
        ids = pl.int_range(offset, offset + len(dimensions), dtype=pl.UInt32, eager=True)
        renumbered = slices["dimension_id"].replace_strict(dimensions["id"], ids)
        return dimensions.drop("id"), slices.with_columns(renumbered)


@dataclass(frozen=True)
class Partition:
    """The part of an hour between two borders, from every group that has slices there."""

    ranges: list[_GroupRange]

    def read(self) -> UnmergedSlices:
        """The slices, still to be merged. Any thread may call this."""
        dimensions: list[pl.DataFrame] = []
        slices: list[pl.DataFrame] = []
        for group_range in self.ranges:
            own_dimensions, own_slices = group_range.read(sum(map(len, dimensions)))
            dimensions.append(own_dimensions)
            slices.append(own_slices)
        runs = sum(len(group_range.slices) for group_range in self.ranges)
        tables = len(dimensions)
        return UnmergedSlices(pl.concat(dimensions), pl.concat(slices, rechunk=True), tables, runs)


def sample_keys(slices: pl.DataFrame, dimensions: pl.DataFrame) -> pl.DataFrame:
    """The keys that partitions are divided by, of a sample of slices and all dimensions by id."""
    texts = dimensions[slices["dimension_id"]].select(resource_text())
    return pl.concat([texts, slices.select(_POSITION)], how="horizontal")


def partitions_of(groups: list[SegmentGroup]) -> Iterator[Partition]:
    """The partitions of an hour, in order."""
    segments = [segment for group in groups for segment in group.segments]
    total = sum(segment.end - segment.first for segment in segments)
    borders = _borders(segments, -(-total // PARTITION_ROWS))
    for ranges in zip(*(_divide(group, borders) for group in groups), strict=True):
        # Nothing comes before a border that is the first resource of all.
        if filled := [group_range for group_range in ranges if group_range.slices]:
            yield Partition(filled)


def _borders(segments: list[Segment], partitions: int) -> pl.DataFrame:
    """The keys at which partitions begin, distinct and in order.

    A resource smaller than a partition is not divided: its position is 0.
    """
    samples = pl.concat(segment.samples for segment in segments).sort(_KEY)
    places = [len(samples) * number // partitions for number in range(1, partitions)]
    borders = samples[places]
    is_divided = pl.col("resource_text").is_duplicated()
    return borders.select(
        "resource_text",
        *(pl.when(is_divided).then(pl.col(column)).otherwise(0) for column in _POSITION),
    ).unique(maintain_order=True)


def _divide(group: SegmentGroup, borders: pl.DataFrame) -> list[_GroupRange]:
    """A group divided at the borders. A divided resource's dimensions are on both sides."""
    if not len(borders):
        whole = [(segment.slices, segment.first, segment.end) for segment in group.segments]
        return [_GroupRange(group.dimensions, group.first, group.end, whole)]
    dimensions = _to_frame(group.dimensions.read(group.first, group.end))
    texts = dimensions.select(resource_text()).to_series()
    cuts = _Cuts(
        _ranks_by_id(dimensions["id"]),
        texts.search_sorted(borders["resource_text"], side="left"),
        texts.search_sorted(borders["resource_text"], side="right"),
        borders.select(_POSITION).rows(),
    )
    begins = [0, *cuts.starts]
    ends = [
        *(
            end if any(position) else start
            for start, end, position in zip(cuts.starts, cuts.ends, cuts.positions, strict=True)
        ),
        len(dimensions),
    ]
    divided = ordered_map(
        _THREADS, _divide_segment, ((segment, cuts) for segment in group.segments)
    )
    return [
        _GroupRange(
            group.dimensions,
            group.first + begin,
            group.first + end,
            [
                (segment.slices, *rows)
                for segment, rows in zip(group.segments, of_segments, strict=True)
                if rows[0] < rows[1]
            ],
        )
        for begin, end, of_segments in zip(begins, ends, zip(*divided, strict=True), strict=True)
    ]


@dataclass(frozen=True)
class _Cuts:
    """The borders, in terms of one group's sorted dimensions.

    ranks: the rank of each id. starts: how many dimensions come before each border's resource.
    ends: how many come before the next resource. positions: where in its resource a border is;
    zeros if it is in front of it.
    """

    ranks: pl.Series
    starts: pl.Series
    ends: pl.Series
    positions: list[_Position]


def _divide_segment(segment: Segment, cuts: _Cuts) -> list[tuple[int, int]]:
    """The rows of a segment between each two borders."""
    ids = pl.Series(segment.ids.read(segment.first, segment.end).column("dimension_id"))
    # Inside a resource, slices are not ordered by dimension. The running maximum is, and it is
    # the same at the end of each resource.
    reached = cuts.ranks.gather(ids).cum_max()
    firsts = segment.first + reached.search_sorted(cuts.starts, side="left")
    ends = segment.first + reached.search_sorted(cuts.ends, side="left")
    rows = [segment.first]
    for first, end, position in zip(firsts, ends, cuts.positions, strict=True):
        is_inside = any(position) and first < end
        before = _count_before(segment.slices.read(first, end), position) if is_inside else 0
        rows.append(first + before)
    return list(itertools.pairwise([*rows, segment.end]))


def _count_before(slices: pa.Table, position: _Position) -> int:
    """How many slices of a resource come before a position in it."""
    start_ms, end_ms, identity = position
    start, end = pl.col("slice_start_ms"), pl.col("slice_end_ms")
    is_before = (start < start_ms) | (
        (start == start_ms) & ((end < end_ms) | ((end == end_ms) & (pl.col("identity") < identity)))
    )
    return int(_to_frame(slices).select(is_before.sum()).item())


def _ranks_by_id(ids: pl.Series) -> pl.Series:
    """The rank of each id, where `ids` are in order."""
    [last] = ids.to_frame().select(pl.col(ids.name).max()).row(0)
    ranks = pl.zeros(last + 1, pl.UInt32, eager=True)
    return ranks.scatter(ids, pl.int_range(len(ids), dtype=pl.UInt32, eager=True))


def _to_frame(table: pa.Table) -> pl.DataFrame:
    """A table as a frame of one chunk: Polars would take 0.1 ms for each of many."""
    return pl.DataFrame(table.combine_chunks())
