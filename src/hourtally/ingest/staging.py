"""An event file to staged slices, one file an hour, and a staged quarantine file.

It brings the engines, so it is loaded while the file is hashed, and a large file's first blocks
are read then.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from hourtally.ingest.discovery import PARQUET_SUFFIX, written_path
from hourtally.ingest.external_sort.dimensions import merged
from hourtally.ingest.external_sort.partitions import Portion
from hourtally.ingest.external_sort.runs import Runs
from hourtally.ingest.ndjson.blocks import BLOCK_BYTES, Block, HugeLine, read_blocks
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.ingest.parquet.reader import read_parquet
from hourtally.ingest.parsed import Parsed
from hourtally.ingest.slices_writer import SlicesWriter, to_table
from hourtally.ingest.slicing import portions_of, slices_of
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.runtime.malloc import give_back_blocks
from hourtally.store import durable

# Each takes 60 MB, and as many hours as there are threads may be written at the same time.
_PORTIONS_AT_ONCE: Final = 2
# A thread takes as long for a block as it takes to make a run, in which no block is read.
_BLOCKS_AHEAD: Final = 2
# Smaller ones have no more blocks than that, and are hashed before the first one would be read.
_LARGE_BYTES: Final = 4 * BLOCK_BYTES

Progress = Callable[[int, int], None]
"""Called with bytes read of the file and its size."""


@dataclass
class _Tally:
    """Counts of a file: `lines = accepted + duplicates + quarantined`."""

    lines: int = 0
    events: int = 0
    duplicates: int = 0
    rules: Counter[str] = field(default_factory=Counter)


class Reading:
    """A file's blocks, parsed several at a time, given back in the order of the file."""

    def __init__(self, path: Path, size: int, now_ms: int, threads: int) -> None:
        """Of a large file the first block is parsed when this returns, and the next are under way.

        Raises:
            FileRejected: it cannot be read as far as that.
        """
        self.path = path
        self.size = size
        give_back_blocks()
        self._parsed = _parsed(path, now_ms, threads)
        self._first = list(itertools.islice(self._parsed, 1)) if size >= _LARGE_BYTES else []

    def __iter__(self) -> Iterator[Parsed]:
        """All of them, once."""
        while self._first:
            yield self._first.pop()
        yield from self._parsed

    def close(self) -> None:
        """Read no more of them."""
        self._parsed.close()


def take_in(
    reading: Reading, staging: Path, threads: int, progress: Progress | None
) -> dict[str, Any]:
    """Take a file into staged slices and quarantine; what the record says of them."""
    path = reading.path
    tally = _Tally()
    runs = Runs(staging)
    with (staging / "quarantine.ndjson").open("xb") as quarantine:
        for parsed in reading:
            tally.lines += parsed.lines
            tally.events += len(parsed.events)
            for refusal in parsed.refusals:
                tally.rules[refusal.rule] += 1
                quarantine.write(refusal.to_json(written_path(path)))
            for events in portions_of(parsed.events):
                runs.add(slices_of(events))
            if progress:
                progress(parsed.read_bytes, reading.size)
    hours: dict[str, Any] = {}

    def write(hour: Hour, portions: Iterator[Portion]) -> tuple[str, dict[str, Any], int]:
        left_out = 0
        staged = staging / f"{hour.name}.parquet"
        with SlicesWriter(staged) as writer:
            # While one portion is encoded, the next ones are put together.
            work = ((portion,) for portion in portions)
            for table, duplicates in ordered_map(_PORTIONS_AT_ONCE, _together, work):
                left_out += duplicates
                writer.write(table)
        durable.fsync_file(staged)
        return hour.name, {"rows": writer.rows, **durable.describe_file(staged)}, left_out

    for name, entry, left_out in ordered_map(threads, write, runs.by_hour()):
        hours[name] = entry
        tally.duplicates += left_out
    tally.duplicates += runs.left_out
    quarantined = tally.rules.total()
    accepted = tally.events - tally.duplicates
    if tally.lines != accepted + tally.duplicates + quarantined:
        message = (
            f"{path}: {tally.lines} lines are not {accepted}, {tally.duplicates}, {quarantined}"
        )
        raise AssertionError(message)
    return {
        "lines": tally.lines,
        "accepted": accepted,
        "duplicates": tally.duplicates,
        "quarantined": quarantined,
        "rules": dict(sorted(tally.rules.items())),
        "quarantine": durable.describe_file(staging / "quarantine.ndjson") if quarantined else None,
        "hours": hours,
    }


def _together(portion: Portion) -> tuple[pa.Table, int]:
    """A portion of an hour as it is to be written, and how many duplicates it had."""
    slices, duplicates = merged(portion.read())
    return to_table(slices), duplicates


def _parsed(path: Path, now_ms: int, threads: int) -> Generator[Parsed]:
    if path.suffix == PARQUET_SUFFIX:
        yield from read_parquet(path, now_ms)
        return
    parser = LineParser(now_ms)

    def parse(block: Block | HugeLine) -> Parsed:
        parsed = parser.parse(block)
        if isinstance(block, Block):
            block.end()
        return parsed

    blocks = ((block,) for block in read_blocks(path))
    yield from ordered_map(threads, parse, blocks, _BLOCKS_AHEAD)
