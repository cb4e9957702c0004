"""Columns of text: what tables of any length are laid out from, and how they are printed.

rich lays out small tables well and would take a minute over the rows of 100,000 resources; so
rows that may be many are put together here, as text.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from hourtally.model.money import format_cents
from hourtally.model.printable import escaped

if TYPE_CHECKING:
    from rich.console import Console

# A label is not cut shorter than this, however narrow the terminal is.
_LEAST_LABEL_WIDTH = 16
_GAP = "  "


class Pipe:
    """Standard output that is no terminal: without width or style, no line is cut or broken.

    It does what is asked of a `Console`, without the time that loading rich takes.
    """

    width = None

    @property
    def file(self) -> TextIO:
        """Where it goes."""
        return sys.stdout

    @property
    def encoding(self) -> str:
        """Of what goes there."""
        return sys.stdout.encoding

    def print(self, text: str = "", style: str = "", *, soft_wrap: bool = True) -> None:
        """A line as it is."""
        del style, soft_wrap
        self.file.write(f"{text}\n")
        self.file.flush()


def console() -> Console | Pipe:
    """Standard output: as wide as the terminal, or without any limit or colour where piped."""
    if not sys.stdout.isatty():
        return Pipe()
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def cell_len(text: str) -> int:
    """How many cells of a terminal a text takes: most are plain, and a year has 8,760 rows."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measured_cells

    return measured_cells(text)


def lines_of(labels: Sequence[str], columns: Sequence[list[str]], width: int | None) -> list[str]:
    """Labels to the left, columns to the right of them; both have a heading first.

    Args:
        labels: of any text; its control characters are made visible.
        columns: cells, those of one column equally wide.
        width: none of the lines is to be wider, as far as labels can be cut; None: any width.
    """
    labels = [escaped(label) for label in labels]
    label_width = max(map(cell_len, labels))
    if width is not None:
        label_width = min(label_width, max(width - width_of(columns), _LEAST_LABEL_WIDTH))
        labels = [_shortened(label, label_width) for label in labels]
    return [
        _GAP.join((label + " " * (label_width - cell_len(label)), *cells)).rstrip()
        for label, *cells in zip(labels, *columns, strict=True)
    ]


def width_of(columns: Sequence[list[str]]) -> int:
    """How many cells columns of numbers take to the right of a label."""
    return sum(len(_GAP) + cell_len(column[0]) for column in columns)


def prices(heading: str, nanocents: Sequence[int]) -> list[str]:
    """A column of prices, points below each other; `-` for nothing, to be looked past."""
    texts = [format_cents(one).partition(".") if one else ("-", "", "") for one in nanocents]
    before = max(len(whole) for whole, _, _ in texts)
    after = max(len(point + digits) for _, point, digits in texts)
    cells = [f"{whole:>{before}}{point + digits:<{after}}" for whole, point, digits in texts]
    return to_the_right(heading, cells)


def shares(totals: Sequence[int]) -> list[str]:
    """A column of tenths of a percent of the first one, rounded half up."""
    whole = totals[0]
    if not whole:
        return to_the_right("share", [""] * len(totals))
    tenths = [(2_000 * one + whole) // (2 * whole) for one in totals]
    return to_the_right("share", [f"{one // 10}.{one % 10}%" for one in tenths])


def counted(number: int, noun: str) -> str:
    """`1 hour`, `2 hours`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def counts(heading: str, numbers: Sequence[int]) -> list[str]:
    """A column of whole numbers."""
    return to_the_right(heading, [str(number) for number in numbers])


def texts(heading: str, cells: Sequence[str]) -> list[str]:
    """A column of any text, its control characters made visible."""
    shown = [escaped(cell) for cell in (heading, *cells)]
    width = max(map(cell_len, shown))
    return [cell + " " * (width - cell_len(cell)) for cell in shown]


def to_the_right(heading: str, cells: Sequence[str]) -> list[str]:
    """A column of texts without wide characters, set to the right."""
    width = max(map(len, (heading, *cells)))
    return [cell.rjust(width) for cell in (heading, *cells)]


def _shortened(text: str, width: int) -> str:
    """Text cut in the middle: levels are told by its beginning, most ids by its end."""
    if cell_len(text) <= width:
        return text
    head, tail = "", ""
    for char in text:
        if cell_len(head + char) > (width - 1) // 2:
            break
        head += char
    for char in reversed(text):
        if cell_len(head + char + tail) > width - 1:
            break
        tail = char + tail
    return f"{head}…{tail}"


def print_lines(out: Console | Pipe, lines: Sequence[str]) -> None:
    """A heading and rows."""
    print_text(out, lines[0], style="bold")
    rows = "".join(f"{line}\n" for line in lines[1:])
    out.file.write(_encodable(rows, out))
    out.file.flush()


def print_text(out: Console | Pipe, text: str, style: str = "") -> None:
    """A line of any text, its control characters made visible, however wide."""
    out.print(_encodable(escaped(text), out), style=style, soft_wrap=True)


def _encodable(text: str, out: Console | Pipe) -> str:
    """Text with escapes for what the terminal's encoding does not have."""
    return text.encode(out.encoding, "backslashreplace").decode(out.encoding)
