"""One line of text to one JSON object, strictly: RFC 8259, no key twice, no half characters."""

from __future__ import annotations

import json
import re
from typing import Any, Final

MAX_LINE_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 512
_SHOWN_CHARACTERS = 80
# One that does not end goes to the end of the text: else each quote in it would be tried anew.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class Rejection(Exception):
    """A line breaks a rule. Attributes: rule (its name), sentence."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule
        self.sentence = sentence


class JsonObject(dict[str, Any]):
    """A JSON object that remembers the first key that it was given twice."""

    repeated: str | None = None


def parse_line(line: bytes) -> JsonObject:
    """The JSON object of a line.

    Raises:
        Rejection: line_too_long, not_utf8, not_json, or not_cloudevent for another value.
    """
    if len(line) > MAX_LINE_BYTES:
        sentence = f"the line has {len(line)} bytes, more than {MAX_LINE_BYTES}"
        raise Rejection("line_too_long", sentence)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        sentence = f"byte {error.start + 1} of the line is not UTF-8"
        raise Rejection("not_utf8", sentence) from None
    if _is_too_deep(text):
        sentence = f"objects and arrays lie over {MAX_DEPTH} deep in each other"
        raise Rejection("not_json", sentence)
    try:
        value = _DECODER.decode(text)
        # JSON can name half a surrogate pair; no text that can be written down has one.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        sentence = "a string holds half of a surrogate pair"
        raise Rejection("not_json", sentence) from None
    except ValueError as error:
        raise Rejection("not_json", f"the line is not JSON: {error}") from None
    if not isinstance(value, JsonObject):
        raise Rejection("not_cloudevent", "the line is not a JSON object")
    return value


def _is_too_deep(text: str) -> bool:
    """Whether Python might give up on it: how deep it goes depends on version and caller."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _object_of(pairs: list[tuple[str, Any]]) -> JsonObject:
    result = JsonObject(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                result.repeated = key
                break
            seen.add(key)
    return result


def _integer_of(text: str) -> int:
    # Python refuses to read integers of over 4,300 digits; all that counts is that it is huge.
    if len(text) <= 20:
        return int(text)
    return -(10**20) if text.startswith("-") else 10**20


def _no_constant(name: str) -> float:
    message = f"{name} is not a JSON value"
    raise ValueError(message)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_of, parse_int=_integer_of, parse_constant=_no_constant
)


def shown(value: object) -> str:
    """A value as JSON, cut to what fits a sentence."""
    if value is None:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return text[:_SHOWN_CHARACTERS] + "…"
