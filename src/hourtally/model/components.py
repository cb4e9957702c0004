"""What is metered and priced, by its names: types of event, of resource, components.

Apart from the schemas of tables, because Polars takes 0.16 s to import.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

RESOURCE_EVENT: Final = "metering.resource.v1"
CLUSTER_EVENT: Final = "metering.cluster.v1"
VOID_EVENT: Final = "metering.void.v1"

ResourceType = Literal[
    "addon",
    "external-addon",
    "harness",
    "job",
    "llm-model-deployment",
    "opentofu-job",
    "service",
    "volume",
]
RESOURCE_TYPES: Final[tuple[str, ...]] = get_args(ResourceType)

# The values of `gpuCapacity`. Stored slices have null for the first, as for an absent one.
ON_DEMAND: Final = "on-demand"
SPOT: Final = "spot"
GPU_CAPACITIES: Final = (ON_DEMAND, SPOT)

# Price components in the document's order, each with its meter and its quantity's column.
PAAS_COMPONENTS: Final = {
    "cpu": ("paas.cpu", "cpu_millicores"),
    "memory": ("paas.memory", "memory_mib"),
    "storage": ("paas.storage", "storage_mib"),
    "gpu": ("paas.gpu", "gpu_milli"),
}
BYOC_COMPONENTS: Final = {
    "vcpu": ("byoc.vcpu", "vcpu_millicores"),
    "memory": ("byoc.memory", "memory_mib"),
    "gpuMemory": ("byoc.gpu_memory", "gpu_memory_mib"),
    "cluster": ("byoc.cluster", "cluster_count"),
}
# Column names of the components: snake_case, as every column.
PAAS_PRICES: Final = ("total", "cpu", "memory", "storage", "gpu")
BYOC_PRICES: Final = ("total", "vcpu", "memory", "gpu_memory", "cluster")

# Reported quantities by their columns (`<name>_nanohours`), in the order of the usage document: the
# key there, and the quantity's column. A GPU's capacity tells its two apart.
PAAS_HOURS: Final = {
    "cpu": ("vcpuHours", "cpu_millicores"),
    "memory": ("memoryGiBHours", "memory_mib"),
    "storage": ("storageGiBHours", "storage_mib"),
    "gpu_on_demand": ("gpuOnDemandHours", "gpu_milli"),
    "gpu_spot": ("gpuSpotHours", "gpu_milli"),
}
BYOC_HOURS: Final = {
    "vcpu": ("vcpuHours", "vcpu_millicores"),
    "memory": ("memoryGiBHours", "memory_mib"),
    "gpu_memory": ("gpuMemoryGiBHours", "gpu_memory_mib"),
    "cluster": ("clusterHours", "cluster_count"),
}
# How much of a quantity makes one unit, an hour of which is reported and priced.
UNIT_SIZES: Final = {
    "cpu_millicores": 1_000,
    "memory_mib": 1_024,
    "storage_mib": 1_024,
    "gpu_milli": 1_000,
    "vcpu_millicores": 1_000,
    "gpu_memory_mib": 1_024,
    "cluster_count": 1,
}
QUANTITIES: Final = tuple(UNIT_SIZES)
