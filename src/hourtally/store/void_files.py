"""Read and write voids files: the voids of one batch that touch one hour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from hourtally.model.schemas import STORED_VOIDS, conform


def write_voids(path: Path, voids: pl.DataFrame) -> None:
    """Write voids (`schemas.STORED_VOIDS`, sorted); the same rows give the same bytes."""
    table = conform(voids, STORED_VOIDS).to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, compression="zstd", write_page_checksum=True, store_schema=False)


def read_voids(paths: Sequence[Path]) -> pl.DataFrame:
    """The voids of these files, `schemas.STORED_VOIDS`, in the order of the files."""
    nothing = pl.DataFrame(schema=STORED_VOIDS)
    if not paths:
        return nothing
    read = [pl.read_parquet(path, glob=False, hive_partitioning=False) for path in paths]
    return conform(pl.concat([nothing, *read]), STORED_VOIDS)
