"""Encode and decode slices, and write slices files of any slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import polars as pl

from hourtally.ingest.external_sort.dimensions import (
    DimensionTable,
    EncodedSlices,
    UnmergedSlices,
)
from hourtally.ingest.slices.writer import SlicesWriter, to_table
from hourtally.model.schemas import DIMENSIONS, SLICES


def encoded(slices: pl.DataFrame) -> tuple[EncodedSlices, int]:
    """Slices (`hour`, then `schemas.SLICES`), sorted and encoded; how many events are left out."""
    table = DimensionTable()
    once, duplicates = table.sort(table.encode(slices))
    dimensions = table.sorted_rows()
    ranks = dimensions["id"].arg_sort()
    renumbered = once.with_columns(ranks.gather(once["dimension_id"]).alias("dimension_id"))
    return EncodedSlices(dimensions.drop("id"), renumbered), sum(duplicates.values())


def decoded(slices: EncodedSlices) -> pl.DataFrame:
    """The slices as `schemas.SLICES`, in the same order."""
    texts = slices.dimensions.select(DIMENSIONS)[slices.slices["dimension_id"]]
    return pl.concat([texts, slices.slices], how="horizontal").select(SLICES.keys())


def unmerged(parts: Sequence[EncodedSlices]) -> UnmergedSlices:
    """Slices that were encoded separately, to be merged."""
    offsets = accumulate((len(part.dimensions) for part in parts), initial=0)
    slices = [
        part.slices.with_columns((pl.col("dimension_id") + offset).cast(pl.UInt32))
        for part, offset in zip(parts, offsets, strict=False)
    ]
    dimensions = pl.concat(part.dimensions for part in parts)
    return UnmergedSlices(dimensions, pl.concat(slices), len(parts), len(parts))


def sorted_slices(slices: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Slices (`hour`, then `schemas.SLICES`) as in their files; how many events are left out."""
    sorted_, duplicates = encoded(slices)
    return decoded(sorted_), duplicates


def write_slices(path: Path, slices: pl.DataFrame) -> Path:
    """Write the slices file of a batch with these slices of one hour."""
    with SlicesWriter(path) as writer:
        writer.write(to_table(encoded(slices)[0]))
    return path
