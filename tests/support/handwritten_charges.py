"""Charges and usage of an hour written down by hand, as rating and metering would give them."""

from __future__ import annotations

from typing import Any

import polars as pl

from hourtally.model.components import RESOURCE_EVENT
from hourtally.model.schemas import (
    CHARGES,
    CLUSTERS,
    RESOURCE_KEY,
    RESOURCE_ORDER,
    USAGE,
    hourly,
)

# 2026-11-22T13.
TIMESTAMP = 1_795_352_400

Ids = tuple[str, str, str, str, str]
# Prices in nanocents: cpu, memory, storage, gpu; of a cluster vcpu, memory, gpuMemory, cluster.
Parts = tuple[int, int, int, int]


def charges(rows: dict[Ids, Parts], **names: str) -> pl.DataFrame:
    """Charges by resource, none of which used anything; names by resource id, else the id."""
    none = (0,) * 5
    data = [
        (TIMESTAMP, *ids, names.get(ids[-1], ids[-1]), sum(parts), *parts, *none, 0, 0, 0, 0)
        for ids, parts in sorted(rows.items())
    ]
    return pl.DataFrame(data, hourly(CHARGES), orient="row")


def clusters(rows: dict[tuple[str, str], Parts]) -> pl.DataFrame:
    """Charges by customer and cluster, none of which used anything."""
    none = (0,) * 4
    data = [
        (TIMESTAMP, *ids, ids[-1], sum(parts), *parts, *none, 0, 0, 0, 0)
        for ids, parts in sorted(rows.items())
    ]
    return pl.DataFrame(data, hourly(CLUSTERS), orient="row")


def usage(rows: list[Ids], **names: str) -> pl.DataFrame:
    """Usage of resources, all by the same names."""
    blank: dict[str, Any] = {name: 0 if name.endswith("_ms") else None for name in USAGE}
    blank |= {"timestamp": TIMESTAMP, "event_type": RESOURCE_EVENT, "period": 0}
    data = [{**blank, **names, **dict(zip(RESOURCE_KEY, ids, strict=True))} for ids in rows]
    return pl.DataFrame(data, schema=USAGE).sort(RESOURCE_ORDER)
