"""Labelled slices as tables again, and slices files of any slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import polars as pl

from hourtally.ingest.external_sort.dimensions import Labelled, LabelTable, Parts
from hourtally.ingest.slices_writer import SlicesWriter, to_table
from hourtally.model.schemas import LABEL, SLICES


def labelled(slices: pl.DataFrame) -> tuple[Labelled, int]:
    """Slices (`schemas.SLICES` after `hour`) by labels; how many events were left out."""
    table = LabelTable()
    once, left_out = table.in_order(table.numbered(slices))
    labels = table.labels_in_order()
    ranks = labels["number"].arg_sort()
    return Labelled(
        labels.drop("number"), once.with_columns(ranks.gather(once["label"]).alias("label"))
    ), left_out


def told(portion: Labelled) -> pl.DataFrame:
    """`schemas.SLICES`, in the order of the portion."""
    labels = portion.labels.select(LABEL)[portion.slices["label"]]
    return pl.concat([labels, portion.slices], how="horizontal").select(SLICES.keys())


def parts_of(several: Sequence[Labelled]) -> Parts:
    """Slices that were labelled apart, to be merged."""
    firsts = accumulate((len(one.labels) for one in several), initial=0)
    slices = [
        one.slices.with_columns((pl.col("label") + first).cast(pl.UInt32))
        for one, first in zip(several, firsts, strict=False)
    ]
    labels = pl.concat(one.labels for one in several)
    return Parts(labels, pl.concat(slices), len(several), len(several))


def in_order(slices: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Slices (`schemas.SLICES` after `hour`) as their files have them; how many are left out."""
    portion, left_out = labelled(slices)
    return told(portion), left_out


def write_slices(path: Path, slices: pl.DataFrame) -> Path:
    """The slices file of a batch that has these slices of one hour."""
    with SlicesWriter(path) as writer:
        writer.write(to_table(labelled(slices)[0]))
    return path
