"""Whatever a file holds, reading it ends in a card or in a RateCardError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.errors import RateCardError
from hourtally.ratecard import RateCard, load_rate_card, parse_rate_card
from tests.support.ratecard.card_texts import RIGHT, card_text, rate_text

SELECTOR_KEYS = ("customer", "gpu_model", "resource_type", "region")
LITERALS = (
    *("1", "-1", "0xff", "1.5", "nan", "true", "[]", "[[]]", "{}", "{a = 1}"),
    *('""', '"a"', '"5/3"', '"1/0"', '"paas.gpu"', '"gpu-hour"', '"job"', '"\\u0000"'),
    *('"\\u2028"', '"\\U0010FFFF"', '"' + 300 * "x" + '"'),
    *("2025-01-01", "2025-01-01T00:00:00", "2025-01-01T00:00:00Z", "10:00:00"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999-23:59"),
)
KEYS = (*RIGHT, "active_until", *SELECTOR_KEYS, "other", "currency", "month_hours", "rate")
TABLES = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(LITERALS), max_size=6)


def outcome(text: str) -> RateCard | list[str]:
    try:
        return parse_rate_card(text, "x")
    except RateCardError as error:
        return error.problems


def is_read_or_refused(text: str) -> bool:
    read = outcome(text)
    if isinstance(read, RateCard):
        return True
    return len(read) > 0 and all(len(problem.splitlines()) == 1 for problem in read)


@given(TABLES, st.lists(TABLES, max_size=4))
def test_fields_of_any_kind_are_read_or_refused_in_one_line_each(
    head: dict[str, str], rates: list[dict[str, str]]
) -> None:
    lines = [f"{key} = {value}" for key, value in head.items()]
    tables = [rate_text(**rate) for rate in rates]
    assert is_read_or_refused(card_text(*tables, head="\n".join(lines)))


@given(st.text(), st.integers(0, 300), st.integers(0, 20))
def test_any_text_in_a_card_is_read_or_refused(text: str, position: int, removed: int) -> None:
    right = card_text(rate_text(), rate_text(id='"b"', customer='"acme"'))
    assert is_read_or_refused(text)
    assert is_read_or_refused(right[:position] + text + right[position + removed :])


@given(st.binary(max_size=200))
def test_a_file_of_any_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(b'currency = "USD"\n' + content)
    with contextlib.suppress(RateCardError):
        assert load_rate_card(path).currency == "USD"
