"""Rate cards that are invalid on purpose, or far larger than any real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.errors import RateCardError
from hourtally.ratecard import RateCard, load_rate_card, parse_rate_card
from tests.support.ratecard.card_texts import RIGHT, card_text, problems_of, rate_text
from tests.torture.hostile.measured_command import measured

# All that a card may not say of an instant or a price; what the sentence about it has in it.
REFUSED = [
    ("active_from", "2025-01-01T00:00:00", "without an offset"),
    ("active_from", "2025-01-01", "a date without a time"),
    ("active_from", "00:00:00", "a time without a date"),
    ("active_from", '"2025-01-01T00:00:00Z"', "date-time with an offset and without quotes"),
    ("active_from", "1735689600", "an integer"),
    ("price_cents", "1.5", "a float"),
    ("price_cents", "nan", "a float"),
    ("price_cents", "1e400", "a float"),
    ("price_cents", "12", "an integer"),
    ("price_cents", '"1e40"', "write decimal text"),
    ("price_cents", '"1/0"', "divided by 0"),
    ("price_cents", '"1/000"', "divided by 0"),
    ("price_cents", '"-1"', "negative"),
    ("price_cents", '"-0"', "negative"),
    ("price_cents", f'"{"9" * 65}"', "65 characters long, at most 64 are allowed"),
]


@pytest.mark.parametrize(("field", "value", "said"), REFUSED)
def test_an_invalid_instant_or_price_is_rejected(field: str, value: str, said: str) -> None:
    [problem] = problems_of(card_text(rate_text(**{field: value})))
    assert said in problem


def test_a_price_of_40_digits_is_exact() -> None:
    card = parse_rate_card(card_text(rate_text(price_cents=f'"1{"0" * 40}"')), "x")
    assert card.rates[0].price_cents == 10**40


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 100_000 + "]" * 100_000,
        "a = " + "{a=" * 100_000,
        "a" + ".a" * 100_000 + " = 1",
        "[a" + ".a" * 100_000 + "]",
        '"' + '"."' * 100_000 + '" = 1',
        "month_hours = " + "9" * 100_000,
        "a = " + "1_" * 100_000 + "1",
        'a = "' + "\\u12" * 10,
        "[[rate]]\n" * 100_000,
        "rate = [" + "[]," * 100_000 + "]",
        "\0",
        "\ufeff" + 'currency = "EUR"',
        'currency = "EUR"\ncurrency = "EUR"',
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_a_nonsensical_card_is_rejected_at_once(text: str) -> None:
    assert problems_of(f'currency = "USD"\n{text}')


@pytest.mark.parametrize("content", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"a\0b\xfe" * 100])
def test_invalid_utf_8_is_rejected_with_its_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rates.toml"
    path.write_bytes(b'currency = "USD"\n\n# ' + content)
    with pytest.raises(RateCardError, match=r"line 3: byte 0x.. is not UTF-8"):
        load_rate_card(path)


def many_rates(count: int) -> str:
    """So many rates of one customer each, of a window each."""
    return card_text(*(rate_text(id=f'"r{n}"', customer=f'"c{n}"') for n in range(count)))


def test_a_card_of_10_000_rates_is_read_and_one_that_overlaps_in_all_of_them_rejected(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rates.toml"
    path.write_text(many_rates(10_000))
    done = measured("rates", "check", path)
    assert (done.status, len(done.out.splitlines())) == (0, 10_004)
    assert done.peak_mib < 500

    alike = card_text(*(rate_text(id=f'"r{n}"') for n in range(10_000)))
    # Each but the first overlaps with the first.
    assert len(problems_of(alike)) == 9_999


def test_a_card_beyond_8_mib_is_rejected_without_being_read(tmp_path: Path, long: bool) -> None:
    path = tmp_path / "rates.toml"
    path.write_text(many_rates(1))
    with path.open("r+b") as file:
        file.truncate((1 << 30) if long else (8 << 20) + 1)
    done = measured("rates", "check", path)
    assert (done.status, done.out) == (1, "")
    assert "is larger than 8388608 bytes: this is not a rate card" in done.err
    assert done.peak_mib < 200


def test_a_card_of_8_mib_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    card = many_rates(1)
    path.write_text(card + "#" + " " * ((8 << 20) - len(card) - 1))
    assert path.stat().st_size == 8 << 20
    loaded = load_rate_card(path)
    assert isinstance(loaded, RateCard)
    assert loaded.rates[0].id == "r0"


def test_an_endless_device_is_rejected() -> None:
    assert measured("rates", "check", "/dev/zero").status == 1


def test_the_longest_line_with_200_dots_is_read_and_one_of_201_rejected() -> None:
    assert parse_rate_card(card_text(rate_text()) + "#" + "." * 200, "x").rates[0].id == "a"
    assert problems_of(card_text(rate_text()) + "#" + "." * 201) == [
        f"line {2 + 1 + len(RIGHT) + 1} has over 200 dots: split it into several lines"
    ]
