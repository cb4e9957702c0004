"""The event types, their data fields, and the validated event or void."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from hourtally.model.components import CLUSTER_EVENT, RESOURCE_EVENT, VOID_EVENT


@dataclass(frozen=True, eq=False)
class EventType:
    """The data fields of one type of event, each with the column it fills.

    type: the CloudEvents `type`. identities: `source` and `id` of another event. selectors: texts
    that only select a rate. choices: texts with a few values. defaults: the values of absent
    quantities, where not 0.
    """

    type: str
    ids: dict[str, str]
    names: dict[str, str]
    identities: dict[str, str] = field(default_factory=dict)
    selectors: dict[str, str] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    quantities: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, int] = field(default_factory=dict)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The fields that no event may lack, in the order in which they are looked for."""
        types = [name for name in self.choices if name == "resourceType"]
        return (*self.ids, *self.identities, *types, "start", "end")

    @cached_property
    def known(self) -> frozenset[str]:
        """All fields; every other one is ignored."""
        return frozenset((*self.texts, *self.quantities, "start", "end"))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The fields whose values are texts, but for the instants, each with its column."""
        return {**self.ids, **self.identities, **self.names, **self.selectors, **self.choices}


RESOURCE_EVENT_TYPE: Final = EventType(
    type=RESOURCE_EVENT,
    ids={
        "customerId": "customer_id",
        "teamId": "team_id",
        "projectId": "project_id",
        "resourceId": "resource_id",
    },
    names={
        "teamName": "team_name",
        "projectName": "project_name",
        "resourceName": "resource_name",
    },
    selectors={"region": "region", "gpuModel": "gpu_model"},
    choices={"resourceType": "resource_type", "gpuCapacity": "gpu_capacity"},
    quantities={
        "cpuMillicores": "cpu_millicores",
        "memoryMiB": "memory_mib",
        "storageMiB": "storage_mib",
        "gpuMilli": "gpu_milli",
    },
)
CLUSTER_EVENT_TYPE: Final = EventType(
    type=CLUSTER_EVENT,
    ids={"customerId": "customer_id", "clusterId": "resource_id"},
    names={"clusterName": "resource_name"},
    selectors={"region": "region"},
    quantities={
        "vcpuMillicores": "vcpu_millicores",
        "memoryMiB": "memory_mib",
        "gpuMemoryMiB": "gpu_memory_mib",
        "clusterCount": "cluster_count",
    },
    defaults={"clusterCount": 1},
)
VOID_EVENT_TYPE: Final = EventType(
    type=VOID_EVENT,
    ids={},
    identities={"voidedSource": "voided_source", "voidedId": "voided_id"},
    names={"reason": "reason"},
)
EVENT_TYPES: Final = {
    event_type.type: event_type
    for event_type in (RESOURCE_EVENT_TYPE, CLUSTER_EVENT_TYPE, VOID_EVENT_TYPE)
}


class Event(NamedTuple):
    """One accepted event: the columns of `schemas.EVENTS`, in that order."""

    event_type: str
    customer_id: str
    team_id: str | None
    project_id: str | None
    resource_id: str
    team_name: str | None
    project_name: str | None
    resource_name: str | None
    resource_type: str | None
    region: str | None
    start_ms: int
    end_ms: int
    cpu_millicores: int
    memory_mib: int
    storage_mib: int
    gpu_milli: int
    gpu_model: str | None
    gpu_capacity: str | None
    vcpu_millicores: int
    gpu_memory_mib: int
    cluster_count: int
    event_source: str
    event_id: str
    event_time_us: int | None
    identity: int


class Void(NamedTuple):
    """One accepted void: the columns of `schemas.VOIDS`, in that order."""

    source: str
    id: str
    voided_source: str
    voided_id: str
    start_ms: int
    end_ms: int
    reason: str | None


def identity_hash(source: str, event_id: str) -> int:
    """The lower 64 bits of the MD5 of an identity, equal to DuckDB's `md5_number_lower`."""
    digest = hashlib.md5(f"{source}\0{event_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")
