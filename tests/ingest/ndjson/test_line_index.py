from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hourtally.ingest.ndjson.line_index import count_line_breaks, line_breaks, split_lines

# Short and long lines, empty ones, and every kind of character.
_TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["", "\r", "é", "\x7f", "\0", "a\rb"]),
        st.integers(0, 200).map("x".__mul__),
        st.text(max_size=5),
    ).map(lambda text: text.replace("\n", " ")),
    min_size=1,
).flatmap(lambda lines: st.sampled_from(["\n", "\r\n"]).map(lambda between: between.join(lines)))


@given(_TEXTS)
@example("x" * 63 + "\n" + "y" * 63 + "\n")
@example("x" * 64 + "\n")
@example("x" * 100 + "\n" + "y" * 100 + "\n\n")
def test_lines_are_found_as_python_finds_them(text: str) -> None:
    text_bytes = text.encode()
    breaks = line_breaks(text_bytes)
    lines = text_bytes.removesuffix(b"\n").split(b"\n")

    assert breaks.to_list() == [place for place, byte in enumerate(text_bytes) if byte == ord("\n")]
    assert count_line_breaks(text_bytes) == text_bytes.count(b"\n")
    found = split_lines(text_bytes, breaks)
    assert found.dtype == pl.String
    assert found.to_list() == [line.removesuffix(b"\r").decode() for line in lines]


@pytest.mark.parametrize("text_bytes", [b"\xff\n", b"a\n\xc3", b"\xc3\n\xa9\n", b"\xed\xa0\x80\n"])
def test_lines_that_are_not_utf_8_raise(text_bytes: bytes) -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        split_lines(text_bytes, line_breaks(text_bytes))
