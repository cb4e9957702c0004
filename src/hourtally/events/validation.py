"""One event, checked strictly: the rules of quarantine, each by its name.

This is the judge: what is refused, and why, is decided here and nowhere else. The fast
reader (`layouts.py`) only takes lines that would pass here with the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from hourtally.events.event_types import KINDS, RESOURCE_KIND, Event, EventKind, identity_of
from hourtally.events.strict_json import JsonObject, Rejection, parse_line, shown
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
# The contract names no limit for them; without one they may fill all memory.
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

# Unicode's category Cc: C0, DEL and C1.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


# Counts of a millisecond in the units of instants.
_MILLISECOND = {"start": 1, "end": 1, "time": 1_000}


class Instant(int):
    """An instant out of a typed column, already counted; text still has to be parsed."""


def check_line(line: bytes, now_ms: int) -> Event:
    """The event of one NDJSON line, without its line break.

    Raises:
        Rejection: with the first rule, in the order of the contract, that the line breaks.
    """
    return check_object(parse_line(line), now_ms)


def check_object(event: JsonObject, now_ms: int) -> Event:
    """The event of a parsed line.

    Raises:
        Rejection: the first rule, in the order of the contract, that it breaks.
    """
    data = event.get("data")
    for owner in (event, data):
        if isinstance(owner, JsonObject) and owner.repeated is not None:
            sentence = f"the key {shown(owner.repeated)} is there twice in one object"
            raise Rejection("not_json", sentence)
    source, event_id, kind = _check_attributes(event)
    if data is None:
        raise Rejection("missing_field", "data is missing")
    if not isinstance(data, dict):
        raise Rejection("bad_type", f"data is {shown(data)}, not an object")
    return check_data(data, kind, source, event_id, event.get("time"), now_ms)


def _check_attributes(event: JsonObject) -> tuple[str, str, EventKind]:
    if event.get("specversion") != "1.0":
        sentence = f'specversion is {shown(event.get("specversion"))}, not "1.0"'
        raise Rejection("not_cloudevent", sentence)
    for name in ("id", "source", "type"):
        value = event.get(name)
        if not isinstance(value, str) or not value:
            sentence = f"{name} is {shown(value)}, not a non-empty string"
            raise Rejection("not_cloudevent", sentence)
    source, event_id = event["source"], event["id"]
    check_attribute_bytes("id", event_id)
    check_attribute_bytes("source", source)
    return source, event_id, kind_of(event["type"])


def check_attribute_bytes(name: str, value: str) -> None:
    """Refuse an `id` or `source` that is empty or too long.

    Raises:
        Rejection: not_cloudevent.
    """
    size = len(value.encode())
    if not 1 <= size <= MAX_ATTRIBUTE_BYTES:
        sentence = f"{name} has {size} bytes, not 1 to {MAX_ATTRIBUTE_BYTES}"
        raise Rejection("not_cloudevent", sentence)


def kind_of(event_type: str) -> EventKind:
    """The kind of event of a `type`.

    Raises:
        Rejection: unknown_type.
    """
    kind = KINDS.get(event_type)
    if kind is None:
        sentence = f"type is {shown(event_type)}, not one of {', '.join(KINDS)}"
        raise Rejection("unknown_type", sentence)
    return kind


def check_data(
    data: dict[str, Any], kind: EventKind, source: str, event_id: str, time: object, now_ms: int
) -> Event:
    """The event of its data fields; null stands for an absent field.

    `start`, `end` and `time` are RFC 3339 text, or `Instant`s where they come from typed
    columns: in milliseconds, and in microseconds for `time`.

    Raises:
        Rejection: the first rule, in the order of the contract, that they break.
    """
    _check_presence(data, kind)
    _check_types(data, kind, time)
    quantities = _quantities(data, kind)
    _check_texts(data, kind)
    start_ms = _instant("start", data["start"], parse_instant_ms)
    end_ms = _instant("end", data["end"], parse_instant_ms)
    time_us = None if time is None else _instant("time", time, parse_instant_us)
    _check_interval(start_ms, end_ms)
    for field, column in kind.quantities.items():
        if not 0 <= quantities[column] <= MAX_QUANTITY:
            sentence = f"{field} is {shown(quantities[column])}, not 0 to {MAX_QUANTITY}"
            raise Rejection("quantity_out_of_range", sentence)
    _check_resource(data, kind)
    if start_ms > now_ms + MAX_AHEAD_MS:
        sentence = (
            f"it starts at {format_instant(start_ms)}, over an hour after now, "
            f"{format_instant(now_ms)}"
        )
        raise Rejection("in_future", sentence)
    ids = {column: data[field] for field, column in kind.ids.items()}
    names = {column: data.get(field) for field, column in kind.names.items()}
    paas = kind is RESOURCE_KIND
    return Event(
        event_type=kind.type,
        customer_id=ids["customer_id"],
        team_id=ids.get("team_id"),
        project_id=ids.get("project_id"),
        resource_id=ids["resource_id"],
        team_name=names.get("team_name"),
        project_name=names.get("project_name"),
        resource_name=names["resource_name"],
        resource_type=data["resourceType"] if paas else None,
        region=data.get("region"),
        start_ms=start_ms,
        end_ms=end_ms,
        cpu_millicores=quantities.get("cpu_millicores", 0),
        memory_mib=quantities["memory_mib"],
        storage_mib=quantities.get("storage_mib", 0),
        gpu_milli=quantities.get("gpu_milli", 0),
        gpu_model=data.get("gpuModel") if paas else None,
        vcpu_millicores=quantities.get("vcpu_millicores", 0),
        gpu_memory_mib=quantities.get("gpu_memory_mib", 0),
        cluster_count=quantities.get("cluster_count", 0),
        event_source=source,
        event_id=event_id,
        event_time_us=time_us,
        identity=identity_of(source, event_id),
    )


def _check_presence(data: dict[str, Any], kind: EventKind) -> None:
    required = [*kind.ids, *(["resourceType"] if kind is RESOURCE_KIND else []), "start", "end"]
    for field in required:
        if data.get(field) is None:
            raise Rejection("missing_field", f"{field} is missing")


def _check_types(data: dict[str, Any], kind: EventKind, time: object) -> None:
    texts = [*kind.ids, *kind.names, *kind.selectors]
    if kind is RESOURCE_KIND:
        texts.append("resourceType")
    for field in texts:
        value = data.get(field)
        if value is not None and not isinstance(value, str):
            raise Rejection("bad_type", f"{field} is {shown(value)}, not a string")
    for name, value in (("start", data["start"]), ("end", data["end"]), ("time", time)):
        if value is not None and not isinstance(value, str | Instant):
            raise Rejection("bad_type", f"{name} is {shown(value)}, not a string")
    for field in kind.quantities:
        value = data.get(field)
        # To Python a Boolean is an integer.
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise Rejection("bad_type", f"{field} is {shown(value)}, not an integer")


def _quantities(data: dict[str, Any], kind: EventKind) -> dict[str, int]:
    """The quantities by column; an absent one has its default."""
    return {
        column: kind.defaults.get(field, 0) if data.get(field) is None else data[field]
        for field, column in kind.quantities.items()
    }


def _check_texts(data: dict[str, Any], kind: EventKind) -> None:
    for field in kind.ids:
        value = data[field]
        size = len(value.encode())
        if not 1 <= size <= MAX_ID_BYTES:
            sentence = f"{field} has {size} bytes, not 1 to {MAX_ID_BYTES}"
            raise Rejection("bad_identifier", sentence)
        if _CONTROL.search(value):
            sentence = f"{field} is {shown(value)}: it has a control character"
            raise Rejection("bad_identifier", sentence)
    most = dict.fromkeys(kind.names, MAX_NAME_BYTES)
    most |= dict.fromkeys(kind.selectors, MAX_SELECTOR_BYTES)
    for field, most_bytes in most.items():
        size = len((data.get(field) or "").encode())
        if size > most_bytes:
            sentence = f"{field} has {size} bytes, more than {most_bytes}"
            raise Rejection("bad_identifier", sentence)


def _instant(name: str, value: Any, parse: Callable[[str], int]) -> int:
    try:
        if isinstance(value, Instant):
            check_year(value // _MILLISECOND[name])
            return int(value)
        return parse(value)
    except ValueError as error:
        raise Rejection("bad_timestamp", f"{name} {shown(value)} {error}") from None


def _check_interval(start_ms: int, end_ms: int) -> None:
    if start_ms >= end_ms:
        sentence = f"start {format_instant(start_ms)} is not before end {format_instant(end_ms)}"
        raise Rejection("ends_before_start", sentence)
    if end_ms - start_ms > MAX_INTERVAL_MS:
        sentence = f"start and end are {end_ms - start_ms} ms apart, more than 31 days"
        raise Rejection("interval_too_long", sentence)


def _check_resource(data: dict[str, Any], kind: EventKind) -> None:
    if kind is not RESOURCE_KIND:
        return
    if data["resourceType"] not in RESOURCE_TYPES:
        sentence = (
            f"resourceType is {shown(data['resourceType'])}, not one of {', '.join(RESOURCE_TYPES)}"
        )
        raise Rejection("unknown_resource_type", sentence)
    if (data.get("gpuMilli") or 0) > 0 and not data.get("gpuModel"):
        raise Rejection("gpu_without_model", "gpuMilli is above 0, but gpuModel is missing")
