"""The facts of an event file, one by one, as the strict validator judges them."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

import pyarrow as pa

from hourtally.events.event_types import Event, Void
from hourtally.events.strict_json import RuleViolation
from hourtally.events.validation import check_line
from hourtally.verify.from_files.parquet_rows import check_rows

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
# A longer line is in quarantine whatever it holds, so no more of it is kept.
_MOST_LINE_BYTES: Final = 16 << 20


class Judged(NamedTuple):
    """A line that is not blank, or a row: its number, and its fact or the rule that it breaks."""

    number: int
    fact: Event | Void | str


def judge_file(path: Path) -> Iterator[Judged]:
    """Every line or row of an event file, in order.

    Raises:
        OSError, EOFError, pa.ArrowException: it cannot be read to its end.
    """
    if path.name.lower().endswith(".parquet"):
        yield from map(Judged._make, check_rows(path))
        return
    with _lines_of(path) as file:
        number = 0
        while line := file.readline(_MOST_LINE_BYTES):
            number += 1
            whole = line
            while not whole.endswith(b"\n") and (whole := file.readline(_MOST_LINE_BYTES)):
                line = line[:_MOST_LINE_BYTES] + b"x"
            if number == 1:
                line = line.removeprefix(_BOM)
            if line.strip(_BLANK):
                yield Judged(number, _judge(line.removesuffix(b"\n").removesuffix(b"\r")))


def _judge(line: bytes) -> Event | Void | str:
    try:
        return check_line(line)
    except RuleViolation as violation:
        return violation.rule


@contextlib.contextmanager
def _lines_of(path: Path) -> Iterator[BinaryIO]:
    name = path.name.lower()
    with contextlib.ExitStack() as files:
        raw = files.enter_context(path.open("rb"))
        if name.endswith(".gz"):
            yield cast(BinaryIO, files.enter_context(gzip.open(raw)))
        elif name.endswith(".zst"):
            stream = files.enter_context(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))
            yield files.enter_context(io.BufferedReader(stream, 1 << 20))
        else:
            yield raw
