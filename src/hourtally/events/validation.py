"""The strict validator: checks one event against the quarantine rules, each with its own name.

Which events are quarantined, and why, is decided here and nowhere else. The fast readers of
`ingest` accept an event only if it would pass here with the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from hourtally.events.event_types import (
    EVENT_TYPES,
    RESOURCE_EVENT_TYPE,
    Event,
    EventType,
    identity_hash,
)
from hourtally.events.strict_json import JsonObject, RuleViolation, parse_line, quoted
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.hours import (
    DAY_MS,
    HOUR_MS,
    check_year,
    format_instant,
    parse_instant_ms,
    parse_instant_us,
)

MAX_ATTRIBUTE_BYTES: Final = 512
MAX_ID_BYTES: Final = 256
MAX_NAME_BYTES: Final = 1_024
# Region and GPU model: without a limit, these texts could fill all memory.
MAX_SELECTOR_BYTES: Final = 2_048
MAX_QUANTITY: Final = 10**10
MAX_INTERVAL_MS: Final = 31 * DAY_MS
MAX_AHEAD_MS: Final = HOUR_MS

RULES: Final = (
    "not_json",
    "not_utf8",
    "line_too_long",
    "not_cloudevent",
    "unknown_type",
    "missing_field",
    "bad_type",
    "bad_identifier",
    "bad_timestamp",
    "ends_before_start",
    "interval_too_long",
    "quantity_out_of_range",
    "unknown_resource_type",
    "gpu_without_model",
    "in_future",
)

# Unicode category Cc: C0, DEL and C1.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# How many units of a `ColumnInstant` make a millisecond.
_UNITS_PER_MS: Final = {"start": 1, "end": 1, "time": 1_000}


class ColumnInstant(int):
    """An instant from a typed column: milliseconds for start and end, microseconds for time."""


def check_line(line: bytes, now_ms: int) -> Event:
    """The event of one NDJSON line, without its line break.

    Raises:
        RuleViolation: the first rule that the line breaks, in the documented order.
    """
    return check_event(parse_line(line), now_ms)


def check_event(event: JsonObject, now_ms: int) -> Event:
    """The event of a parsed line.

    Raises:
        RuleViolation: the first rule that the event breaks, in the documented order.
    """
    data = event.get("data")
    for owner in (event, data):
        if isinstance(owner, JsonObject) and owner.repeated_key is not None:
            message = f"the key {quoted(owner.repeated_key)} appears twice in one object"
            raise RuleViolation("not_json", message)
    source, event_id, event_type = _check_attributes(event)
    if data is None:
        raise RuleViolation("missing_field", "data is missing")
    if not isinstance(data, dict):
        raise RuleViolation("bad_type", f"data must be an object, but is {quoted(data)}")
    return check_data(data, event_type, source, event_id, event.get("time"), now_ms)


def _check_attributes(event: JsonObject) -> tuple[str, str, EventType]:
    if event.get("specversion") != "1.0":
        message = f'specversion must be "1.0", but is {quoted(event.get("specversion"))}'
        raise RuleViolation("not_cloudevent", message)
    for name in ("id", "source", "type"):
        value = event.get(name)
        if not isinstance(value, str) or not value:
            message = f"{name} must be a non-empty string, but is {quoted(value)}"
            raise RuleViolation("not_cloudevent", message)
    source, event_id = event["source"], event["id"]
    check_attribute_bytes("id", event_id)
    check_attribute_bytes("source", source)
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


def check_data(
    data: dict[str, Any],
    event_type: EventType,
    source: str,
    event_id: str,
    time: object,
    now_ms: int,
) -> Event:
    """The event with these data fields; a null field counts as absent.

    `start`, `end` and `time` are RFC 3339 texts, or `ColumnInstant`s from typed columns.

    Raises:
        RuleViolation: the first rule that they break, in the documented order.
    """
    _check_presence(data, event_type)
    _check_types(data, event_type, time)
    quantities = _quantities(data, event_type)
    _check_texts(data, event_type)
    start_ms = _parse_instant("start", data["start"], parse_instant_ms)
    end_ms = _parse_instant("end", data["end"], parse_instant_ms)
    time_us = None if time is None else _parse_instant("time", time, parse_instant_us)
    _check_interval(start_ms, end_ms)
    for field, column in event_type.quantities.items():
        if not 0 <= quantities[column] <= MAX_QUANTITY:
            message = f"{field} must be 0 to {MAX_QUANTITY}, but is {quoted(quantities[column])}"
            raise RuleViolation("quantity_out_of_range", message)
    _check_resource(data, event_type)
    if start_ms > now_ms + MAX_AHEAD_MS:
        message = (
            f"start ({format_instant(start_ms)}) is more than an hour in the future: "
            f"now is {format_instant(now_ms)}"
        )
        raise RuleViolation("in_future", message)
    ids = {column: data[field] for field, column in event_type.ids.items()}
    names = {column: data.get(field) for field, column in event_type.names.items()}
    is_paas = event_type is RESOURCE_EVENT_TYPE
    return Event(
        event_type=event_type.type,
        customer_id=ids["customer_id"],
        team_id=ids.get("team_id"),
        project_id=ids.get("project_id"),
        resource_id=ids["resource_id"],
        team_name=names.get("team_name"),
        project_name=names.get("project_name"),
        resource_name=names["resource_name"],
        resource_type=data["resourceType"] if is_paas else None,
        region=data.get("region"),
        start_ms=start_ms,
        end_ms=end_ms,
        cpu_millicores=quantities.get("cpu_millicores", 0),
        memory_mib=quantities["memory_mib"],
        storage_mib=quantities.get("storage_mib", 0),
        gpu_milli=quantities.get("gpu_milli", 0),
        gpu_model=data.get("gpuModel") if is_paas else None,
        vcpu_millicores=quantities.get("vcpu_millicores", 0),
        gpu_memory_mib=quantities.get("gpu_memory_mib", 0),
        cluster_count=quantities.get("cluster_count", 0),
        event_source=source,
        event_id=event_id,
        event_time_us=time_us,
        identity=identity_hash(source, event_id),
    )


def _check_presence(data: dict[str, Any], event_type: EventType) -> None:
    required = [
        *event_type.ids,
        *(["resourceType"] if event_type is RESOURCE_EVENT_TYPE else []),
        "start",
        "end",
    ]
    for field in required:
        if data.get(field) is None:
            raise RuleViolation("missing_field", f"{field} is missing")


def _check_types(data: dict[str, Any], event_type: EventType, time: object) -> None:
    texts = [*event_type.ids, *event_type.names, *event_type.selectors]
    if event_type is RESOURCE_EVENT_TYPE:
        texts.append("resourceType")
    for field in texts:
        value = data.get(field)
        if value is not None and not isinstance(value, str):
            raise RuleViolation("bad_type", f"{field} must be a string, but is {quoted(value)}")
    for name, value in (("start", data["start"]), ("end", data["end"]), ("time", time)):
        if value is not None and not isinstance(value, str | ColumnInstant):
            raise RuleViolation("bad_type", f"{name} must be a string, but is {quoted(value)}")
    for field in event_type.quantities:
        value = data.get(field)
        # In Python, True and False are integers too.
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise RuleViolation("bad_type", f"{field} must be an integer, but is {quoted(value)}")


def _quantities(data: dict[str, Any], event_type: EventType) -> dict[str, int]:
    """The quantities by column; an absent one takes its default."""
    return {
        column: event_type.defaults.get(field, 0) if data.get(field) is None else data[field]
        for field, column in event_type.quantities.items()
    }


def _check_texts(data: dict[str, Any], event_type: EventType) -> None:
    for field in event_type.ids:
        value = data[field]
        size = len(value.encode())
        if not 1 <= size <= MAX_ID_BYTES:
            message = f"{field} has {size} bytes; it must have 1 to {MAX_ID_BYTES}"
            raise RuleViolation("bad_identifier", message)
        if _CONTROL_CHARACTER.search(value):
            message = f"{field} contains a control character: {quoted(value)}"
            raise RuleViolation("bad_identifier", message)
    limits = dict.fromkeys(event_type.names, MAX_NAME_BYTES)
    limits |= dict.fromkeys(event_type.selectors, MAX_SELECTOR_BYTES)
    for field, max_bytes in limits.items():
        size = len((data.get(field) or "").encode())
        if size > max_bytes:
            message = f"{field} has {size} bytes; the limit is {max_bytes}"
            raise RuleViolation("bad_identifier", message)


def _parse_instant(name: str, value: Any, parse: Callable[[str], int]) -> int:
    try:
        if isinstance(value, ColumnInstant):
            check_year(value // _UNITS_PER_MS[name])
            return int(value)
        return parse(value)
    except ValueError as error:
        raise RuleViolation("bad_timestamp", f"{name} {quoted(value)} {error}") from None


def _check_interval(start_ms: int, end_ms: int) -> None:
    if start_ms >= end_ms:
        message = f"start ({format_instant(start_ms)}) is not before end ({format_instant(end_ms)})"
        raise RuleViolation("ends_before_start", message)
    if end_ms - start_ms > MAX_INTERVAL_MS:
        message = f"start and end are {end_ms - start_ms} ms apart; the limit is 31 days"
        raise RuleViolation("interval_too_long", message)


def _check_resource(data: dict[str, Any], event_type: EventType) -> None:
    if event_type is not RESOURCE_EVENT_TYPE:
        return
    if data["resourceType"] not in RESOURCE_TYPES:
        message = (
            f"resourceType must be one of {', '.join(RESOURCE_TYPES)}, "
            f"but is {quoted(data['resourceType'])}"
        )
        raise RuleViolation("unknown_resource_type", message)
    if (data.get("gpuMilli") or 0) > 0 and not data.get("gpuModel"):
        raise RuleViolation("gpu_without_model", "gpuMilli is above 0, but gpuModel is missing")
