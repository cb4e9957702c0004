"""The oracle's documents: names, sums and canonical JSON, spelled out level by level."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Key = tuple[str, ...]
Prices = dict[str, int]
Hours = dict[str, int]
"""Nano-hours by the keys of the usage document."""

PAAS = ("cpu", "memory", "storage", "gpu")
BYOC = ("vcpu", "memory", "gpuMemory", "cluster")

# Reported quantities: the component, how much of it makes one unit, and of GPUs the capacity.
PAAS_HOURS: dict[str, tuple[str, int, str | None]] = {
    "vcpuHours": ("cpu", 1_000, None),
    "memoryGiBHours": ("memory", 1_024, None),
    "storageGiBHours": ("storage", 1_024, None),
    "gpuOnDemandHours": ("gpu", 1_000, "on-demand"),
    "gpuSpotHours": ("gpu", 1_000, "spot"),
}
BYOC_HOURS: dict[str, tuple[str, int, str | None]] = {
    "vcpuHours": ("vcpu", 1_000, None),
    "memoryGiBHours": ("memory", 1_024, None),
    "gpuMemoryGiBHours": ("gpuMemory", 1_024, None),
    "clusterHours": ("cluster", 1, None),
}

# Below a customer: the array, the key of an item's id, and the level that a name belongs to.
LEVELS = (
    ("teams", "id", "team"),
    ("projects", "id", "project"),
    ("resourceTypes", "resourceType", None),
    ("resources", "id", "resource"),
)


def document(
    customer: str,
    timestamp: int,
    charges: dict[Key, Prices],
    clusters: dict[Key, Prices],
    names: dict[Key, str],
) -> bytes:
    """The canonical bytes of one customer's hour.

    Args:
        customer: its id.
        timestamp: the hour's start in Unix seconds.
        charges: by (customer, team, project, type, resource).
        clusters: by (customer, cluster).
        names: by (level, customer, team[, project[, type, resource]]), where there is one.
    """
    paas, byoc = price(below(charges, (customer,)), PAAS), price(below(clusters, (customer,)), BYOC)
    text = (
        f'{{"data":{{"timestamp":{timestamp},'
        f'"paasUsage":{{"price":{paas},{_children(charges, names, (customer,))}}},'
        f'"byocUsage":{{"price":{byoc}}}}}}}'
    )
    return text.encode()


def usage_document(
    customer: str,
    timestamp: int,
    currency: str,
    charges: dict[Key, Prices],
    clusters: dict[Key, Prices],
    hours: dict[Key, Hours],
    names: dict[Key, str],
) -> bytes:
    """The canonical bytes of one customer's usage document; arguments as of `document`.

    hours: nano-hours by the key of a resource or a cluster.
    """
    paas, byoc = below(charges, (customer,)), below(clusters, (customer,))
    total = sums(paas, PAAS)["total"] + sums(byoc, BYOC)["total"]
    of_clusters = []
    for key in sorted((k for k in clusters if k[0] == customer), key=lambda k: k[1].encode()):
        name = names.get(("cluster", *key), key[1])
        of_clusters.append(
            f'{{"id":{text_of(key[1])},"name":{text_of(name)},'
            f'"price":{_price_in_units([clusters[key]], BYOC)},'
            f'"usage":{_quantities([hours[key]], BYOC_HOURS)}}}'
        )
    paas_hours = {key: row for key, row in hours.items() if key in charges}
    byoc_hours = [row for key, row in hours.items() if key in clusters and key[0] == customer]
    text = (
        f'{{"data":{{"timestamp":{timestamp},"currency":{text_of(currency.lower())},'
        f'"scope":{{"entityType":"team","entityId":{text_of(customer)}}},'
        f'"total":{units(total)},'
        f'"paas":{{"price":{_price_in_units(paas, PAAS)},'
        f'"usage":{_quantities(below(paas_hours, (customer,)), PAAS_HOURS)},'
        f"{_usage_children(charges, paas_hours, names, (customer,))}}},"
        f'"byoc":{{"price":{_price_in_units(byoc, BYOC)},'
        f'"usage":{_quantities(byoc_hours, BYOC_HOURS)},"clusters":[{",".join(of_clusters)}]}}}}}}'
    )
    return text.encode()


def _usage_children(
    charges: dict[Key, Prices], hours: dict[Key, Hours], names: dict[Key, str], prefix: Key
) -> str:
    """As `_children`, with the figures of the usage document."""
    depth = len(prefix)
    array, id_key, level = LEVELS[depth - 1]
    items = []
    for id_ in sorted({key[depth] for key in charges if key[:depth] == prefix}, key=str.encode):
        key = (*prefix, id_)
        members = [f'"{id_key}":{text_of(id_)}']
        if level is not None:
            members.append(f'"name":{text_of(names.get((level, *key), id_))}')
        members.append(f'"price":{_price_in_units(below(charges, key), PAAS)}')
        members.append(f'"usage":{_quantities(below(hours, key), PAAS_HOURS)}')
        if depth < len(LEVELS):
            members.append(_usage_children(charges, hours, names, key))
        items.append("{" + ",".join(members) + "}")
    return f'"{array}":[{",".join(items)}]'


def _price_in_units(rows: Iterable[Prices], components: Iterable[str]) -> str:
    pairs = (f'"{name}":{units(value)}' for name, value in sums(rows, components).items())
    return "{" + ",".join(pairs) + "}"


def _quantities(rows: Iterable[Hours], keys: Iterable[str]) -> str:
    several = list(rows)
    pairs = (f'"{key}":{cents(sum(row[key] for row in several))}' for key in keys)
    return "{" + ",".join(pairs) + "}"


def units(nanocents: int) -> str:
    """Nanocents in units of the currency: a hundredth of `cents`."""
    digits = f"{nanocents:012d}"
    return f"{digits[:-11]}.{digits[-11:]}".rstrip("0").rstrip(".")


def totals(charges: dict[Key, Prices], clusters: dict[Key, Prices]) -> dict[str, Any]:
    """The hour's exact totals in nanocents, over all customers."""
    paas, byoc = sums(charges.values(), PAAS), sums(clusters.values(), BYOC)
    return {"paas": paas, "byoc": byoc, "total": paas["total"] + byoc["total"]}


