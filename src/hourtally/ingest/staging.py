"""One event file to staged slices, a Parquet file for each hour, and a staged quarantine file.

This module imports the engines, so it is imported while the file is hashed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from hourtally.ingest.conflicts import Conflicts, conflicts_of
from hourtally.ingest.discovery import is_parquet, path_text
from hourtally.ingest.external_sort.dimensions import merge
from hourtally.ingest.external_sort.partitions import Partition
from hourtally.ingest.external_sort.runs import SortedRuns
from hourtally.ingest.ndjson.blocks import Block, OversizedLine, read_blocks
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.ingest.observations import ObservationCounts, count_slices
from hourtally.ingest.parquet.reader import read_parquet
from hourtally.ingest.parsed import ParsedBlock
from hourtally.ingest.slices_writer import SlicesWriter, to_table
from hourtally.ingest.slicing import chunks_to_slice, slices_of
from hourtally.ingest.void_writer import stage_voids
from hourtally.ingest.voids import DistinctVoids
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.runtime.malloc import give_back_blocks
from hourtally.store import durable

# Partitions of an hour that are merged at a time. Each takes 60 MB, and as many hours as there are
# threads may be written at the same time.
_PARTITIONS_AT_ONCE: Final = 2
# No block is read while a run is sorted, which takes as long as parsing a block does.
_BLOCKS_AHEAD: Final = 2

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the size of the file."""


@dataclass
class _Counts:
    """Counts of a file.

    events: events and voids, duplicates among them. rules: quarantined lines by rule.
    """

    lines: int = 0
    events: int = 0
    duplicates: int = 0
    rules: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        return self.events - self.duplicates

    def check(self, path: Path) -> None:
        """Every line is accepted, a duplicate or quarantined; none is lost."""
        quarantined = self.rules.total()
        if self.lines != self.accepted + self.duplicates + quarantined:
            message = (
                f"{path}: {self.lines} lines, but {self.accepted} accepted, "
                f"{self.duplicates} duplicates and {quarantined} quarantined"
            )
            raise AssertionError(message)


def stage_events(
    path: Path, staging: Path, now_ms: int, threads: int, progress: Progress | None
) -> dict[str, Any]:
    """Write a file's events to staged slices and its other lines to a staged quarantine file.

    Returns:
        The part of the ingest record that describes them.

    Raises:
        FileRejected: the file cannot be read to its end.
    """
    give_back_blocks()
    size = path.stat().st_size
    counts = _Counts()
    runs = SortedRuns(staging)
    voids = DistinctVoids()
    observations = ObservationCounts(now_ms)
    file = path_text(path)
    with (staging / "quarantine.ndjson").open("xb") as quarantine:
        for block in _parsed_blocks(path, threads):
            counts.lines += block.lines
            counts.events += len(block.events) + len(block.voids)
            voids.add(block.voids)
            observations.add_block(block)
            for line in block.quarantined:
                counts.rules[line.rule] += 1
                quarantine.write(line.to_json(file))
            for events in chunks_to_slice(block.events):
                runs.add(slices_of(events))
            if progress:
                progress(block.bytes_read, size)
    distinct_voids = voids.collect()
    hours: dict[str, Any] = {}
    conflicts = Conflicts()

    def write(hour: Hour, partitions: Iterator[Partition]) -> _WrittenHour:
        return _write_hour(staging, hour, partitions, observations)

    for written in ordered_map(threads, write, runs.by_hour()):
        hours[written.name] = written.entry
        counts.duplicates += written.duplicates
        conflicts += written.conflicts
    for name, entry in stage_voids(staging, distinct_voids, threads).items():
        hours.setdefault(name, {})["voids"] = entry
    counts.duplicates += runs.duplicates + voids.duplicates
    counts.check(path)
    return {
        "lines": counts.lines,
        "accepted": counts.accepted,
        "duplicates": counts.duplicates,
        "quarantined": counts.rules.total(),
        "rules": dict(sorted(counts.rules.items())),
        "quarantine": durable.describe_file(staging / "quarantine.ndjson")
        if counts.rules
        else None,
        **observations.to_record(),
        "voids": len(distinct_voids),
        "conflicts": conflicts.to_json(),
        "hours": dict(sorted(hours.items())),
    }


@dataclass(frozen=True)
class _WrittenHour:
    """A slices file that was written. entry: in the ingest record. duplicates: left out."""

    name: str
    entry: dict[str, Any]
    duplicates: int
    conflicts: Conflicts


def _write_hour(
    staging: Path, hour: Hour, partitions: Iterator[Partition], observations: ObservationCounts
) -> _WrittenHour:
    """Write an hour's slices file."""
    duplicates = 0
    staged = staging / f"{hour.name}.parquet"
    with SlicesWriter(staged) as writer:
        # The next partitions are merged while one is encoded.
        work = ((partition, observations.ahead_ms) for partition in partitions)
        for table, found, counts in ordered_map(_PARTITIONS_AT_ONCE, _merge_partition, work):
            duplicates += found
            observations.add_slices(counts)
            writer.write(table)
    durable.fsync_file(staged)
    entry = {"rows": writer.rows, **durable.describe_file(staged)}
    return _WrittenHour(hour.name, entry, duplicates, conflicts_of(staged, writer.rows))


def _merge_partition(partition: Partition, ahead_ms: int) -> tuple[pa.Table, int, tuple[int, int]]:
    """A partition of an hour, ready to be written.

    Returns:
        The slices, how many duplicates were left out, and what `count_slices` found.
    """
    slices, duplicates = merge(partition.read())
    return to_table(slices), duplicates, count_slices(slices.slices, ahead_ms)


def _parsed_blocks(path: Path, threads: int) -> Iterator[ParsedBlock]:
    if is_parquet(path):
        yield from read_parquet(path)
        return
    parser = LineParser()

    def parse(block: Block | OversizedLine) -> ParsedBlock:
        parsed = parser.parse(block)
        if isinstance(block, Block):
            block.release()
        return parsed

    blocks = ((block,) for block in read_blocks(path))
    yield from ordered_map(threads, parse, blocks, _BLOCKS_AHEAD)
