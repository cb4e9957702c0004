"""Every text of `json_texts` through the validator and DuckDB's reader: one decision."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hourtally.events.strict_json import RuleViolation
from hourtally.events.validation import check_line
from hourtally.ingest.ndjson.blocks import Block
from hourtally.ingest.ndjson.parser import LineParser
from tests.ingest.ndjson.test_line_shapes import ENGINE
from tests.support.events.validated import validated_event
from tests.support.quarantine.structure_cases import PLAIN
from tests.torture.hostile.json_texts import (
    ACCEPTED,
    DECIDED_ACCEPTED,
    DECIDED_NOT_JSON,
    NOT_JSON,
    NOT_UTF8,
    QUANTITIES,
)

VALUES: list[tuple[bytes, str | None]] = [
    *((text.encode(), None) for text in (*ACCEPTED, *DECIDED_ACCEPTED)),
    *((text.encode(), "not_json") for text in (*NOT_JSON, *DECIDED_NOT_JSON)),
    *((text, "not_utf8") for text in NOT_UTF8.values()),
]


def with_field(value: bytes) -> bytes:
    """The usual event with an ignored field of this value."""
    return PLAIN.line.replace(b'"memoryMiB":', b'"x":' + value + b',"memoryMiB":')


def rule_of(line: bytes) -> str | None:
    try:
        check_line(line)
    except RuleViolation as violation:
        return violation.rule
    return None


def read_by_shape(lines: Sequence[bytes]) -> list[str | None]:
    """The rules of lines after one of their shape, so that DuckDB's reader tries them."""
    known = with_field(b"1")
    parsed = LineParser(ENGINE).parse(Block(1, b"\n".join([known, *lines]), 0))
    rules = {line.number: line.rule for line in parsed.quarantined}
    assert len(parsed.events) == 1 + len(lines) - len(rules)
    return [rules.get(number) for number in range(2, 2 + len(lines))]


def test_the_validator_and_duckdb_s_reader_give_the_same_verdict() -> None:
    lines = [with_field(value) for value, _ in VALUES]
    expected = [rule for _, rule in VALUES]
    assert [rule_of(line) for line in lines] == expected
    assert read_by_shape(lines) == expected
    # One by one, because a block with invalid UTF-8 is never read fast.
    assert [read_by_shape([line])[0] for line in lines] == expected


def test_a_value_alone_on_a_line_is_never_an_event() -> None:
    # Alone it may be nested two levels deeper than inside an event's data.
    values = [(v, rule) for v, rule in VALUES if v.strip() and v.count(b"[") + v.count(b"{") != 511]
    expected = [rule or "not_cloudevent" for _, rule in values]
    assert [rule_of(value) for value, _ in values] == expected
    assert read_by_shape([value for value, _ in values]) == expected


@pytest.mark.parametrize(
    ("opening", "closing", "deepest"),
    [(b"[", b"]", 512), (b'{"a":', b"}", 512), (b'[{"[":', b"}]", 256)],
)
def test_json_may_be_512_levels_deep(opening: bytes, closing: bytes, deepest: int) -> None:
    for depth, rule in ((deepest, "not_cloudevent"), (deepest + 1, "not_json")):
        assert rule_of(opening * depth + b"0" + closing * depth) == rule


_DEEP = b"[" * 600
_MOST = 1_000_000


@pytest.mark.parametrize(
    "line",
    [
        _DEEP + b'"' + b'\\"' * (_MOST // 2),
        _DEEP + b'"' + b'\\"' * (_MOST // 2) + b"\\",
        _DEEP + b'"' * (_MOST + 1),
        _DEEP + b"\\" * _MOST,
        b'["",' * (_MOST // 4),
        b'{"a":' * (_MOST // 5),
        b'{"a":1.' + b"9" * _MOST + b"}]",
        b"[" + b"9" * _MOST,
        b'{"' + b"\\ud83d" * (_MOST // 6),
        b"{" + b'"a":1,' * (_MOST // 6),
    ],
    ids=range(10),
)
def test_no_line_takes_quadratic_time(line: bytes) -> None:
    """A MiB of it is validated at once; trying each quote again would take hours."""
    assert len(line) <= 1 << 20
    assert (rule_of(line), read_by_shape([line])) == ("not_json", ["not_json"])


@pytest.mark.parametrize(("spelled", "rule"), QUANTITIES.items(), ids=lambda v: str(v)[:24])
def test_a_quantity_is_an_integer_spelled_as_one(spelled: str, rule: str | None) -> None:
    line = PLAIN.line.replace(b'"memoryMiB":1024', b'"memoryMiB":' + spelled.encode())
    assert (rule_of(line), read_by_shape([line])) == (rule, [rule])
    if rule is None:
        value = validated_event(line).memory_mib
        assert value == (0 if spelled == "null" else int(spelled))


@pytest.mark.parametrize(
    ("around", "rule"),
    [
        ((b"", b""), None),
        ((b" \t", b" \t\r"), None),
        ((b"\xef\xbb\xbf", b""), "not_json"),
        ((b"", b"\xef\xbb\xbf"), "not_json"),
        ((b"\0", b""), "not_json"),
        ((b"", b"\0"), "not_json"),
        ((b"\x1e", b""), "not_json"),  # RFC 7464 begins its texts so
        ((b"[", b"]"), "not_cloudevent"),
        ((b"", b","), "not_json"),
        ((b"data: ", b""), "not_json"),
        ((b")]}'", b""), "not_json"),
        ((b"", b"\x1a"), "not_json"),
    ],
)
def test_text_around_an_event_matters(around: tuple[bytes, bytes], rule: str | None) -> None:
    line = around[0] + PLAIN.line + around[1]
    assert (rule_of(line.removesuffix(b"\r")), read_by_shape([line])) == (rule, [rule])