def below(rows: dict[Key, Prices], prefix: Key) -> list[Prices]:
    """The rows whose key begins with a prefix."""
    return [row for key, row in rows.items() if key[: len(prefix)] == prefix]


def sums(rows: Iterable[Prices], components: Iterable[str]) -> Prices:
    """Each component summed over the rows, and before them their total."""
    several = list(rows)
    by_component = {name: sum(row[name] for row in several) for name in components}
    return {"total": sum(by_component.values()), **by_component}


def price(rows: Iterable[Prices], components: Iterable[str]) -> str:
    """The JSON object of such sums, in cents."""
    pairs = (f'"{name}":{cents(value)}' for name, value in sums(rows, components).items())
    return "{" + ",".join(pairs) + "}"


def cents(nanocents: int) -> str:
    """Nanocents as cents in a JSON number: exact, no exponent, no trailing zeros.

    Nano-hours as hours alike.
    """
    digits = f"{nanocents:010d}"
    return f"{digits[:-9]}.{digits[-9:]}".rstrip("0").rstrip(".")


def text_of(value: str) -> str:
    r"""JSON text with only `"`, `\` and U+0000 to U+001F escaped."""
    return json.dumps(value, ensure_ascii=False)


def _children(charges: dict[Key, Prices], names: dict[Key, str], prefix: Key) -> str:
    """The array of what lies right below a key, by id in UTF-8 byte order."""
    depth = len(prefix)
    array, id_key, level = LEVELS[depth - 1]
    items = []
    for id_ in sorted({key[depth] for key in charges if key[:depth] == prefix}, key=str.encode):
        key = (*prefix, id_)
        members = [f'"{id_key}":{text_of(id_)}']
        if level is not None:
            members.append(f'"name":{text_of(names.get((level, *key), id_))}')
        members.append(f'"price":{price(below(charges, key), PAAS)}')
        if depth < len(LEVELS):
            members.append(_children(charges, names, key))
        items.append("{" + ",".join(members) + "}")
    return f'"{array}":[{",".join(items)}]'
