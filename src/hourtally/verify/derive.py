"""Derive one customer's hour from its usage: charges, every level above them, the document.

Each level is summed from the resources, not from the level below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import Final

from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS, RESOURCE_EVENT
from hourtally.verify.pricing import Pricing
from hourtally.verify.slices import Usage

Ids = tuple[str, ...]
"""Of a resource: team, project, type, id, or the first of these. Of a cluster: its id."""
Prices = tuple[int, ...]
"""Nanocents: the total, then the components in document order."""
Row = tuple[object, ...]

_PAAS_USAGE: Final = tuple(f"{quantity}_ms" for _, quantity in PAAS_COMPONENTS.values())
_BYOC_USAGE: Final = tuple(f"{quantity}_ms" for _, quantity in BYOC_COMPONENTS.values())
PAAS_KEYS: Final = ("total", *PAAS_COMPONENTS)
BYOC_KEYS: Final = ("total", *BYOC_COMPONENTS)
_TYPE_DEPTH: Final = 3
# The JSON key of the level below, by a level's depth in `Ids`.
_CHILDREN: Final = {1: "projects", 2: "resourceTypes", 3: "resources"}
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in range(0x20)} | str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


@dataclass(frozen=True)
class DerivedHour:
    """One customer's hour.

    tables: sorted rows with the columns of the schemas; those of `customers` lack offset, length
    and sha256.
    """

    customer_id: str
    tables: dict[str, list[Row]]
    paas: Prices
    byoc: Prices
    document: bytes


@dataclass
class _Ledger:
    """Usage, exact charges and names of resources or of clusters, by their ids."""

    quantities: tuple[str, ...]
    usage: dict[Ids, list[int]] = field(default_factory=dict)
    exact: dict[Ids, list[Fraction]] = field(default_factory=dict)
    names: dict[Ids, tuple[int, str]] = field(default_factory=dict)

    def add(self, ids: Ids, row: Usage, pricing: Pricing) -> None:
        """Add a row of usage."""
        used = [getattr(row, quantity) for quantity in self.quantities]
        charges = pricing.charges(row, used)
        if ids in self.usage:
            used = [a + b for a, b in zip(self.usage[ids], used, strict=True)]
            charges = [a + b for a, b in zip(self.exact[ids], charges, strict=True)]
        self.usage[ids] = used
        self.exact[ids] = charges

    def add_name(self, ids: Ids, name: str | None, until_ms: int) -> None:
        """Add a name used until an instant of the hour; the latest wins, then the greatest."""
        if name:
            self.names[ids] = max(self.names.get(ids, (until_ms, name)), (until_ms, name))

    def name(self, ids: Ids) -> str:
        """The name, else the id."""
        return self.names[ids][1] if ids in self.names else ids[-1]

    def prices(self) -> dict[Ids, Prices]:
        """The rounded charges, in UTF-8 byte order of the ids."""
        # Code points sort like their UTF-8 bytes; `round` rounds half to even.
        rounded = {ids: [round(exact) for exact in self.exact[ids]] for ids in sorted(self.exact)}
        return {ids: (sum(parts), *parts) for ids, parts in rounded.items()}


def derive(
    timestamp: int, customer_id: str, usage: Iterable[Usage], pricing: Pricing
) -> DerivedHour:
    """Derive the hour of one customer from all its rows of usage."""
    resources, clusters = _Ledger(_PAAS_USAGE), _Ledger(_BYOC_USAGE)
    for row in usage:
        if row.event_type == RESOURCE_EVENT:
            ids = (str(row.team_id), str(row.project_id), str(row.resource_type), row.resource_id)
            resources.add(ids, row, pricing)
            resources.add_name(ids[:1], row.team_name, row.last_end_ms)
            resources.add_name(ids[:2], row.project_name, row.last_end_ms)
            resources.add_name(ids, row.resource_name, row.last_end_ms)
        else:
            clusters.add((row.resource_id,), row, pricing)
            clusters.add_name((row.resource_id,), row.resource_name, row.last_end_ms)
    charged, clustered = resources.prices(), clusters.prices()
    sums = _sums(charged)
    byoc = add_prices([(0,) * len(BYOC_KEYS), *clustered.values()])
    paas = sums[()]
    teams = ",".join(_objects(list(charged), 1, sums, resources))
    document = (
        f'{{"data":{{"timestamp":{timestamp},"paasUsage":{{"price":{_object(PAAS_KEYS, paas)},'
        f'"teams":[{teams}]}},"byocUsage":{{"price":{_object(BYOC_KEYS, byoc)}}}}}}}'
    )
    levels = {depth: [ids for ids in sums if len(ids) == depth] for depth in (1, 2, 3)}
    tables: dict[str, list[Row]] = {
        "charges": [
            (customer_id, *ids, resources.name(ids), *prices, *resources.usage[ids])
            for ids, prices in charged.items()
        ],
        "clusters": [
            (customer_id, *ids, clusters.name(ids), *prices, *clusters.usage[ids])
            for ids, prices in clustered.items()
        ],
        "types": [(customer_id, *ids, *sums[ids]) for ids in levels[3]],
        "projects": [(customer_id, *ids, resources.name(ids), *sums[ids]) for ids in levels[2]],
        "teams": [(customer_id, *ids, resources.name(ids), *sums[ids]) for ids in levels[1]],
        "customers": [(customer_id, *paas, *byoc)],
    }
    return DerivedHour(customer_id, tables, paas, byoc, document.encode())


def document_line(customer_id: str, document: bytes) -> bytes:
    """The line of `documents.ndjson`."""
    return b'{"customerId":%b,"document":%b}\n' % (_text(customer_id).encode(), document)


def _sums(charged: dict[Ids, Prices]) -> dict[Ids, Prices]:
    """The prices of every level, by the first ids of its resources; () is the customer. Sorted."""
    by_level: dict[Ids, list[Prices]] = {(): [(0,) * len(PAAS_KEYS)]}
    for ids, prices in charged.items():
        for depth in range(len(ids) + 1):
            by_level.setdefault(ids[:depth], []).append(prices)
    return {ids: add_prices(prices) for ids, prices in by_level.items()}


def add_prices(prices: list[Prices]) -> Prices:
    """The sum of at least one price, component by component."""
    return tuple(map(sum, zip(*prices, strict=True)))


def _objects(
    resources: list[Ids], depth: int, sums: dict[Ids, Prices], ledger: _Ledger
) -> Iterator[str]:
    """The JSON objects of one level, from its sorted resources."""
    for ids, group in groupby(resources, key=lambda ids: ids[:depth]):
        if depth == _TYPE_DEPTH:
            head = f'"resourceType":{_text(ids[-1])}'
        else:
            head = f'"id":{_text(ids[-1])},"name":{_text(ledger.name(ids))}'
        inner = ""
        if depth in _CHILDREN:
            children = ",".join(_objects(list(group), depth + 1, sums, ledger))
            inner = f',"{_CHILDREN[depth]}":[{children}]'
        yield f'{{{head},"price":{_object(PAAS_KEYS, sums[ids])}{inner}}}'


def _object(keys: tuple[str, ...], prices: Prices) -> str:
    members = zip(keys, prices, strict=True)
    return "{" + ",".join(f'"{key}":{_cents(price)}' for key, price in members) + "}"


def _cents(nanocents: int) -> str:
    """A JSON number without trailing zeros."""
    if not nanocents:
        return "0"
    digits = f"{nanocents:010d}"
    return f"{digits[:-9]}.{digits[-9:]}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
