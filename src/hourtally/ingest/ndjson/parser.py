"""A block of lines, or of Parquet rows, to accepted events and refused lines."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from hourtally.events.event_types import Event
from hourtally.events.strict_json import MAX_LINE_BYTES, Rejection, parse_line
from hourtally.events.validation import check_object
from hourtally.ingest.ndjson.blocks import Block, HugeLine
from hourtally.ingest.ndjson.duckdb_reader import FastReader
from hourtally.ingest.ndjson.line_index import is_plain_ascii, lines_between
from hourtally.ingest.ndjson.line_shapes import Layout, layout_of, matching
from hourtally.ingest.ndjson.round_trip import PlainForm
from hourtally.ingest.parsed import Parsed, Refusal, events_frame

_MOST_LAYOUTS: Final = 16
# Lines of a block that may be tried for a new layout before the rest goes to the judge.
_MOST_TRIALS: Final = 8
_BLANK = b" \t\r"


@dataclass
class LineParser:
    """Parses blocks of one file, in any thread, each by itself; learns the file's layouts.

    What comes out does not depend on which layouts are known, only how fast.
    """

    now_ms: int
    _layouts: list[Layout] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)

    def parse(self, block: Block | HugeLine) -> Parsed:
        """The events and refusals of a block."""
        if isinstance(block, HugeLine):
            sentence = f"the line has {block.length} bytes, more than {MAX_LINE_BYTES}"
            refusal = Refusal(
                block.line, "line_too_long", sentence, block.head, block.length, block.sha256
            )
            return Parsed(events_frame([]), [refusal], 1, 0)
        is_printable = is_plain_ascii(block.text)
        try:
            lines = lines_between(block.text, block.breaks, is_ascii=is_printable)
        except pl.exceptions.ComputeError:
            # Not UTF-8 somewhere: the judge finds out where.
            return self._judge(block, None, [])
        pending = pl.DataFrame({"line": lines}).with_row_index("row")
        frames: list[pl.DataFrame] = []
        trials = 0
        tried: set[Layout] = set()
        while len(pending):
            for layout in [layout for layout in self._layouts if layout not in tried]:
                tried.add(layout)
                pending = self._take(pending, layout, frames, is_printable=is_printable)
            if trials == _MOST_TRIALS or not len(pending):
                break
            if not self._learn(pending["line"][min(trials, len(pending) - 1)]):
                trials += 1
        return self._judge(block, len(lines), frames)

    def _take(
        self,
        pending: pl.DataFrame,
        layout: Layout,
        frames: list[pl.DataFrame],
        *,
        is_printable: bool,
    ) -> pl.DataFrame:
        """Read the lines of a layout into frames; the lines that are left."""
        if layout.plain is not None:
            pending = self._take_plain(
                pending, layout, layout.plain, frames, is_printable=is_printable
            )
            if not len(pending):
                return pending
        fits = matching(pending["line"], layout)
        if fits.any():
            taken = pending.filter(fits)
            frames.append(self._reader().read_matching(taken, layout, self.now_ms))
            pending = pending.filter(~fits)
        return pending

    def _take_plain(
        self,
        pending: pl.DataFrame,
        layout: Layout,
        form: PlainForm,
        frames: list[pl.DataFrame],
        *,
        is_printable: bool,
    ) -> pl.DataFrame:
        """Read the plain lines of a layout into frames; the lines that are left.

        Lines of other types are put aside first: to leave rows out of all the columns that are
        read costs more than to leave out lines.
        """
        texts = pending["line"].str
        if form.beginning is not None:
            is_named = texts.starts_with(form.beginning)
        else:
            is_named = texts.contains(f'"{layout.kind.type}"', literal=True)
        named = pending if is_named.all() else pending.filter(is_named)
        if not len(named):
            return pending
        read = self._reader().read_plain(
            named, layout, form, self.now_ms, is_printable=is_printable
        )
        if not len(read):
            return pending
        frames.append(read)
        if len(read) == len(named):
            return pending.filter(~is_named)
        return pending.join(read.select("row"), on="row", how="anti")

    def _reader(self) -> FastReader:
        """This thread's own."""
        if not hasattr(self._local, "reader"):
            self._local.reader = FastReader()
        reader: FastReader = self._local.reader
        return reader

    def _learn(self, line: str) -> bool:
        """Add the layout of a line, if it is an accepted line of a new one."""
        try:
            event = parse_line(line.encode())
            check_object(event, self.now_ms)
        except Rejection:
            return False
        layout = layout_of(event, line)
        if layout is None:
            return False
        with self._lock:
            known = {known.pattern for known in self._layouts}
            if layout.pattern in known or len(self._layouts) == _MOST_LAYOUTS:
                return False
            # The one with the most keys first: it takes lines that lack some of them as well.
            self._layouts = sorted([*self._layouts, layout], key=lambda known: -known.keys)
        return True

    def _judge(self, block: Block, rows: int | None, frames: list[pl.DataFrame]) -> Parsed:
        """Send every line that the fast reader did not take through the strict check."""
        taken = sum(len(frame) for frame in frames)
        if rows is not None and taken == rows:
            return Parsed(_join(frames), [], rows, block.read_bytes)
        done: set[int] = set()
        for frame in frames:
            done.update(frame["row"])
        raw_lines = block.text.removesuffix(b"\n").split(b"\n")
        events: list[tuple[int, Event]] = []
        refusals: list[Refusal] = []
        for row, raw in enumerate(raw_lines):
            if row in done or not raw.strip(_BLANK):
                continue
            try:
                # A CR is of the line break: the fast reader counts no byte for it either.
                line = parse_line(raw.removesuffix(b"\r"))
                events.append((row, check_object(line, self.now_ms)))
            except Rejection as rejection:
                refusals.append(
                    Refusal(block.first_line + row, rejection.rule, rejection.sentence, raw)
                )
        if events:
            judged = events_frame(event for _, event in events)
            rows_judged = pl.Series("row", [row for row, _ in events], dtype=pl.UInt32)
            frames.append(judged.insert_column(0, rows_judged))
        lines = taken + len(events) + len(refusals)
        return Parsed(_join(frames), refusals, lines, block.read_bytes)


def _join(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The events of a block: layout by layout, each in the order of the file, then the judge's."""
    return pl.concat([frame.drop("row") for frame in frames]) if frames else events_frame([])
