"""Random byte mutations, reproducible by seed, for fuzzing the parsers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.support.events.near_valid_lines import INSTANTS, NUMBERS, OTHERS, TEXTS
from tests.support.quarantine.value_cases import CASES
from tests.support.ratecard.card_texts import RIGHT, card_text, rate_text

_LONGEST_SEED = 4_096
EVENT_SEEDS = [case.line for case in CASES if len(case.line) <= _LONGEST_SEED]
EVENT_TOKENS = [
    *(text.encode() for text in (*NUMBERS, *TEXTS, *INSTANTS, *OTHERS) if len(text) < 600),
    *(b'"specversion":"1.0"', b'"data":', b'"type":"metering.cluster.v1"', b'"gpuMilli":1'),
    *(b'"gpuModel":""', b'"start":', b'"end":', b'"time":', b'"id":', b'"clusterCount":'),
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"\r"),
    *(b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\0", b"\x7f"),
    *("\u2028".encode(), "\u202e".encode(), "e\u0301".encode(), "\U0010ffff".encode()),
]
CARD_SEEDS = [
    text.encode()
    for text in (
        card_text(rate_text()),
        card_text(rate_text(), rate_text(id='"b"', customer='"acme"', region='"eu"')),
        card_text(rate_text(active_until="2026-01-01T00:00:00+01:00", resource_type='"job"')),
        card_text(rate_text(price_cents='"5/3"', gpu_model='"l4"', per='"vcpu-hour"')),
        card_text(rate_text(), head='currency = "EUR"\nmonth_hours = 744'),
        'currency = "USD"\nrate = [{id = "a", meter = "byoc.cluster", price_cents = "1"}]',
    )
]
CARD_TOKENS = [
    *(f"{key} = ".encode() for key in (*RIGHT, "active_until", "customer", "region", "currency")),
    *(b"[[rate]]\n", b"[rate]\n", b"[", b"]", b"{", b"}", b"=", b".", b",", b'"', b'"""', b"'''"),
    *(b"'", b"#", b"\n", b"\r\n", b"\r", b"\0", b"\x7f", b"\xff", b"\\", b"\\u", b"\\U0010FFFF"),
    *(b"nan", b"-inf", b"true", b"1e999", b"0x", b"0b1", b"1_0", b"-0", b"9" * 30, b'"1/0"'),
    *(b'"0.1"', b'"-1"', b"2025-01-01", b"00:00:00", b"2025-02-30T00:00:00Z", b"a.b.c = 1\n"),
    *(b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59.9999999-23:59", b"\xef\xbb\xbf"),
]


def mutated(seeds: Sequence[bytes], tokens: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds with one to eight changes."""
    text = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4, 8))):
        chance.choice(_CHANGES)(text, seeds, tokens, chance)
    return bytes(text)


_Change = Callable[[bytearray, Sequence[bytes], Sequence[bytes], random.Random], None]


def _range(text: bytearray, chance: random.Random) -> slice:
    """A range of the text, mostly a short one."""
    start = chance.randrange(len(text) + 1)
    length = chance.choice((0, 1, 1, 2, 4, 16, 64, len(text)))
    return slice(start, min(start + length, len(text)))


def _flip(text: bytearray, _: Sequence[bytes], __: Sequence[bytes], chance: random.Random) -> None:
    if text:
        text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)


def _byte(text: bytearray, _: Sequence[bytes], __: Sequence[bytes], chance: random.Random) -> None:
    if text:
        text[chance.randrange(len(text))] = chance.randrange(256)


def _cut(text: bytearray, _: Sequence[bytes], __: Sequence[bytes], chance: random.Random) -> None:
    del text[_range(text, chance)]


def _token(
    text: bytearray, _: Sequence[bytes], tokens: Sequence[bytes], chance: random.Random
) -> None:
    """Another token in place of a range, mostly of one token."""
    start = chance.randrange(len(text) + 1)
    if chance.random() < 0.5:
        place = _range(text, chance)
    else:
        ends = [end for end in (text.find(mark, start) for mark in b",:}=\n") if end >= 0]
        place = slice(start, min(ends, default=len(text)))
    text[place] = chance.choice(tokens)


def _repeat(
    text: bytearray, _: Sequence[bytes], __: Sequence[bytes], chance: random.Random
) -> None:
    place = _range(text, chance)
    text[place] = text[place] * chance.choice((2, 2, 3, 50))


def _move(text: bytearray, _: Sequence[bytes], __: Sequence[bytes], chance: random.Random) -> None:
    place = _range(text, chance)
    moved = text[place]
    del text[place]
    start = chance.randrange(len(text) + 1)
    text[start:start] = moved


def _splice(
    text: bytearray, seeds: Sequence[bytes], _: Sequence[bytes], chance: random.Random
) -> None:
    other = bytearray(chance.choice(seeds))
    text[_range(text, chance)] = other[_range(other, chance)]


_CHANGES: list[_Change] = [_flip, _byte, _cut, _token, _token, _token, _repeat, _move, _splice]
