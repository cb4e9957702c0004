"""The event types, their data fields, and the validated event."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from hourtally.model.components import CLUSTER_EVENT, RESOURCE_EVENT


@dataclass(frozen=True, eq=False)
class EventType:
    """The data fields of one type of event, each with the column it fills.

    type: the CloudEvents `type`. selectors: texts that only select a rate. defaults: the values of
    absent quantities, where not 0.
    """

    type: str
    ids: dict[str, str]
    names: dict[str, str]
    selectors: dict[str, str]
    quantities: dict[str, str]
    defaults: dict[str, int]


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
    quantities={
        "cpuMillicores": "cpu_millicores",
        "memoryMiB": "memory_mib",
        "storageMiB": "storage_mib",
        "gpuMilli": "gpu_milli",
    },
    defaults={},
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
EVENT_TYPES: Final = {
    event_type.type: event_type for event_type in (RESOURCE_EVENT_TYPE, CLUSTER_EVENT_TYPE)
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
    vcpu_millicores: int
    gpu_memory_mib: int
    cluster_count: int
    event_source: str
    event_id: str
    event_time_us: int | None
    identity: int


def identity_hash(source: str, event_id: str) -> int:
    """The lower 64 bits of the MD5 of an identity, equal to DuckDB's `md5_number_lower`."""
    digest = hashlib.md5(f"{source}\0{event_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")
