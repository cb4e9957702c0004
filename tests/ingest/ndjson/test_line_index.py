from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hourtally.ingest.ndjson.line_index import is_plain_ascii, line_breaks, lines_between

# Around the 64 octets that are looked at together, and with several breaks in one of those.
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
    octets = text.encode()
    breaks = line_breaks(octets)
    is_ascii = is_plain_ascii(octets)
    lines = octets.removesuffix(b"\n").split(b"\n")

    assert breaks.to_list() == [place for place, octet in enumerate(octets) if octet == ord("\n")]
    assert is_ascii == (octets.isascii() and b"\x7f" not in octets)
    expected = [line.removesuffix(b"\r").decode() for line in lines]
    # Whether they are known to be ASCII saves time only.
    for known in {is_ascii, False}:
        found = lines_between(octets, breaks, is_ascii=known)
        assert found.dtype == pl.String
        assert found.to_list() == expected


@pytest.mark.parametrize("octets", [b"\xff\n", b"a\n\xc3", b"\xc3\n\xa9\n", b"\xed\xa0\x80\n"])
def test_lines_that_are_no_utf_8_are_refused(octets: bytes) -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        lines_between(octets, line_breaks(octets), is_ascii=False)
    assert not is_plain_ascii(octets)
