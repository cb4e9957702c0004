"""A block of lines to accepted events and quarantined lines.

Lines of known shapes are read many at a time. All others go through the strict validator, which
takes 17 times as long and alone decides what is quarantined.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import polars as pl

from hourtally.events.event_types import Event, Void
from hourtally.events.strict_json import RuleViolation, parse_line, too_long_message
from hourtally.events.validation import check_event
from hourtally.ingest.ndjson.blocks import Block, OversizedLine, joined
from hourtally.ingest.ndjson.duckdb_reader import ReaderPool, ReadLines
from hourtally.ingest.ndjson.line_index import split_lines
from hourtally.ingest.ndjson.line_shapes import LineShape, find_shape, matches_shape
from hourtally.ingest.ndjson.round_trip import RoundTrip
from hourtally.ingest.parsed import ParsedBlock, QuarantinedLine, events_frame, voids_frame
from hourtally.model.components import VOID_EVENT

_MAX_SHAPES: Final = 16
# Lines of a block from which no shape can be learned, before the rest is validated one by one.
_MAX_FAILED_LESSONS: Final = 8
_BLANK = b" \t\r"
_VOID_TYPE: Final = f'"{VOID_EVENT}"'


@dataclass
class _Found:
    """What has been read of some lines with DuckDB."""

    reads: list[ReadLines] = field(default_factory=list)

    def divided(self, borders: Sequence[int]) -> list[_Found]:
        """What has been read between each two borders, which are numbers of rows."""
        reads = [read.divided(borders) for read in self.reads if len(read.events)]
        return [_Found([of_read[part] for of_read in reads]) for part in range(len(borders) - 1)]

    @property
    def frames(self) -> list[pl.DataFrame]:
        """`row`, then `schemas.EVENTS`, once for each read."""
        return [read.events for read in self.reads]

    def unknown(self) -> Counter[str]:
        """How many of the events have each ignored field."""
        counts: Counter[str] = Counter()
        for read in self.reads:
            counts.update(read.unknown_counts())
        return counts


@dataclass
class LineParser:
    """Parses blocks of one or more files, in any thread, and learns the shapes of their lines.

    Which shapes are known makes a difference to the speed only, never to the result.
    """

    readers: ReaderPool = field(default_factory=ReaderPool)
    _shapes: list[LineShape] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def parse(self, block: Block | OversizedLine) -> ParsedBlock:
        """The events and the quarantined lines of a block."""
        if isinstance(block, OversizedLine):
            return _quarantine_oversized(block)
        [parsed] = self.parse_together([block])
        return parsed

    def parse_together(self, blocks: Sequence[Block]) -> list[ParsedBlock]:
        """The same of several blocks, for which small ones take little longer than one."""
        text, breaks = joined(blocks)
        try:
            lines = split_lines(text, breaks)
        except pl.exceptions.ComputeError:
            if len(blocks) > 1:
                return [self.parse(block) for block in blocks]
            # Some line is not UTF-8; the strict validator finds out which.
            return [_validate_rest(blocks[0], None, 0, _Found())]
        found = self._read(lines)
        if len(blocks) == 1:
            return [_validate_rest(blocks[0], len(lines), 0, found)]
        borders = [0, *accumulate(block.rows for block in blocks)]
        return [
            _validate_rest(block, block.rows, first, part)
            for block, first, part in zip(blocks, borders, found.divided(borders), strict=False)
        ]

    def _read(self, lines: pl.Series) -> _Found:
        """The lines of known shapes, and of those that can be learned from the others."""
        pending = pl.DataFrame({"line": lines}).with_row_index("row")
        found = _Found()
        failed_lessons = 0
        tried: set[LineShape] = set()
        while len(pending):
            for shape in [shape for shape in self._shapes if shape not in tried]:
                tried.add(shape)
                pending = self._read_shape(pending, shape, found)
            if failed_lessons == 0:
                # Voids have no shape: they are few, and always validated.
                pending = pending.filter(~pending["line"].str.contains(_VOID_TYPE, literal=True))
            if failed_lessons == _MAX_FAILED_LESSONS or not len(pending):
                break
            if not self._learn(pending["line"][min(failed_lessons, len(pending) - 1)]):
                failed_lessons += 1
        return found

    def _read_shape(self, pending: pl.DataFrame, shape: LineShape, found: _Found) -> pl.DataFrame:
        """Read the lines of a shape into `found`; returns the lines that are left."""
        if shape.round_trip is not None:
            pending = self._read_round_trip(pending, shape, shape.round_trip, found)
            if not len(pending):
                return pending
        matches = matches_shape(pending["line"], shape)
        if matches.any():
            matching = pending.filter(matches)
            with self.readers.one() as reader:
                found.reads.append(reader.read_matching(matching, shape))
            pending = pending.filter(~matches)
        return pending

    def _read_round_trip(
        self,
        pending: pl.DataFrame,
        shape: LineShape,
        round_trip: RoundTrip,
        found: _Found,
    ) -> pl.DataFrame:
        """Read the lines that pass the round trip into `found`; returns the lines that are left.

        Lines of other types are set aside first: it is cheaper to filter lines than the columns
        that are read from them.
        """
        names_type = pending["line"].str.contains(f'"{shape.event_type.type}"', literal=True)
        candidates = pending if names_type.all() else pending.filter(names_type)
        if not len(candidates):
            return pending
        with self.readers.one() as reader:
            read = reader.read_round_trip(candidates, shape, round_trip)
        events = read.events
        if not len(events):
            return pending
        found.reads.append(read)
        if len(events) == len(candidates):
            return pending.filter(~names_type)
        return pending.join(events.select("row"), on="row", how="anti")

    def _learn(self, line: str) -> bool:
        """Add the shape of a line, if the line is accepted and its shape is new."""
        try:
            event = parse_line(line.encode())
            check_event(event)
        except RuleViolation:
            return False
        shape = find_shape(event, line)
        if shape is None:
            return False
        with self._lock:
            known = {known.pattern for known in self._shapes}
            if shape.pattern in known or len(self._shapes) == _MAX_SHAPES:
                return False
            # Most keys first: such a shape also matches lines that lack some of them.
            self._shapes = sorted([*self._shapes, shape], key=lambda known: -known.keys)
        return True


def _validate_rest(block: Block, rows: int | None, first_row: int, found: _Found) -> ParsedBlock:
    """Send every line of a block that is not in `found` through the strict validator.

    Args:
        block: the lines.
        rows: how many they are; None where they could not be split.
        first_row: what the first of them is numbered in `found`.
        found: what has been read of them.
    """
    frames, unknown = found.frames, found.unknown()
    taken = sum(len(frame) for frame in frames)
    if rows is not None and taken == rows:
        return ParsedBlock(_concat(frames), rows, block.bytes_read, unknown=unknown)
    done: set[int] = set()
    for frame in frames:
        done.update(frame["row"])
    raw_lines = block.text.removesuffix(b"\n").split(b"\n")
    events: list[Event] = []
    voids: list[Void] = []
    quarantined: list[QuarantinedLine] = []
    for row, raw in enumerate(raw_lines):
        if first_row + row in done or not raw.strip(_BLANK):
            continue
        try:
            # A CR belongs to the line break: DuckDB's reader does not count its byte either.
            line = parse_line(raw.removesuffix(b"\r"))
            accepted, ignored = check_event(line)
        except RuleViolation as violation:
            number = block.first_line + row
            quarantined.append(QuarantinedLine(number, violation.rule, violation.message, raw))
            continue
        unknown.update(ignored)
        if isinstance(accepted, Void):
            voids.append(accepted)
        else:
            events.append(accepted)
    return ParsedBlock(
        pl.concat([_concat(frames), events_frame(events)]) if events else _concat(frames),
        taken + len(events) + len(voids) + len(quarantined),
        block.bytes_read,
        quarantined,
        voids_frame(voids),
        unknown,
    )


def _quarantine_oversized(line: OversizedLine) -> ParsedBlock:
    quarantined = QuarantinedLine(
        line.number,
        "line_too_long",
        too_long_message(line.length, line.head),
        line.head,
        line.length,
        line.sha256,
    )
    return ParsedBlock(events_frame([]), 1, 0, [quarantined])


def _concat(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The events of a block: shape by shape, each in the order of the file, then the validated."""
    return pl.concat([frame.drop("row") for frame in frames]) if frames else events_frame([])
