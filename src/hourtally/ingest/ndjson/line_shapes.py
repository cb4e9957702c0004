"""Line shapes: how a producer writes its lines, learned from one of them.

A producer writes all its lines in one or a few shapes: the same keys in the same order. From an
accepted line, a regular expression is made that matches the lines of its shape and no others: the
keys in this order, optional ones possibly missing, each known field's value in an exact form, all
of it strict JSON without a repeated key. No line of a shape can have a misspelt field. Most lines
do not need the expression: they pass the cheaper round trip (`round_trip.py`). Escapes, another
order of optional keys or other white space need it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import polars as pl

from hourtally.events.envelope import ATTRIBUTES
from hourtally.events.event_types import EVENT_TYPES, VOID_EVENT_TYPE, EventType
from hourtally.events.field_names import near_misses, unknown_fields
from hourtally.events.strict_json import JsonObject
from hourtally.ingest.ndjson.round_trip import RoundTrip, find_round_trip
from hourtally.model.components import GPU_CAPACITIES, RESOURCE_TYPES

_SPACE = r"[ \t]*"
# An id: no control characters and no escapes.
_ID = r'"[^"\\\x00-\x1f\x7f-\x{9f}]+"'
# Any text, without escaped surrogates and NUL.
_TEXT = (
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]'
    r"|\\u(?:[1-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
    r'|0[1-9a-fA-F][0-9a-fA-F]{2}|00[1-9a-fA-F][0-9a-fA-F]|000[1-9a-fA-F]))*"'
)
# Years 1000 to 9999, as there is another year 0 in DuckDB.
INSTANT: Final = (
    r"[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
# And the zero time of Go.
TIME: Final = f"(?:{INSTANT}|0001-01-01T00:00:00Z)"
_QUANTITY = r"(?:0|[1-9][0-9]{0,9}|10000000000)"
# Numbers in ignored fields are short enough for any reader of doubles.
_NOT_NULL = rf"{_TEXT}|-?(?:0|[1-9][0-9]{{0,17}})(?:\.[0-9]{{1,17}})?|true|false"
_SCALAR = rf"(?:{_NOT_NULL}|null)"
_IGNORED = (
    rf"(?:{_NOT_NULL}"
    rf"|\{{{_SPACE}(?:{_TEXT}{_SPACE}:{_SPACE}{_SCALAR}"
    rf"(?:{_SPACE},{_SPACE}{_TEXT}{_SPACE}:{_SPACE}{_SCALAR})*{_SPACE})?\}}"
    rf"|\[{_SPACE}(?:{_SCALAR}(?:{_SPACE},{_SPACE}{_SCALAR})*{_SPACE})?\])"
)
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_MAX_KEYS = 64


@dataclass(frozen=True)
class LineShape:
    """One order of keys of one event type.

    pattern: a regular expression for its lines. keys: how many it has. unknown: the fields of the
    data that are ignored, but for those that are null; a line that the round trip reads may lack
    some of them. round_trip: how to write its lines; None if the line that it was learned from
    cannot be written from its values.
    """

    pattern: str
    event_type: EventType
    keys: int
    unknown: tuple[str, ...]
    round_trip: RoundTrip | None


def find_shape(event: JsonObject, line: str) -> LineShape | None:
    """The shape of an accepted line; None for an unusual one, and for a void."""
    event_type = EVENT_TYPES[event["type"]]
    if event_type is VOID_EVENT_TYPE:
        return None
    data = event.get("data")
    if not isinstance(data, JsonObject) or event.repeated_keys or data.repeated_keys:
        return None
    keys = [*event, *data]
    if len(keys) > _MAX_KEYS or not all(_SIMPLE_KEY.fullmatch(key) for key in keys):
        return None
    settled = _settling_fields(data, event_type)
    if settled is None:
        return None
    required_data = settled.union(event_type.required)
    patterns = _data_patterns(event_type)
    for key, value in data.items():
        if key not in patterns:
            patterns[key] = "null" if value is None else _IGNORED
        elif key not in required_data:
            patterns[key] = f"(?:{patterns[key]}|null)"
    always = required_data.union(key for key in data if key not in event_type.known)
    inner = _object_pattern({key: patterns[key] for key in data}, always)
    outer = {
        "specversion": r'"1\.0"',
        "id": _ID,
        "source": _ID,
        "type": f'"{re.escape(event_type.type)}"',
        "time": rf'(?:"{TIME}"|null)',
        "data": inner,
    }
    required = frozenset(outer) - {"time"}
    attributes = {key: outer.get(key, rf"(?:{_IGNORED}|null)") for key in event}
    attributes |= {"data_base64": "null"} if "data_base64" in event else {}
    body = _object_pattern(attributes, required)
    known = (ATTRIBUTES, event_type.known)
    round_trip = find_round_trip(event, line, event_type, known, required | required_data)
    pattern = rf"^{_SPACE}{body}[ \t\r]*$"
    unknown = tuple(unknown_fields(data, event_type))
    return LineShape(pattern, event_type, len(keys), unknown, round_trip)


def _settling_fields(data: JsonObject, event_type: EventType) -> frozenset[str] | None:
    """The known fields that must have a value, so that no unknown one can be a misspelt one.

    None if the line is only accepted for what kind of value an unknown field has.
    """
    settled = set()
    for near in near_misses(tuple(data), event_type):
        if data.get(near.known) is not None:
            settled.add(near.known)
        elif data[near.unknown] is not None:
            return None
    return frozenset(settled)


def _data_patterns(event_type: EventType) -> dict[str, str]:
    """The values of each field, but for null."""
    patterns = dict.fromkeys(event_type.ids, _ID)
    patterns |= dict.fromkeys([*event_type.names, *event_type.selectors], _TEXT)
    patterns |= dict.fromkeys(event_type.quantities, _QUANTITY)
    patterns |= {"start": f'"{INSTANT}"', "end": f'"{INSTANT}"'}
    if event_type.choices:
        patterns["resourceType"] = '"(?:' + "|".join(RESOURCE_TYPES) + ')"'
        patterns["gpuCapacity"] = '"(?:' + "|".join(GPU_CAPACITIES) + ')"'
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
