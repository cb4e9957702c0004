"""Tables of any length, laid out as columns of text.

rich would take a minute to lay out 100,000 rows, so rows are put together here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from hourtally.errors import with_urls
from hourtally.model.money import format_cents, format_decimal
from hourtally.model.printable import counted as counted
from hourtally.model.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

# Labels are never cut shorter than this, however narrow the terminal.
_MIN_LABEL_WIDTH = 16
_GAP = "  "


class Pipe:
    """Standard output that is no terminal: no width and no style, so no line is cut or wrapped.

    Stands in for rich's `Console`, whose import takes 0.15 s.
    """

    width = None

    @property
    def file(self) -> TextIO:
        """The stream it writes to."""
        return sys.stdout

    @property
    def encoding(self) -> str:
        """The encoding of that stream."""
        return sys.stdout.encoding

    def print(self, text: str = "", style: str = "", *, soft_wrap: bool = True) -> None:
        """Print one line unchanged."""
        del style, soft_wrap
        self.file.write(f"{text}\n")
        self.file.flush()


def console() -> Console | Pipe:
    """Standard output: as wide as the terminal, or without width and colour if piped."""
    if not sys.stdout.isatty():
        return Pipe()
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def cell_len(text: str) -> int:
    """The terminal cells of a text. Most texts are ASCII, and a year has 8,760 rows."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measured_cells

    return measured_cells(text)


def lines_of(labels: Sequence[str], columns: Sequence[list[str]], width: int | None) -> list[str]:
    """The lines of a table: labels on the left, columns on the right, headings first.

    Args:
        labels: any text; control characters are escaped.
        columns: cells of equal width within a column.
        width: cut labels so that lines are no wider than this; None: any width.
    """
    labels = [printable(label) for label in labels]
    label_width = max(map(cell_len, labels))
    if width is not None:
        label_width = min(label_width, max(width - width_of(columns), _MIN_LABEL_WIDTH))
        labels = [_shortened(label, label_width) for label in labels]
    return [
        _GAP.join((label + " " * (label_width - cell_len(label)), *cells)).rstrip()
        for label, *cells in zip(labels, *columns, strict=True)
    ]


def width_of(columns: Sequence[list[str]]) -> int:
    """The terminal cells that columns take, gaps included."""
    return sum(len(_GAP) + cell_len(column[0]) for column in columns)


def prices(heading: str, nanocents: Sequence[int]) -> list[str]:
    """A column of prices, decimal points aligned; `-` for zero."""
    texts = [format_cents(one).partition(".") if one else ("-", "", "") for one in nanocents]
    before = max(len(whole) for whole, _, _ in texts)
    after = max(len(point + digits) for _, point, digits in texts)
    cells = [f"{whole:>{before}}{point + digits:<{after}}" for whole, point, digits in texts]
    return right_aligned(heading, cells)


def decimals(heading: str, numbers: Sequence[int | None], digits: int) -> list[str]:
    """A column of numbers in 10^-digits, points aligned, thousands grouped; `-` for zero.

    None is not known: `?`.
    """
    texts = [("?" if one is None else "-", "", "") for one in numbers]
    for row, one in enumerate(numbers):
        if one:
            whole, point, fraction = format_decimal(one, digits).partition(".")
            texts[row] = (f"{int(whole):,}", point, fraction)
    before = max(len(whole) for whole, _, _ in texts)
    after = max(len(point + fraction) for _, point, fraction in texts)
    cells = [f"{whole:>{before}}{point + fraction:<{after}}" for whole, point, fraction in texts]
    return right_aligned(heading, cells)


def shares(totals: Sequence[int]) -> list[str]:
    """A column of percentages of the first total, rounded half up to a tenth."""
    whole = totals[0]
    if not whole:
        return right_aligned("share", [""] * len(totals))
    tenths = [(2_000 * one + whole) // (2 * whole) for one in totals]
    return right_aligned("share", [f"{one // 10}.{one % 10}%" for one in tenths])


def counts(heading: str, numbers: Sequence[int]) -> list[str]:
    """A column of whole numbers."""
    return right_aligned(heading, [str(number) for number in numbers])


def texts(heading: str, cells: Sequence[str]) -> list[str]:
    """A left-aligned column of any text; control characters are escaped."""
    shown = [printable(cell) for cell in (heading, *cells)]
    width = max(map(cell_len, shown))
    return [cell + " " * (width - cell_len(cell)) for cell in shown]


def right_aligned(heading: str, cells: Sequence[str]) -> list[str]:
    """A right-aligned column of texts without wide characters."""
    width = max(map(len, (heading, *cells)))
    return [cell.rjust(width) for cell in (heading, *cells)]


def _shortened(text: str, width: int) -> str:
    """Text cut in the middle: it begins with the level's indent and ends with the id."""
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
    """Print the heading in bold, then the rows."""
    print_text(out, lines[0], style="bold")
    rows = "".join(f"{line}\n" for line in lines[1:])
    out.file.write(_encodable(rows, out))
    out.file.flush()


def print_text(out: Console | Pipe, text: str, style: str = "") -> None:
    """Print one line of any text and width; control characters are escaped."""
    out.print(_encodable(printable(with_urls(text)), out), style=style, soft_wrap=True)


def _encodable(text: str, out: Console | Pipe) -> str:
    """Text with escapes for characters that the encoding lacks."""
    return text.encode(out.encoding, "backslashreplace").decode(out.encoding)
