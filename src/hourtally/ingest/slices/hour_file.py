"""The staged slices file of one hour of one event file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from hourtally.ingest.conflicts import Conflicts, conflicts_of
from hourtally.ingest.external_sort.dimensions import EncodedSlices, merge
from hourtally.ingest.external_sort.partitions import Partition
from hourtally.ingest.external_sort.runs import SingleRun
from hourtally.ingest.observations import ObservationCounts, count_slices, slice_counts
from hourtally.ingest.slices.writer import SlicesWriter, to_plain_table, to_table
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.store import durable

# Partitions of an hour that are merged at a time. Each takes 60 MB, and as many hours as there are
# threads may be written at the same time.
_PARTITIONS_AT_ONCE: Final = 2
# Up to so many slices, sorting texts for dictionaries takes longer than all the rest.
MOST_PLAIN_ROWS: Final = 4_096


@dataclass(frozen=True)
class WrittenHour:
    """A slices file that was written. entry: in the ingest record. duplicates: left out."""

    name: str
    entry: dict[str, Any]
    duplicates: int
    conflicts: Conflicts


class SmallHours:
    """The hours of small files, which are written from one table.

    Merged and made a table one by one, an hour of 200 slices took 10 ms.
    """

    def __init__(self, run: SingleRun | None, ahead_ms: int) -> None:
        self._places: dict[int, tuple[int, int]] = {}
        if run is None:
            return
        self._places = {
            place: (first, end)
            for place, (first, end) in run.places.items()
            if end - first <= MOST_PLAIN_ROWS
        }
        self._table = to_plain_table(EncodedSlices(run.dimensions, run.slices))
        lengths = pl.Series([end - first for first, end in run.places.values()], dtype=pl.UInt32)
        places = pl.Series(list(run.places), dtype=pl.Int64).repeat_by(lengths).explode()
        by_place = run.slices.with_columns(places.alias("place"))
        self._counts = {
            place: (nothing, ahead)
            for place, nothing, ahead in by_place.group_by("place")
            .agg(slice_counts(ahead_ms))
            .iter_rows()
        }
        identities = by_place.select("place", "identity")
        self._repeated = set(identities.filter(identities.is_duplicated())["place"])

    def has(self, place: int) -> bool:
        """Whether the hour is a small one."""
        return place in self._places

    def write(
        self, place: int, staging: Path, hour: Hour, observations: ObservationCounts
    ) -> WrittenHour:
        """Write the slices file of a small hour; it is not durable yet."""
        first, end = self._places[place]
        path = staging / f"{hour.name}.parquet"
        with SlicesWriter(path, plain=True) as writer:
            writer.write(self._table.slice(first, end - first))
        observations.add_slices(self._counts[place])
        conflicts = conflicts_of(path, writer.rows) if place in self._repeated else Conflicts()
        return written_hour(hour, path, writer.rows, 0, conflicts)


def write_hour(
    staging: Path, hour: Hour, partitions: Iterator[Partition], observations: ObservationCounts
) -> WrittenHour:
    """Write an hour's slices file; it is not durable yet."""
    path = staging / f"{hour.name}.parquet"
    begun = list(islice(partitions, 2))
    if len(begun) == 1:
        slices, duplicates = merge(begun[0].read())
        observations.add_slices(count_slices(slices.slices, observations.ahead_ms))
        is_small = len(slices.slices) <= MOST_PLAIN_ROWS
        with SlicesWriter(path, plain=is_small) as writer:
            writer.write(to_plain_table(slices) if is_small else to_table(slices))
    else:
        duplicates = 0
        with SlicesWriter(path) as writer:
            # The next partitions are merged while one is encoded.
            work = ((one, observations.ahead_ms) for one in chain(begun, partitions))
            for table, found, counts in ordered_map(_PARTITIONS_AT_ONCE, _merge_partition, work):
                duplicates += found
                observations.add_slices(counts)
                writer.write(table)
    conflicts = conflicts_of(path, writer.rows)
    return written_hour(hour, path, writer.rows, duplicates, conflicts)


def written_hour(
    hour: Hour, path: Path, rows: int, duplicates: int, conflicts: Conflicts
) -> WrittenHour:
    """What there is to say of a slices file that was written."""
    entry = {"rows": rows, **durable.describe_file(path)}
    return WrittenHour(hour.name, entry, duplicates, conflicts)


def _merge_partition(partition: Partition, ahead_ms: int) -> tuple[pa.Table, int, tuple[int, int]]:
    """A partition of an hour, ready to be written.

    Returns:
        The slices, how many duplicates were left out, and what `count_slices` found.
    """
    slices, duplicates = merge(partition.read())
    return to_table(slices), duplicates, count_slices(slices.slices, ahead_ms)
