"""What FOCUS calls the things that Hourtally prices: services, categories, units, meters."""

from __future__ import annotations

from typing import Final, NamedTuple

from hourtally.ratecard import BYOC_CLUSTER


class Service(NamedTuple):
    """A service by its name, category and subcategory; in the allowed values of FOCUS 1.2."""

    name: str
    category: str
    subcategory: str


SERVICES: Final = {
    "service": Service("Service", "Compute", "Containers"),
    "job": Service("Job", "Compute", "Containers"),
    "harness": Service("Harness", "Developer Tools", "Developer Platforms"),
    "addon": Service("Addon", "Databases", "Other (Databases)"),
    "volume": Service("Volume", "Storage", "Block Storage"),
    "opentofu-job": Service("OpenTofu Job", "Developer Tools", "Developer Platforms"),
    "llm-model-deployment": Service(
        "LLM Model Deployment", "AI and Machine Learning", "Generative AI"
    ),
    "external-addon": Service("External Addon", "Databases", "Other (Databases)"),
    BYOC_CLUSTER: Service("BYOC Cluster", "Compute", "Containers"),
}


def service_of(resource_type: str, category: str | None) -> Service:
    """The service of a resource type; category: the card's own, whose subcategory is "Other"."""
    service = SERVICES[resource_type]
    if category in {None, service.category}:
        return service
    return Service(service.name, str(category), f"Other ({category})")


class Metered(NamedTuple):
    """A component: what is metered, and the unit of its quantity. byoc: of clusters.

    quantities: the columns of its reported quantities, which add up.
    """

    meter: str
    name: str
    unit: str
    quantities: tuple[str, ...]


PAAS: Final = {
    "cpu": Metered("paas.cpu", "vCPU", "VCPU-Hours", ("cpu",)),
    "memory": Metered("paas.memory", "Memory", "GiB-Hours", ("memory",)),
    "storage": Metered("paas.storage", "Storage", "GiB-Hours", ("storage",)),
    "gpu": Metered("paas.gpu", "GPU", "GPU-Hours", ("gpu_on_demand", "gpu_spot")),
}
BYOC: Final = {
    "vcpu": Metered("byoc.vcpu", "vCPU", "VCPU-Hours", ("vcpu",)),
    "memory": Metered("byoc.memory", "Memory", "GiB-Hours", ("memory",)),
    "gpu_memory": Metered("byoc.gpu_memory", "GPU memory", "GiB-Hours", ("gpu_memory",)),
    "cluster": Metered("byoc.cluster", "Cluster", "Cluster-Hours", ("cluster",)),
}
