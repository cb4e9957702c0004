"""The documents of a customer without events in a published hour."""

from __future__ import annotations

import json


def zero_document(timestamp: int) -> bytes:
    """The document in cents."""
    return (
        b'{"data":{"timestamp":%d,"paasUsage":{"price":'
        b'{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"teams":[]},"byocUsage":{"price":'
        b'{"total":0,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0}}}}'
    ) % timestamp


def zero_usage_document(timestamp: int, customer: str, currency: str) -> bytes:
    """The usage document; currency: of the hour's rate card."""
    # No stored id has a surrogate, which a command line in Latin-1 may.
    id_ = json.dumps(customer, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return (
        b'{"data":{"timestamp":%d,"currency":%b,"scope":{"entityType":"team","entityId":%b},'
        b'"total":0,"paas":{"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},'
        b'"usage":{"vcpuHours":0,"memoryGiBHours":0,"storageGiBHours":0,"gpuOnDemandHours":0,'
        b'"gpuSpotHours":0},"teams":[]},"byoc":{"price":{"total":0,"vcpu":0,"memory":0,'
        b'"gpuMemory":0,"cluster":0},"usage":{"vcpuHours":0,"memoryGiBHours":0,'
        b'"gpuMemoryGiBHours":0,"clusterHours":0},"clusters":[]}}}'
    ) % (timestamp, json.dumps(currency.lower()).encode(), id_)
