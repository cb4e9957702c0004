"""Mistakes that a message names, with their cure."""

from __future__ import annotations

import json

import pytest

from hourtally.events.strict_json import MAX_LINE_BYTES, RuleViolation
from hourtally.events.validation import check_line
from tests.support.quarantine.structure_cases import PLAIN, resource

PRETTY = json.dumps(json.loads(PLAIN.line), indent=1).encode()


@pytest.mark.parametrize(
    ("line", "rule", "said"),
    [
        (
            b"[" + PLAIN.line + b"]",
            "not_cloudevent",
            "JSON array: write one event a line (`jq -c '.[]'`)",
        ),
        (b"[]", "not_cloudevent", "JSON array"),
        (json.dumps(PLAIN.line.decode()).encode(), "not_cloudevent", "string that holds JSON"),
        (b'"hello"', "not_cloudevent", "it is JSON, but not an object"),
        (
            b'{"schema":null,"payload":' + PLAIN.line + b"}",
            "not_cloudevent",
            "Kafka Connect envelope",
        ),
        (PLAIN.line * 2, "not_json", "several JSON objects"),
        (PLAIN.line + b" \t" + PLAIN.line, "not_json", "several JSON objects"),
        (PLAIN.line + b",", "not_json", "part of a JSON array"),
        (PLAIN.line + b"," + PLAIN.line, "not_json", "part of a JSON array"),
        (PLAIN.line + b"x", "not_json", "Extra data"),
        (PRETTY.splitlines()[0], "not_json", "JSON over several lines"),
        (b"[", "not_json", "JSON over several lines"),
        (PRETTY.splitlines()[1], "not_json", "valid JSON"),
        (
            PLAIN.line * (MAX_LINE_BYTES // len(PLAIN.line) + 1),
            "line_too_long",
            "several JSON objects",
        ),
        (b" [" + PLAIN.line * 4_000, "line_too_long", "JSON array"),
        (b'{"a":' + b"[" * MAX_LINE_BYTES, "line_too_long", "the limit is 1048576"),
        (b"{" + b'"a":1,' * MAX_LINE_BYTES, "line_too_long", "the limit is 1048576"),
        (resource("x", start=1_795_352_400).line, "bad_type", "looks like seconds since 1970"),
        (resource("x", start=1_795_352_400.5).line, "bad_type", "looks like seconds since 1970"),
        (resource("x", end=1_795_352_400_000).line, "bad_type", "looks like milliseconds since"),
        (resource("x", end=1_795_352_400_000_000).line, "bad_type", "looks like microseconds"),
        (resource("x", end=1_795_352_400_000_000_000).line, "bad_type", "looks like nanoseconds"),
        (resource("x", end="1795352400").line, "bad_timestamp", "looks like seconds since 1970"),
        (resource("x", end=5).line, "bad_type", "end must be a string, but is 5"),
        (resource("x", end=True).line, "bad_type", "end must be a string, but is true"),
        (
            json.dumps({**json.loads(PLAIN.line), "data": '{"customerId":"acme"}'}).encode(),
            "bad_type",
            "a string that holds JSON",
        ),
        (json.dumps({**json.loads(PLAIN.line), "data": "{"}).encode(), "bad_type", 'is "{"'),
    ],
)
def test_a_message_names_what_it_recognises(line: bytes, rule: str, said: str) -> None:
    with pytest.raises(RuleViolation) as caught:
        check_line(line)
    assert caught.value.rule == rule
    assert said in caught.value.message
    assert len(caught.value.message) < 500


def test_an_interval_that_flooring_makes_empty_says_so() -> None:
    line = resource("x", start="2026-11-22T13:00:00.1231Z", end="2026-11-22T13:00:00.1239Z").line
    with pytest.raises(
        RuleViolation, match=r"both 2026-11-22T13:00:00\.123Z once floored"
    ) as caught:
        check_line(line)
    assert caught.value.rule == "ends_before_start"
