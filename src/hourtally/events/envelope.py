"""The attributes of an event, and its data: an object, or one in base64."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final, NamedTuple

from hourtally.events.event_types import EVENT_TYPES, EventType
from hourtally.events.recognised import name_data, name_value
from hourtally.events.strict_json import JsonObject, RuleViolation, parse_text, quoted

MAX_ATTRIBUTE_BYTES: Final = 512
ATTRIBUTES: Final = frozenset(
    ("specversion", "id", "source", "type", "time", "data", "data_base64")
)


class Envelope(NamedTuple):
    """The attributes that count; `time` is not yet checked. data: its fields."""

    source: str
    id: str
    event_type: EventType
    time: object
    data: dict[str, Any]


def open_envelope(event: JsonObject) -> Envelope:
    """The attributes and the data of a parsed line.

    Raises:
        RuleViolation: not_json (a doubled key), not_cloudevent, unknown_type, missing_field,
            bad_type; the first one in the documented order.
    """
    _check_repeated(event, ATTRIBUTES)
    data = event.get("data")
    named = EVENT_TYPES.get(event["type"]) if isinstance(event.get("type"), str) else None
    if isinstance(data, JsonObject) and named is not None:
        _check_repeated(data, named.known)
    source, event_id, event_type = _check_attributes(event)
    encoded = event.get("data_base64")
    if data is None and encoded is not None:
        data = _decode_data(encoded)
        _check_repeated(data, event_type.known)
    if data is None:
        raise RuleViolation("missing_field", "data is missing")
    if not isinstance(data, dict):
        name = name_data(data) or f"but is {quoted(data)}"
        raise RuleViolation("bad_type", f"data must be an object, {name}")
    return Envelope(source, event_id, event_type, event.get("time"), data)


def _check_repeated(members: JsonObject, known: frozenset[str]) -> None:
    """Refuse a doubled key, but in what is ignored."""
    for key in members.repeated_keys:
        if key in known:
            message = f"the key {quoted(key)} appears twice in one object"
            raise RuleViolation("not_json", message)


def _check_attributes(event: JsonObject) -> tuple[str, str, EventType]:
    if event.get("specversion") != "1.0":
        message = f'specversion must be "1.0", but is {quoted(event.get("specversion"))}'
        if name := name_value(event):
            message = f"the line is not an event: {name}"
        raise RuleViolation("not_cloudevent", message)
    for name in ("id", "source", "type"):
        value = event.get(name)
        if not isinstance(value, str) or not value:
            message = f"{name} must be a non-empty string, but is {quoted(value)}"
            raise RuleViolation("not_cloudevent", message)
    source, event_id = event["source"], event["id"]
    check_attribute_bytes("id", event_id)
    check_attribute_bytes("source", source)
    if event.get("data") is not None and event.get("data_base64") is not None:
        raise RuleViolation("not_cloudevent", "it has both data and data_base64")
    return source, event_id, find_event_type(event["type"])


def check_attribute_bytes(name: str, value: str) -> None:
    """Check the length of an event's `id` or `source`.

    Raises:
        RuleViolation: not_cloudevent, for an empty or too long one.
    """
    size = len(value.encode())
    if not 1 <= size <= MAX_ATTRIBUTE_BYTES:
        message = f"{name} has {size} bytes; it must have 1 to {MAX_ATTRIBUTE_BYTES}"
        raise RuleViolation("not_cloudevent", message)


def find_event_type(name: str) -> EventType:
    """The type of event with this `type` attribute.

    Raises:
        RuleViolation: unknown_type.
    """
    event_type = EVENT_TYPES.get(name)
    if event_type is None:
        message = f"type must be one of {', '.join(EVENT_TYPES)}, but is {quoted(name)}"
        raise RuleViolation("unknown_type", message)
    return event_type


def _decode_data(encoded: object) -> JsonObject:
    """The JSON object that `data_base64` holds."""
    if not isinstance(encoded, str):
        raise RuleViolation("bad_type", f"data_base64 must be a string, but is {quoted(encoded)}")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        data = parse_text(text)
    except (binascii.Error, ValueError):
        raise RuleViolation("bad_type", "data_base64 is not the base64 of UTF-8 text") from None
    except RuleViolation as violation:
        reason = violation.message.replace("the line", "data_base64", 1)
        raise RuleViolation("bad_type", reason) from None
    if not isinstance(data, JsonObject):
        message = f"data_base64 must hold a JSON object, but holds {quoted(data)}"
        raise RuleViolation("bad_type", message)
    return data
