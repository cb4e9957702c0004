"""Names that differ by case or by one edit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ratecard.spelling import Spellings, is_one_edit


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("h100", "h10", True),  # one letter less
        ("h100", "h1000", True),  # one more
        ("h100", "h1o0", True),  # another one
        ("h100", "1h00", True),  # two neighbours swapped
        ("h100", "h100", False),
        ("h100", "h1oo", False),
        ("h100", "100h", False),
        ("", "a", True),
        ("", "ab", False),
    ],
)
def test_one_edit_is_a_letter_more_less_other_or_a_swap(
    one: str, other: str, expected: bool
) -> None:
    assert is_one_edit(one, other) == expected
    assert is_one_edit(other, one) == expected


def test_a_near_word_differs_by_case_or_else_by_one_edit_case_aside() -> None:
    spellings = Spellings(["h100", "a100", "l4"])
    assert spellings.near("H100") == ["h100"]
    assert spellings.near("H10") == ["h100"]
    assert spellings.near("H1000") == ["h100"]
    assert spellings.near("100") == ["a100", "h100"]
    assert spellings.near("h200x") == []
    # What the card has is no miss, however near it is to another name of the card.
    assert spellings.near("a100") == []


words = st.text(alphabet="aAbß1", max_size=4)


@given(st.lists(words, max_size=6), words)
def test_the_index_finds_what_comparing_every_pair_finds(known: list[str], word: str) -> None:
    folded = word.casefold()
    by_case = {other for other in known if other.casefold() == folded}
    by_edit = {other for other in known if is_one_edit(folded, other.casefold())}
    assert Spellings(known).near(word) == ([] if word in known else sorted(by_case or by_edit))
