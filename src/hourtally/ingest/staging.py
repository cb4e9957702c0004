"""Event files to staged slices, a Parquet file for each hour, and staged quarantine files.

Small files are parsed and sorted together, as one of their size would be: alone, each took 50 ms
of small queries. This module imports the engines, so it is imported while a file is hashed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Final

import polars as pl

from hourtally.errors import FileRejected
from hourtally.ingest.conflicts import Conflicts
from hourtally.ingest.discovery import is_parquet, path_text
from hourtally.ingest.external_sort.partitions import Partition
from hourtally.ingest.external_sort.runs import SortedRuns
from hourtally.ingest.ndjson.blocks import Block, OversizedLine, read_blocks
from hourtally.ingest.ndjson.duckdb_reader import ReaderPool
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.ingest.observations import ObservationCounts
from hourtally.ingest.parquet.reader import RowBatch, parse_together, read_parquet
from hourtally.ingest.parsed import ParsedBlock, events_frame
from hourtally.ingest.slices.cutting import FILE, SECONDS_PER_FILE, chunks_to_slice, slices_of
from hourtally.ingest.slices.hour_file import SmallHours, WrittenHour, write_hour
from hourtally.ingest.slices.long_events import MOST_EVENTS, LongEvents, are_long
from hourtally.ingest.void_writer import stage_voids
from hourtally.ingest.voids import DistinctVoids
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.runtime.malloc import give_back_blocks
from hourtally.store import durable

# No block is read while a run is sorted, which takes as long as parsing a block does.
_BLOCKS_AHEAD: Final = 2
# Blocks are parsed together until they have this many bytes; a larger file's blocks have more.
_TOGETHER_BYTES: Final = 4 << 20
_READERS: Final = ReaderPool()

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the size of all files."""

_Piece = tuple[int, Block | OversizedLine | RowBatch]
"""The number of a file, and a part of it."""


@dataclass(frozen=True)
class FileToStage:
    """An event file, and the folder for what is staged of it."""

    path: Path
    staging: Path


def stage_files(
    files: Sequence[FileToStage], now_ms: int, threads: int, progress: Progress | None
) -> list[dict[str, Any] | FileRejected]:
    """Write files' events to staged slices and their other lines to staged quarantine files.

    Returns:
        For each file the part of its ingest record that describes what is staged; or why it
        cannot be read to its end, and then nothing staged of it counts.
    """
    give_back_blocks()
    staged = [_StagedFile(one, ObservationCounts(now_ms)) for one in files]
    # Slices of all files that do not fit into memory spill into the first file's folder.
    runs = SortedRuns(files[0].staging)
    with ExitStack() as closing:
        for one in staged:
            closing.callback(one.close)
        few = _parse_into(runs, staged, threads, progress)
    is_read = len(staged) == 1 and staged[0].refusal is None
    if few is not None and is_read and are_long(few):
        _write_long_events(LongEvents(few), staged[0], threads)
    else:
        if few is not None:
            _add(runs, few)
        _write_hours(runs, staged, threads)
    for file, duplicates in runs.duplicates.items():
        staged[file].duplicates += duplicates
    return [one.described(threads) for one in staged]


def _parse_into(
    runs: SortedRuns, staged: Sequence[_StagedFile], threads: int, progress: Progress | None
) -> pl.DataFrame | None:
    """Parse the files, and sort their slices into runs; or return their events, if few enough."""
    begins = list(accumulate((one.path.stat().st_size for one in staged), initial=0))
    parse = partial(_parse, LineParser(_READERS))
    few: list[pl.DataFrame] | None = []
    few_events = 0
    for parsed in ordered_map(threads, parse, _batches(staged), _BLOCKS_AHEAD):
        for number, block in parsed:
            if isinstance(block, FileRejected):
                staged[number].refusal = staged[number].refusal or block
                continue
            staged[number].add(block)
            if progress:
                progress(begins[number] + block.bytes_read, begins[-1])
        events = _together(parsed, len(staged))
        if events.is_empty():
            continue
        if few is not None:
            few.append(events)
            few_events += len(events)
            if few_events <= MOST_EVENTS:
                continue
            events, few = pl.concat(few), None
        _add(runs, events)
    return pl.concat(few) if few else None


def _add(runs: SortedRuns, events: pl.DataFrame) -> None:
    for chunk in chunks_to_slice(events):
        runs.add(slices_of(chunk))


def _write_long_events(events: LongEvents, staged: _StagedFile, threads: int) -> None:
    staged.duplicates += events.duplicates
    work = ((hour, staged.staging, staged.observations) for hour in events.hours())
    for written in ordered_map(threads, events.write, work):
        staged.add_hour(written)


def _write_hours(runs: SortedRuns, staged: Sequence[_StagedFile], threads: int) -> None:
    """Write a slices file for each hour of each file."""
    single = runs.single_run() if len(staged) > 1 else None
    small = SmallHours(single, staged[0].observations.ahead_ms)

    def write(
        file: int, hour: Hour, partitions: Iterator[Partition]
    ) -> tuple[int, WrittenHour | None]:
        one, place = staged[file], file * SECONDS_PER_FILE + hour.timestamp
        if one.refusal is not None:
            return file, None
        if small.has(place):
            return file, small.write(place, one.staging, hour, one.observations)
        return file, write_hour(one.staging, hour, partitions, one.observations)

    for file, written in ordered_map(threads, write, runs.by_hour()):
        if written is not None:
            staged[file].add_hour(written)


