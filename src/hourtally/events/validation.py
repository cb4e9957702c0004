"""The strict validator: checks one event against the quarantine rules, each with its own name.

Which events are quarantined, and why, is decided here and nowhere else. The fast readers of
`ingest` accept an event only if it would pass here with the same values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hourtally.events.envelope import MAX_ATTRIBUTE_BYTES, Envelope, open_envelope
from hourtally.events.event_types import (
    RESOURCE_EVENT_TYPE,
    VOID_EVENT_TYPE,
    Event,
    EventType,
    Void,
    identity_hash,
)
from hourtally.events.field_names import check_spelling, unknown_fields
from hourtally.events.instants import Interval, check_instant_type, parse_time_us
from hourtally.events.strict_json import JsonObject, RuleViolation, parse_line, quoted
from hourtally.model.components import GPU_CAPACITIES, RESOURCE_TYPES, SPOT

MAX_ID_BYTES: Final = 256
MAX_NAME_BYTES: Final = 1_024
# Region and GPU model: without a limit, these texts could fill all memory.
MAX_SELECTOR_BYTES: Final = 2_048
MAX_QUANTITY: Final = 10**10

# In the order in which they are tried.
RULES: Final = (
    "line_too_long",
    "not_utf8",
    "not_json",
    "not_cloudevent",
    "unknown_type",
    "misspelt_field",
    "missing_field",
    "bad_type",
    "bad_identifier",
    "bad_timestamp",
    "ends_before_start",
    "interval_too_long",
    "quantity_out_of_range",
    "unknown_resource_type",
    "unknown_gpu_capacity",
    "gpu_without_model",
)

# Unicode category Cc: C0, DEL and C1.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Accepted(NamedTuple):
    """What a line is accepted as. unknown: its ignored fields, but for those that are null."""

    fact: Event | Void
    unknown: list[str]


def check_line(line: bytes) -> Event | Void:
    """The event or void of one NDJSON line, without its line break.

    Raises:
        RuleViolation: the first rule that the line breaks, in the documented order.
    """
    return check_event(parse_line(line)).fact


def check_event(event: JsonObject) -> Accepted:
    """The event or void of a parsed line.

    Raises:
        RuleViolation: the first rule that the event breaks, in the documented order.
    """
    envelope = open_envelope(event)
    if envelope.data.keys() <= envelope.event_type.known:
        return Accepted(check_data(envelope), [])
    check_spelling(envelope.data, envelope.event_type)
    return Accepted(check_data(envelope), unknown_fields(envelope.data, envelope.event_type))


def check_data(envelope: Envelope) -> Event | Void:
    """The event or void with these attributes and fields; a null one counts as absent.

    `start`, `end` and `time` are RFC 3339 texts, or `ColumnInstant`s from typed columns.

    Raises:
        RuleViolation: the first rule that they break, in the documented order.
    """
    source, event_id, event_type, time, data = envelope
    for field in event_type.required:
        if data.get(field) is None:
            raise RuleViolation("missing_field", f"{field} is missing")
    _check_types(data, event_type)
    for name, value in (("start", data["start"]), ("end", data["end"]), ("time", time)):
        if type(value) is not str:
            check_instant_type(name, value)
    _check_quantity_types(data, event_type)
    quantities = _quantities(data, event_type)
    _check_texts(data, event_type)
    interval = Interval(data["start"], data["end"])
    time_us = parse_time_us(time)
    interval.check()
    for field, column in event_type.quantities.items():
        if not 0 <= quantities[column] <= MAX_QUANTITY:
            message = f"{field} must be 0 to {MAX_QUANTITY}, but is {quoted(quantities[column])}"
            raise RuleViolation("quantity_out_of_range", message)
    _check_resource(data, event_type)
    if event_type is VOID_EVENT_TYPE:
        voided = (data["voidedSource"], data["voidedId"])
        return Void(
            source, event_id, *voided, interval.start_ms, interval.end_ms, data.get("reason")
        )
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
        start_ms=interval.start_ms,
        end_ms=interval.end_ms,
        cpu_millicores=quantities.get("cpu_millicores", 0),
        memory_mib=quantities["memory_mib"],
        storage_mib=quantities.get("storage_mib", 0),
        gpu_milli=quantities.get("gpu_milli", 0),
        gpu_model=data.get("gpuModel") if is_paas else None,
        gpu_capacity=SPOT if is_paas and data.get("gpuCapacity") == SPOT else None,
        vcpu_millicores=quantities.get("vcpu_millicores", 0),
        gpu_memory_mib=quantities.get("gpu_memory_mib", 0),
        cluster_count=quantities.get("cluster_count", 0),
        event_source=source,
        event_id=event_id,
        event_time_us=time_us,
        identity=identity_hash(source, event_id),
    )


def _check_types(data: Mapping[str, Any], event_type: EventType) -> None:
    for field in event_type.texts:
        value = data.get(field)
        if value is not None and not isinstance(value, str):
            raise RuleViolation("bad_type", f"{field} must be a string, but is {quoted(value)}")


def _check_quantity_types(data: Mapping[str, Any], event_type: EventType) -> None:
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
    for field in event_type.identities:
        size = len(data[field].encode())
        if not 1 <= size <= MAX_ATTRIBUTE_BYTES:
            message = f"{field} has {size} bytes; it must have 1 to {MAX_ATTRIBUTE_BYTES}"
            raise RuleViolation("bad_identifier", message)
    limits = dict.fromkeys(event_type.names, MAX_NAME_BYTES)
    limits |= dict.fromkeys(event_type.selectors, MAX_SELECTOR_BYTES)
    for field, max_bytes in limits.items():
        size = len((data.get(field) or "").encode())
        if size > max_bytes:
            message = f"{field} has {size} bytes; the limit is {max_bytes}"
            raise RuleViolation("bad_identifier", message)


def _check_resource(data: dict[str, Any], event_type: EventType) -> None:
    if event_type is not RESOURCE_EVENT_TYPE:
        return
    if data["resourceType"] not in RESOURCE_TYPES:
        message = (
            f"resourceType must be one of {', '.join(RESOURCE_TYPES)}, "
            f"but is {quoted(data['resourceType'])}"
        )
        raise RuleViolation("unknown_resource_type", message)
    capacity = data.get("gpuCapacity")
    if capacity is not None and capacity not in GPU_CAPACITIES:
        message = f"gpuCapacity must be {' or '.join(GPU_CAPACITIES)}, but is {quoted(capacity)}"
        raise RuleViolation("unknown_gpu_capacity", message)
    if (data.get("gpuMilli") or 0) > 0 and not data.get("gpuModel"):
        raise RuleViolation("gpu_without_model", "gpuMilli is above 0, but gpuModel is missing")
