"""An hour of a file in portions that are small enough to be put together in memory.

Where an hour is more than that, it is divided by resource, so that its portions follow each other
in the order of a slices file: each takes from every run the stretch that is its own. A resource
that is more than a portion is divided by its slices; equal slices are never in two portions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from hourtally.ingest.external_sort.dimensions import Parts, extent, resource_text
from hourtally.ingest.external_sort.spill import Kept
from hourtally.runtime.concurrency import ordered_map

PORTION_ROWS: Final = 131_072
_THREADS: Final = 2
_BY: Final = ("resource_text", "extent", "identity")


@dataclass(frozen=True)
class Part:
    """An hour in a run.

    table: which one has its labels. first, end: its rows [first, end) of the run's slices.
    numbers: of these the labels alone. samples: some of them, as `samples_of` gives them.
    """

    table: int
    slices: Kept
    numbers: Kept
    first: int
    end: int
    samples: pl.DataFrame


@dataclass(frozen=True)
class Group:
    """The parts of an hour whose labels are in one table, there in rows [first, end).

    labels: behind the `number` by which slices have them, in order.
    """

    labels: Kept
    first: int
    end: int
    parts: list[Part]


@dataclass(frozen=True)
class _Stretch:
    """Of a group, what lies between two cuts: its labels, and rows of each part's slices."""

    labels: Kept
    first: int
    end: int
    slices: list[tuple[Kept, int, int]]

    def read(self, begin: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Its labels, and its slices by the places of these, counted from `begin`."""
        labels = _frame(self.labels.read(self.first, self.end))
        slices = _frame(pa.concat_tables(kept.read(*rows) for kept, *rows in self.slices))
        places = pl.int_range(begin, begin + len(labels), dtype=pl.UInt32, eager=True)
        numbers = slices["label"].replace_strict(labels["number"], places)
        return labels.drop("number"), slices.with_columns(numbers)


@dataclass(frozen=True)
class Portion:
    """Of an hour, what lies between two cuts in those of its groups that have something there."""

    stretches: list[_Stretch]

    def read(self) -> Parts:
        """Its slices, which are to be merged. Any thread may call this."""
        labels: list[pl.DataFrame] = []
        slices: list[pl.DataFrame] = []
        for stretch in self.stretches:
            own_labels, own_slices = stretch.read(sum(map(len, labels)))
            labels.append(own_labels)
            slices.append(own_slices)
        runs = sum(len(stretch.slices) for stretch in self.stretches)
        return Parts(pl.concat(labels), pl.concat(slices, rechunk=True), len(labels), runs)


def samples_of(slices: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """What portions are divided by, `_BY`, of some slices, whose labels have their numbers."""
    texts = labels[slices["label"]].select(resource_text())
    return pl.concat([texts, slices.select(extent(), "identity")], how="horizontal")


def divided(groups: list[Group]) -> Iterator[Portion]:
    """The portions of an hour, in order."""
    parts = [part for group in groups for part in group.parts]
    total = sum(part.end - part.first for part in parts)
    borders = _borders(parts, -(-total // PORTION_ROWS))
    for stretches in zip(*(_cut(group, borders) for group in groups), strict=True):
        # Nothing comes before a border that is the first resource of all.
        if filled := [stretch for stretch in stretches if stretch.slices]:
            yield Portion(filled)


def _borders(parts: list[Part], portions: int) -> pl.DataFrame:
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


def _cut(group: Group, borders: pl.DataFrame) -> list[_Stretch]:
    """A group cut at the borders. Where one is inside a resource, its labels are on both sides."""
    if not len(borders):
        whole = [(part.slices, part.first, part.end) for part in group.parts]
        return [_Stretch(group.labels, group.first, group.end, whole)]
    labels = _frame(group.labels.read(group.first, group.end))
    texts = labels.select(resource_text()).to_series()
    befores = texts.search_sorted(borders["resource_text"], side="left")
    afters = texts.search_sorted(borders["resource_text"], side="right")
    places = borders.select("extent", "identity").rows()
    begins = [0, *befores]
    ends = [
        *(
            after if any(place) else before
            for before, after, place in zip(befores, afters, places, strict=True)
        ),
        len(labels),
    ]
    ranks = _places_of(labels["number"])
    cuts = ordered_map(
        _THREADS, _cut_part, ((part, ranks, befores, afters, places) for part in group.parts)
    )
    return [
        _Stretch(
            group.labels,
            group.first + begin,
            group.first + end,
            [
                (part.slices, *rows)
                for part, rows in zip(group.parts, of_parts, strict=True)
                if rows[0] < rows[1]
            ],
        )
        for begin, end, of_parts in zip(begins, ends, zip(*cuts, strict=True), strict=True)
    ]


def _cut_part(
    part: Part,
    ranks: pl.Series,
    befores: pl.Series,
    afters: pl.Series,
    places: list[tuple[int, int]],
) -> list[tuple[int, int]]:
    """The rows of a part between borders.

    Args:
        part: whose slices are cut.
        ranks: of each label's number, which one of the group's it is.
        befores: how many of these come before each border's resource.
        afters: and how many before the resource after it.
        places: where inside its resource a border is; zeros where it is in front of it.
    """
    numbers = pl.Series(part.numbers.read(part.first, part.end).column("label"))
    # Inside a resource slices do not lie by label; up to a resource's end this makes no difference.
    reached = ranks.gather(numbers).cum_max()
    firsts = part.first + reached.search_sorted(befores, side="left")
    ends = part.first + reached.search_sorted(afters, side="left")
    cuts = [part.first]
    for first, end, place in zip(firsts, ends, places, strict=True):
        is_inside = any(place) and first < end
        before = _before(_frame(part.slices.read(first, end)), *place) if is_inside else 0
        cuts.append(first + before)
    return list(itertools.pairwise([*cuts, part.end]))


def _before(slices: pl.DataFrame, extent_: int, identity: int) -> int:
    """How many slices of a resource come before a place in it."""
    is_before = (extent() < extent_) | ((extent() == extent_) & (pl.col("identity") < identity))
    return int(slices.select(is_before.sum()).item())


def _places_of(numbers: pl.Series) -> pl.Series:
    """At each of some numbers, the place where it is among them."""
    [last] = numbers.to_frame().select(pl.col(numbers.name).max()).row(0)
    places = pl.zeros(last + 1, pl.UInt32, eager=True)
    return places.scatter(numbers, pl.int_range(len(numbers), dtype=pl.UInt32, eager=True))


def _frame(table: pa.Table) -> pl.DataFrame:
    """A table of many pieces, put together first: each would cost Polars a tenth of a ms."""
    return pl.DataFrame(table.combine_chunks())
