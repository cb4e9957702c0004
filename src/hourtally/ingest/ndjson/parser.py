"""A block of lines to accepted events and quarantined lines.

Lines of known shapes are read many at a time. All others go through the strict validator, which
takes 17 times as long and alone decides what is quarantined.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from hourtally.events.event_types import Event, Void
from hourtally.events.strict_json import RuleViolation, parse_line, too_long_message
from hourtally.events.validation import check_event
from hourtally.ingest.ndjson.blocks import Block, OversizedLine
from hourtally.ingest.ndjson.duckdb_reader import DuckDBReader, ReadLines
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
    """What has been read of a block. frames: `row`, then `schemas.EVENTS`."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, read: ReadLines) -> None:
        """Add lines that were read with DuckDB."""
        self.frames.append(read.events)
        self.unknown.update(read.unknown)


@dataclass
class LineParser:
    """Parses the blocks of one file, in any thread, and learns the file's line shapes.

    Which shapes are known makes a difference to the speed only, never to the result.
    """

    _shapes: list[LineShape] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)

    def parse(self, block: Block | OversizedLine) -> ParsedBlock:
        """The events and the quarantined lines of a block."""
        if isinstance(block, OversizedLine):
            return _quarantine_oversized(block)
        try:
            lines = split_lines(block.text, block.breaks)
        except pl.exceptions.ComputeError:
            # Some line is not UTF-8; the strict validator finds out which.
            return self._validate_rest(block, None, _Found())
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
        return self._validate_rest(block, len(lines), found)

    def _read_shape(self, pending: pl.DataFrame, shape: LineShape, found: _Found) -> pl.DataFrame:
        """Read the lines of a shape into `found`; returns the lines that are left."""
        if shape.round_trip is not None:
            pending = self._read_round_trip(pending, shape, shape.round_trip, found)
            if not len(pending):
                return pending
        matches = matches_shape(pending["line"], shape)
        if matches.any():
            matching = pending.filter(matches)
            found.add(self._reader().read_matching(matching, shape))
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
        read = self._reader().read_round_trip(candidates, shape, round_trip)
        events = read.events
        if not len(events):
            return pending
        found.add(read)
        if len(events) == len(candidates):
            return pending.filter(~names_type)
        return pending.join(events.select("row"), on="row", how="anti")

    def _reader(self) -> DuckDBReader:
        """This thread's own reader."""
        if not hasattr(self._local, "reader"):
            self._local.reader = DuckDBReader()
        reader: DuckDBReader = self._local.reader
        return reader

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

    def _validate_rest(self, block: Block, rows: int | None, found: _Found) -> ParsedBlock:
        """Send every line that is not in `found` through the strict validator."""
        taken = sum(len(frame) for frame in found.frames)
        if rows is not None and taken == rows:
            return ParsedBlock(_concat(found.frames), rows, block.bytes_read, unknown=found.unknown)
        done: set[int] = set()
        for frame in found.frames:
            done.update(frame["row"])
        raw_lines = block.text.removesuffix(b"\n").split(b"\n")
        events: list[tuple[int, Event]] = []
        voids: list[Void] = []
        quarantined: list[QuarantinedLine] = []
        for row, raw in enumerate(raw_lines):
            if row in done or not raw.strip(_BLANK):
                continue
            try:
                # A CR belongs to the line break: DuckDB's reader does not count its byte either.
                line = parse_line(raw.removesuffix(b"\r"))
                accepted, unknown = check_event(line)
            except RuleViolation as violation:
                number = block.first_line + row
                quarantined.append(QuarantinedLine(number, violation.rule, violation.message, raw))
                continue
            found.unknown.update(unknown)
            if isinstance(accepted, Void):
                voids.append(accepted)
            else:
                events.append((row, accepted))
        if events:
            validated = events_frame(event for _, event in events)
            validated_rows = pl.Series("row", [row for row, _ in events], dtype=pl.UInt32)
            found.frames.append(validated.insert_column(0, validated_rows))
        lines = taken + len(events) + len(voids) + len(quarantined)
        return ParsedBlock(
            _concat(found.frames),
            lines,
            block.bytes_read,
            quarantined,
            voids_frame(voids),
            found.unknown,
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
