"""The oracle's events and voids: what counts of one, and which of two conflicting ones counts."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

HOUR_MS = 3_600_000

RESOURCE = "metering.resource.v1"
CLUSTER = "metering.cluster.v1"
VOID = "metering.void.v1"

# The fields that count, in the order of the contract's table, with what stands for an absent
# one. None: nothing does.
CONTENT: dict[str, dict[str, int | None]] = {
    RESOURCE: {
        "customerId": None,
        "teamId": None,
        "projectId": None,
        "resourceId": None,
        "teamName": None,
        "projectName": None,
        "resourceName": None,
        "resourceType": None,
        "region": None,
        "start": None,
        "end": None,
        "cpuMillicores": 0,
        "memoryMiB": 0,
        "storageMiB": 0,
        "gpuMilli": 0,
        "gpuModel": None,
        "gpuCapacity": None,
    },
    CLUSTER: {
        "customerId": None,
        "clusterId": None,
        "clusterName": None,
        "region": None,
        "start": None,
        "end": None,
        "vcpuMillicores": 0,
        "memoryMiB": 0,
        "gpuMemoryMiB": 0,
        "clusterCount": 1,
    },
}


@dataclass(frozen=True)
class Event:
    """One event: who says it, when it was said (exact seconds), and what counts of it."""

    source: str
    id: str
    time: Fraction | None
    type: str
    fields: dict[str, Any]

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two statements be about one fact."""
        return self.source, self.id

    @property
    def content(self) -> tuple[Any, ...]:
        """Everything that counts, `time` not among it."""
        return self.type, *self.fields.values()

    @property
    def rank(self) -> tuple[Any, ...]:
        """Of conflicting events the one with the smallest rank counts."""
        said = (self.time is None, self.time or 0)
        return said, self.type.encode(), tuple(_field_rank(v) for v in self.fields.values())


@dataclass(frozen=True)
class Void:
    """A void: its own identity, the identity it cancels, and from when until when, in ms."""

    identity: tuple[str, str]
    voided: tuple[str, str]
    start: int
    end: int


def read_statement(line: dict[str, Any] | bytes) -> Event | Void:
    """An event or a void from its object or its line."""
    envelope = json.loads(line) if isinstance(line, bytes) else line
    if envelope["type"] != VOID:
        return read_event(envelope)
    data = envelope["data"]
    return Void(
        identity=(envelope["source"], envelope["id"]),
        voided=(data["voidedSource"], data["voidedId"]),
        start=int(instant(data["start"]) * 1_000),
        end=int(instant(data["end"]) * 1_000),
    )


def read_event(line: dict[str, Any] | bytes) -> Event:
    """An event from its object or its line; null stands for absent."""
    envelope = json.loads(line) if isinstance(line, bytes) else line
    data = envelope.get("data")
    if data is None:
        data = json.loads(base64.b64decode(envelope["data_base64"]))
    fields: dict[str, Any] = {}
    for name, default in CONTENT[envelope["type"]].items():
        value = data.get(name)
        fields[name] = default if value is None else value
    if fields.get("gpuCapacity") == "on-demand":
        fields["gpuCapacity"] = None
    for name in ("start", "end"):
        fields[name] = math.floor(instant(fields[name]) * 1_000)
    return Event(
        source=envelope["source"],
        id=envelope["id"],
        time=_read_time(envelope.get("time")),
        type=envelope["type"],
        fields=fields,
    )


def _read_time(text: str | None) -> Fraction | None:
    """When an event was stated, to the microsecond; the zero time of Go stands for absent."""
    if text is None or instant(text) == instant("0001-01-01T00:00:00Z"):
        return None
    return Fraction(math.floor(instant(text) * 1_000_000), 1_000_000)


def instant(text: str) -> Fraction:
    """Exact seconds since 1970 of an RFC 3339 instant."""
    match = re.fullmatch(r"(.{19})(\.\d+)?(Z|[+-]\d\d:\d\d)", text.upper())
    assert match is not None, text
    whole, digits, offset = match.groups()
    moment = dt.datetime.fromisoformat(whole + offset)
    return Fraction(int(moment.timestamp())) + Fraction("0" + (digits or ".0"))


def affected_hours(event: dict[str, Any] | bytes) -> list[int]:
    """The hours that the interval of an event or void touches, in Unix seconds."""
    read = read_statement(event)
    start, end = (
        (read.start, read.end)
        if isinstance(read, Void)
        else (read.fields["start"], read.fields["end"])
    )
    first, last = start // HOUR_MS, (end - 1) // HOUR_MS
    return [hour * 3_600 for hour in range(first, last + 1)]


def _field_rank(value: str | int | None) -> tuple[bool, int | bytes]:
    if value is None:
        return False, 0
    return True, value.encode() if isinstance(value, str) else value
