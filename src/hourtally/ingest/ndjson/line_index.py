"""The bytes of many lines at once, as Polars sees them: where they lie, none of them copied.

What Python's own methods of bytes do not do, or not as fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

_WORD_BITS: Final = 64


def is_plain_ascii(text: bytes) -> bool:
    """Whether it has neither DEL nor anything that is not ASCII."""
    return not (_octets(text) >= 0x7F).any()


def line_breaks(text: bytes) -> pl.Series:
    """The place of every LF."""
    are_breaks = _octets(text) == ord("\n")
    # Lines have hundreds of bytes: to look for words of a bit takes a third of the time that
    # `arg_true` does, which looks at all bits.
    bits = are_breaks.to_arrow().buffers()[1]
    whole = len(text) // _WORD_BITS
    words = _series(pa.Array.from_buffers(pa.uint64(), whole, [None, bits]))
    places = (words != 0).arg_true()
    found = words.gather(places)
    if (found.bitwise_count_ones() > 1).any():
        return are_breaks.arg_true().cast(pl.Int64)
    in_words = places.cast(pl.Int64) * _WORD_BITS + found.bitwise_trailing_zeros()
    in_rest = are_breaks.slice(whole * _WORD_BITS).arg_true().cast(pl.Int64)
    return pl.concat([in_words, in_rest + whole * _WORD_BITS])


def lines_between(text: bytes, breaks: pl.Series, *, is_ascii: bool) -> pl.Series:
    """The lines between all line breaks, as texts that leave the bytes where they lie.

    A CR at a line's end is of the break.

    Raises:
        pl.exceptions.ComputeError: the bytes are not UTF-8.
    """
    if not text.endswith(b"\n"):
        end = pl.Series([len(text)], dtype=pl.Int64)
        return lines_between(text + b"\n", pl.concat([breaks, end]), is_ascii=is_ascii)
    borders = pl.concat([pl.Series([0], dtype=pl.Int64), breaks + 1], rechunk=True)
    buffers = [None, borders.to_arrow().buffers()[1], pa.py_buffer(text)]
    kind = pa.large_string() if is_ascii else pa.large_binary()
    with_breaks = _series(pa.Array.from_buffers(kind, len(breaks), buffers))
    lines = with_breaks.cast(pl.String).str.head(-1)
    if lines.str.ends_with("\r").any():
        return lines.str.strip_suffix("\r")
    return lines


def _octets(text: bytes) -> pl.Series:
    return _series(pa.Array.from_buffers(pa.uint8(), len(text), [None, pa.py_buffer(text)]))


def _series(array: pa.Array) -> pl.Series:
    return pl.Series(_AsItIs(array))


@dataclass(frozen=True)
class _AsItIs:
    """An array for Polars, which would load much of pyarrow for one that it knew."""

    array: pa.Array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        exported: tuple[object, object] = self.array.__arrow_c_array__(requested_schema)
        return exported