class _StagedFile:
    """A file while it is staged: counts, voids and quarantined lines.

    Attributes:
        duplicates: equal events left out, and voids.
        refusal: why it cannot be read to its end.
    """

    def __init__(self, file: FileToStage, observations: ObservationCounts) -> None:
        self.path = file.path
        self.staging = file.staging
        self.observations = observations
        self.duplicates = 0
        self.refusal: FileRejected | None = None
        self._lines = 0
        self._events = 0
        self._rules: Counter[str] = Counter()
        self._voids = DistinctVoids()
        self._hours: dict[str, Any] = {}
        self._conflicts = Conflicts()
        self._name = path_text(file.path)
        self._quarantine: BinaryIO | None = None

    def add(self, block: ParsedBlock) -> None:
        """Count a block, and write its quarantined lines."""
        self._lines += block.lines
        self._events += len(block.events) + len(block.voids)
        self._voids.add(block.voids)
        self.observations.add_block(block)
        for line in block.quarantined:
            self._rules[line.rule] += 1
            if self._quarantine is None:
                self._quarantine = self._quarantine_file.open("xb")
            self._quarantine.write(line.to_json(self._name))

    def add_hour(self, written: WrittenHour) -> None:
        """Add the slices file of an hour."""
        self._hours[written.name] = written.entry
        self.duplicates += written.duplicates
        self._conflicts += written.conflicts

    def close(self) -> None:
        """Close the quarantine file."""
        if self._quarantine is not None:
            self._quarantine.close()

    def described(self, threads: int) -> dict[str, Any] | FileRejected:
        """The part of the ingest record, once all is staged but the voids."""
        if self.refusal is not None:
            return self.refusal
        voids = self._voids.collect()
        for name, entry in stage_voids(self.staging, voids, threads).items():
            self._hours.setdefault(name, {})["voids"] = entry
        duplicates = self.duplicates + self._voids.duplicates
        accepted = self._events - duplicates
        quarantined = self._rules.total()
        if self._lines != accepted + duplicates + quarantined:
            message = (
                f"{self.path}: {self._lines} lines, but {accepted} accepted, "
                f"{duplicates} duplicates and {quarantined} quarantined"
            )
            raise AssertionError(message)
        return {
            "lines": self._lines,
            "accepted": accepted,
            "duplicates": duplicates,
            "quarantined": quarantined,
            "rules": dict(sorted(self._rules.items())),
            "quarantine": durable.describe_file(self._quarantine_file) if quarantined else None,
            **self.observations.to_record(),
            "voids": len(voids),
            "conflicts": self._conflicts.to_json(),
            "hours": dict(sorted(self._hours.items())),
        }

    @property
    def _quarantine_file(self) -> Path:
        return self.staging / "quarantine.ndjson"


def _batches(staged: Sequence[_StagedFile]) -> Iterator[tuple[list[_Piece]]]:
    """Parts of files to be parsed together, in order."""
    waiting: list[_Piece] = []
    size = 0
    for number, file in enumerate(staged):
        try:
            for block in _blocks(file.path):
                waiting.append((number, block))
                size += _size(block)
                if size >= _TOGETHER_BYTES:
                    yield (waiting,)
                    # Nothing else may refer to a block that is being parsed.
                    del block
                    waiting, size = [], 0
        except FileRejected as refusal:
            file.refusal = refusal
    if waiting:
        yield (waiting,)


def _size(piece: Block | OversizedLine | RowBatch) -> int:
    """Bytes that count for how many are parsed together."""
    if isinstance(piece, Block):
        return len(piece.text)
    if isinstance(piece, RowBatch) and piece.is_small:
        return int(piece.table.nbytes)
    return _TOGETHER_BYTES


def _blocks(path: Path) -> Iterator[Block | OversizedLine | RowBatch]:
    if is_parquet(path):
        yield from read_parquet(path)
    else:
        yield from read_blocks(path)


_Parsed = list[tuple[int, ParsedBlock | FileRejected]]
"""The numbers of files, and what is read of a part of each; or why a part cannot be read."""


def _parse(parser: LineParser, pieces: list[_Piece]) -> _Parsed:
    """The pieces, parsed, in the same order."""
    blocks = [piece for _, piece in pieces if isinstance(piece, Block)]
    of_lines = iter(parser.parse_together(blocks) if blocks else [])
    for block in blocks:
        block.release()
    of_rows = iter(parse_together([piece for _, piece in pieces if isinstance(piece, RowBatch)]))
    parsed: _Parsed = []
    for number, piece in pieces:
        if isinstance(piece, Block):
            parsed.append((number, next(of_lines)))
        elif isinstance(piece, OversizedLine):
            parsed.append((number, parser.parse(piece)))
        else:
            parsed.append((number, next(of_rows)))
    return parsed


def _together(parsed: _Parsed, files: int) -> pl.DataFrame:
    """The events of some blocks; with the number of each one's file where there are several."""
    read = [(number, one.events) for number, one in parsed if isinstance(one, ParsedBlock)]
    events = pl.concat([events_frame([]), *(events for _, events in read)])
    if files == 1:
        return events
    numbers = [
        pl.repeat(number, len(events), dtype=pl.Int64, eager=True) for number, events in read
    ]
    none = pl.Series(dtype=pl.Int64)
    return events.with_columns(pl.concat([none, *numbers]).alias(FILE))
