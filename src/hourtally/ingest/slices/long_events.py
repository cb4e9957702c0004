"""Few events that touch many hours, such as volumes of a month: kept whole, cut hour by hour.

Cut first and sorted then, as other events are, each of their slices waits in memory or on disk: 3.6
million for 5,000 events of a month. Here texts are compared, sorted and hashed once for all hours.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from hourtally.ingest.conflicts import Conflicts, conflicts_of
from hourtally.ingest.external_sort.dimensions import (
    DimensionTable,
    EncodedSlices,
    resource_numbers,
    sort_without_duplicates,
)
from hourtally.ingest.external_sort.runs import RUN_ROWS
from hourtally.ingest.observations import ObservationCounts, count_slices
from hourtally.ingest.slices.hour_file import MOST_PLAIN_ROWS, WrittenHour, written_hour
from hourtally.ingest.slices.usage_keys import usage_keys
from hourtally.ingest.slices.writer import SlicesWriter, TextColumns, to_plain_table, to_table
from hourtally.model.hours import HOUR_MS, HOUR_SECONDS, Hour

# No hour of them is so large that it would be divided into partitions.
MOST_EVENTS: Final = 100_000


def are_long(events: pl.DataFrame) -> bool:
    """Whether few events (`schemas.EVENTS`) have more slices than one run."""
    slices = (pl.col("end_ms") - 1) // HOUR_MS - pl.col("start_ms") // HOUR_MS + 1
    return int(events.select(slices.sum()).item()) > RUN_ROWS


class LongEvents:
    """At most `MOST_EVENTS` events of one file (`schemas.EVENTS`).

    duplicates: how many were left out because an earlier one equals them.
    """

    def __init__(self, events: pl.DataFrame) -> None:
        table = DimensionTable()
        whole = events.with_columns(
            hour=pl.lit(0, pl.Int64), slice_start_ms="start_ms", slice_end_ms="end_ms"
        )
        once, duplicates = table.sort(table.encode(whole))
        self.duplicates = sum(duplicates.values())
        dimensions = table.sorted_rows()
        ranks = dimensions["id"].arg_sort().gather(once["dimension_id"])
        self._events = once.with_columns(ranks.cast(pl.UInt32).alias("dimension_id"))
        self._dimensions = dimensions.drop("id").hstack(usage_keys(dimensions))
        self._resources = resource_numbers(dimensions)
        # Of the last hour that was written: nearly always the next one has the same.
        self._texts = (pl.Series(dtype=pl.UInt32), TextColumns.of(self._dimensions[:0]))

    def hours(self) -> Iterator[Hour]:
        """The hours that they touch, in order."""
        changes: Counter[int] = Counter()
        first = self._events["start_ms"] // HOUR_MS
        last = (self._events["end_ms"] - 1) // HOUR_MS
        changes.update(first)
        changes.subtract(last + 1)
        active = 0
        bounds = sorted(changes)
        for begin, end in itertools.pairwise(bounds):
            active += changes[begin]
            if active:
                yield from (Hour(number * HOUR_SECONDS) for number in range(begin, end))

    def write(self, hour: Hour, staging: Path, observations: ObservationCounts) -> WrittenHour:
        """Write the slices file of an hour; it is not durable yet. Any thread may call this."""
        slices = self._slices_in(hour)
        observations.add_slices(count_slices(slices, observations.ahead_ms))
        used = slices["dimension_id"].unique().sort()
        ids = used.search_sorted(slices["dimension_id"]).cast(pl.UInt32)
        encoded = EncodedSlices(
            self._dimensions[used], slices.with_columns(ids.alias("dimension_id"))
        )
        path = staging / f"{hour.name}.parquet"
        is_small = len(slices) <= MOST_PLAIN_ROWS
        with SlicesWriter(path, plain=is_small) as writer:
            if is_small:
                writer.write(to_plain_table(encoded))
            else:
                writer.write(to_table(encoded, self._texts_of(used, encoded.dimensions)))
        has_repeated = slices["identity"].is_duplicated().any()
        conflicts = conflicts_of(path, writer.rows) if has_repeated else Conflicts()
        return written_hour(hour, path, writer.rows, 0, conflicts)

    def _slices_in(self, hour: Hour) -> pl.DataFrame:
        touching = self._events.filter(
            (pl.col("start_ms") < hour.end_ms) & (pl.col("end_ms") > hour.start_ms)
        )
        cut = touching.with_columns(
            slice_start_ms=pl.max_horizontal("start_ms", pl.lit(hour.start_ms)),
            slice_end_ms=pl.min_horizontal("end_ms", pl.lit(hour.end_ms)),
        )
        return sort_without_duplicates(cut, self._resources)[0]

    def _texts_of(self, used: pl.Series, dimensions: pl.DataFrame) -> TextColumns:
        before, texts = self._texts
        if not used.equals(before):
            texts = TextColumns.of(dimensions)
            self._texts = (used, texts)
        return texts
