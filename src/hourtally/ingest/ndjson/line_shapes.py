"""Line shapes: how a producer writes its lines, learned from one of them.

A producer writes all its lines in one or a few shapes: the same keys in the same order. From an
accepted line, a regular expression is made that matches the lines of its shape and no others: the
keys in this order, optional ones possibly missing, each known field's value in an exact form, all
of it strict JSON without a repeated key. Most lines do not need it: they pass the cheaper round
trip (`round_trip.py`). Escapes, another order of optional keys or other white space need it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from hourtally.events.event_types import EVENT_TYPES, RESOURCE_EVENT_TYPE, EventType
from hourtally.events.strict_json import JsonObject
from hourtally.ingest.ndjson.round_trip import RoundTrip, find_round_trip
from hourtally.model.components import RESOURCE_TYPES

_SPACE = r"[ \t]*"
# An id: no control characters and no escapes.
_ID = r'"[^"\\\x00-\x1f\x7f-\x{9f}]+"'
# Any text, without escaped surrogates and NUL.
_TEXT = (
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]'
    r"|\\u(?:[1-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
    r'|0[1-9a-fA-F][0-9a-fA-F]{2}|00[1-9a-fA-F][0-9a-fA-F]|000[1-9a-fA-F]))*"'
)
# Years 1000 to 2999, and UTC only: DuckDB ignores an offset instead of applying it.
_SECOND = (
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,%d})?(?:Z|[+-]00:00)"
)
INSTANT: Final = _SECOND % 3
TIME: Final = _SECOND % 9
_QUANTITY = r"(?:0|[1-9][0-9]{0,9}|10000000000)"
# Numbers in ignored fields are short enough for any reader of doubles.
_SCALAR = rf"(?:{_TEXT}|-?(?:0|[1-9][0-9]{{0,17}})(?:\.[0-9]{{1,17}})?|true|false|null)"
_IGNORED = (
    rf"(?:{_SCALAR}"
    rf"|\{{{_SPACE}(?:{_TEXT}{_SPACE}:{_SPACE}{_SCALAR}"
    rf"(?:{_SPACE},{_SPACE}{_TEXT}{_SPACE}:{_SPACE}{_SCALAR})*{_SPACE})?\}}"
    rf"|\[{_SPACE}(?:{_SCALAR}(?:{_SPACE},{_SPACE}{_SCALAR})*{_SPACE})?\])"
)
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_REQUIRED_DATA: Final = frozenset({"start", "end", "resourceType"})
_MAX_KEYS = 64


@dataclass(frozen=True)
class LineShape:
    """One order of keys of one event type.

    pattern: a regular expression for its lines. keys: how many it has. round_trip: how to write
    its lines; None if the line that it was learned from cannot be written from its values.
    """

    pattern: str
    event_type: EventType
    keys: int
    round_trip: RoundTrip | None


def find_shape(event: JsonObject, line: str) -> LineShape | None:
    """The shape of an accepted line; None for an unusual one."""
    event_type = EVENT_TYPES[event["type"]]
    data: dict[str, Any] = event["data"]
    keys = [*event, *data]
    if len(keys) > _MAX_KEYS or not all(_SIMPLE_KEY.fullmatch(key) for key in keys):
        return None
    patterns = _data_patterns(event_type)
    required_data = _REQUIRED_DATA | event_type.ids.keys()
    inner = _object_pattern({key: patterns.get(key, _IGNORED) for key in data}, required_data)
    outer = {
        "specversion": r'"1\.0"',
        "id": _ID,
        "source": _ID,
        "type": f'"{re.escape(event_type.type)}"',
        "time": rf'(?:"{TIME}"|null)',
        "data": inner,
    }
    required = frozenset(outer) - {"time"}
    body = _object_pattern({key: outer.get(key, _IGNORED) for key in event}, required)
    known = (frozenset(outer), frozenset(patterns))
    round_trip = find_round_trip(event, line, event_type, known, required | required_data)
    return LineShape(rf"^{_SPACE}{body}[ \t\r]*$", event_type, len(keys), round_trip)


def _data_patterns(event_type: EventType) -> dict[str, str]:
    optional_text = rf"(?:{_TEXT}|null)"
    patterns = dict.fromkeys(event_type.ids, _ID)
    patterns |= dict.fromkeys([*event_type.names, *event_type.selectors], optional_text)
    patterns |= dict.fromkeys(event_type.quantities, rf"(?:{_QUANTITY}|null)")
    patterns |= {"start": f'"{INSTANT}"', "end": f'"{INSTANT}"'}
    if event_type is RESOURCE_EVENT_TYPE:
        patterns["resourceType"] = '"(?:' + "|".join(RESOURCE_TYPES) + ')"'
    return patterns


def _object_pattern(members: dict[str, str], required: frozenset[str] | set[str]) -> str:
    """A JSON object with these members in this order, without some that are not required.

    The first one is always required, as it has no comma before it. Lines without it have another
    shape.
    """
    parts = []
    for number, (key, value) in enumerate(members.items()):
        member = rf'"{re.escape(key)}"{_SPACE}:{_SPACE}{value}'
        if number == 0:
            parts.append(member)
        elif key in required:
            parts.append(rf"{_SPACE},{_SPACE}{member}")
        else:
            parts.append(rf"(?:{_SPACE},{_SPACE}{member})?")
    return rf"\{{{_SPACE}{''.join(parts)}{_SPACE}\}}"


def matches_shape(lines: pl.Series, shape: LineShape) -> pl.Series:
    """Which lines match the shape's pattern, as Booleans."""
    return lines.str.contains(shape.pattern)
