"""Names common mistakes in lines that are not events, each with its cure."""

from __future__ import annotations

import json
from typing import Any, Final

JSON_ARRAY: Final = "it is a JSON array: write one event a line (`jq -c '.[]'`)"
SEVERAL_OBJECTS: Final = "it holds several JSON objects: write one event a line (`jq -c .`)"
_STRING: Final = "it is a string that holds JSON: decode it once more (`jq -c fromjson`)"
_ENVELOPE: Final = (
    "it is a Kafka Connect envelope: write its payload alone (`jq -c .payload`, or "
    "value.converter.schemas.enable=false)"
)
_SPREAD: Final = "it looks like JSON over several lines: write one event a line ({cure})"
# Counts since 1970 that lie in the years 1973 to 2286, each unit with what divides it to seconds.
_EPOCH_UNITS: Final = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}
_EPOCH_SECONDS: Final = range(10**8, 10**10)


def name_value(value: Any) -> str | None:
    """What a line is whose JSON value is no event; None where nothing is recognised."""
    if isinstance(value, list):
        return JSON_ARRAY
    if isinstance(value, str):
        return _STRING if _holds_json(value) else None
    if isinstance(value, dict) and "payload" in value and "specversion" not in value:
        return _ENVELOPE
    return None


def name_data(value: Any) -> str | None:
    """What `data` is that is no object; None where nothing is recognised."""
    if isinstance(value, str) and _holds_json(value):
        return "it is a string that holds JSON: write the object itself (`jq -c '.data|=fromjson'`)"
    return None


def name_text(text: str, decoder: json.JSONDecoder) -> str | None:
    """What a text is that is not one JSON value; None where nothing is recognised."""
    start = text.strip()
    if start in {"[", "[{"}:
        return _SPREAD.format(cure="`jq -c '.[]'`")
    if start == "{":
        return _SPREAD.format(cure="`jq -c .`")
    if not start.startswith("{"):
        return None
    try:
        _, end = decoder.raw_decode(start)
    except (ValueError, RecursionError):
        return None
    rest = start[end:].lstrip()
    if rest.startswith("{"):
        return SEVERAL_OBJECTS
    if rest.startswith(",") and rest[1:].lstrip()[:1] in {"", "{"}:
        return "it looks like a part of a JSON array: write one event a line (`jq -c '.[]'`)"
    return None


def name_instant(value: Any) -> str | None:
    """What an instant is that is no RFC 3339 text; None where nothing is recognised."""
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not text.replace(".", "", 1).isdecimal():
        return None
    count = int(float(text)) if len(text) < 40 else 0
    for unit, per_second in _EPOCH_UNITS.items():
        if count // per_second in _EPOCH_SECONDS:
            return (
                f"it looks like {unit} since 1970: write RFC 3339, such as 2026-11-22T13:00:00Z "
                f"(`jq -c '.data.start |= todate'` for seconds)"
            )
    return None


def _holds_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
