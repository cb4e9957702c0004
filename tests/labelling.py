"""Labelled slices as tables again, and slices files of any slices."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from hourtally.labels import Labelled, labelled
from hourtally.schemas import LABEL, SLICES
from hourtally.slices_file import SlicesWriter, to_table


def told(portion: Labelled) -> pl.DataFrame:
    """`schemas.SLICES`, in the order of the portion."""
    labels = portion.labels.select(LABEL)[portion.slices["label"]]
    return pl.concat([labels, portion.slices], how="horizontal").select(SLICES.keys())


def in_order(slices: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Slices (`schemas.SLICES` after `hour`) as their files have them; how many are left out."""
    portion, left_out = labelled(slices)
    return told(portion), left_out


def write_slices(path: Path, slices: pl.DataFrame) -> Path:
    """The slices file of a batch that has these slices of one hour."""
    with SlicesWriter(path) as writer:
        writer.write(to_table(labelled(slices)[0]))
    return path
