"""One line to one JSON object, strictly: RFC 8259, no unpaired surrogate."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final

from hourtally.events.recognised import JSON_ARRAY, name_text, name_value

MAX_LINE_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 512
_MAX_QUOTED_CHARACTERS: Final = 80
# An unterminated string matches to the end of the text. If it did not match, the search would
# start again at each later quote, which takes the square of the line's length.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class RuleViolation(Exception):
    """An event breaks a rule, so its line is quarantined.

    Attributes: rule (its published name), message (a sentence for people).
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


class JsonObject(dict[str, Any]):
    """A JSON object. repeated_keys: those that the text gives more than once; the last counts."""

    repeated_keys: tuple[str, ...] = ()


def parse_line(line: bytes) -> JsonObject:
    """The JSON object of a line, without its line break.

    Raises:
        RuleViolation: line_too_long, not_utf8, not_json; not_cloudevent for any other JSON value.
    """
    if len(line) > MAX_LINE_BYTES:
        raise RuleViolation("line_too_long", too_long_message(len(line), line))
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the line is not valid UTF-8"
        raise RuleViolation("not_utf8", message) from None
    value = parse_text(text)
    if not isinstance(value, JsonObject):
        name = name_value(value) or "it is JSON, but not an object"
        raise RuleViolation("not_cloudevent", f"the line is not an event: {name}")
    return value


def parse_text(text: str) -> Any:
    """The JSON value of a text.

    Raises:
        RuleViolation: not_json.
    """
    if _is_too_deep(text):
        message = f"objects and arrays are nested more than {MAX_DEPTH} levels deep"
        raise RuleViolation("not_json", message)
    try:
        value = _DECODER.decode(text)
        # JSON can escape half of a surrogate pair, which no encoding of text can represent.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = "a string contains an unpaired surrogate (\\ud800 to \\udfff)"
        raise RuleViolation("not_json", message) from None
    except ValueError as error:
        name = name_text(text, _DECODER) or str(error)
        raise RuleViolation("not_json", f"the line is not valid JSON: {name}") from None
    return value


def too_long_message(length: int, head: bytes) -> str:
    """What is wrong with a line of so many bytes, which begins like this."""
    message = f"the line has {length} bytes; the limit is {MAX_LINE_BYTES}"
    text = head[:MAX_LINE_BYTES].decode(errors="replace").lstrip()
    name = JSON_ARRAY if text.startswith("[") else None
    if text.startswith("{") and not _is_too_deep(text):
        name = name_text(text, _DECODER)
    return message if name is None else f"{message}: {name}"


def _is_too_deep(text: str) -> bool:
    """Whether brackets nest too deep. Python's own limit depends on its version and the caller."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _to_object(pairs: list[tuple[str, Any]]) -> JsonObject:
    result = JsonObject(pairs)
    if len(result) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        result.repeated_keys = tuple(key for key, count in counts.items() if count > 1)
    return result


def _to_integer(text: str) -> int:
    # Python refuses integers of over 4,300 digits. Beyond 20 digits only the sign matters here:
    # the value is out of every range.
    if len(text) <= 20:
        return int(text)
    return -(10**20) if text.startswith("-") else 10**20


def _refuse_constant(name: str) -> float:
    message = f"{name} is not a JSON value"
    raise ValueError(message)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_to_object, parse_int=_to_integer, parse_constant=_refuse_constant
)


def quoted(value: object) -> str:
    """A value as JSON, cut to fit a message; `missing` for an absent one."""
    if value is None:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _MAX_QUOTED_CHARACTERS:
        return text
    return text[:_MAX_QUOTED_CHARACTERS] + "…"
