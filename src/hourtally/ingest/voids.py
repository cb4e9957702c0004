"""The voids of one file, without duplicates."""

from __future__ import annotations

import polars as pl

from hourtally.ingest.parsed import NO_VOIDS
from hourtally.model.schemas import VOID_CONTENT


class DistinctVoids:
    """The voids of one file, added block by block in the order of the file.

    They wait in memory, 200 bytes each: a file has few of them.

    duplicates: how many were left out because an earlier void of the file equals them.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        self._blocks: list[pl.DataFrame] = []

    def add(self, voids: pl.DataFrame) -> None:
        """Add a block's voids (`schemas.VOIDS`)."""
        if len(voids):
            self._blocks.append(voids)

    def collect(self) -> pl.DataFrame:
        """All distinct voids (`schemas.VOIDS`), sorted; of duplicates the reason of the first."""
        if not self._blocks:
            return NO_VOIDS
        whole = pl.concat(self._blocks)
        distinct = whole.unique(VOID_CONTENT, keep="first", maintain_order=True)
        self.duplicates = len(whole) - len(distinct)
        return distinct.sort(VOID_CONTENT)
