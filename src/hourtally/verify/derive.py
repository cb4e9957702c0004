"""Derive one customer's hour from its usage: charges, quantities, every level above them.

Each level is summed from the resources, not from the level below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Final

from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS, RESOURCE_EVENT
from hourtally.verify.pricing import Pricing
from hourtally.verify.slices import Usage

Ids = tuple[str, ...]
"""Of a resource: team, project, type, id, or the first of these. Of a cluster: its id."""
Figures = tuple[int, ...]
"""Nanocents: the total, then the components in document order; then nano-hours."""
Row = tuple[object, ...]

_PAAS_USAGE: Final = attrgetter(*(f"{quantity}_ms" for _, quantity in PAAS_COMPONENTS.values()))
_BYOC_USAGE: Final = attrgetter(*(f"{quantity}_ms" for _, quantity in BYOC_COMPONENTS.values()))
PAAS_KEYS: Final = ("total", *PAAS_COMPONENTS)
BYOC_KEYS: Final = ("total", *BYOC_COMPONENTS)
# How many figures are prices; the others are quantities.
PRICES: Final = len(PAAS_KEYS)
_PAAS_FIGURES: Final = PRICES + 5
_BYOC_FIGURES: Final = PRICES + 4
_NANO: Final = 10**9
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True)
class DerivedHour:
    """One customer's hour.

    tables: sorted rows with the columns of the schemas; those of `customers` lack the places of
    documents. figures: of every level by the first ids of its resources; () is the customer.
    levels: these ids by their number, sorted.
    clusters: figures of each. names: by ids.
    """

    timestamp: int
    customer_id: str
    tables: dict[str, list[Row]]
    paas: Figures
    byoc: Figures
    figures: dict[Ids, Figures]
    levels: dict[int, list[Ids]]
    clusters: dict[Ids, Figures]
    resource_names: Callable[[Ids], str]
    cluster_names: Callable[[Ids], str]


@dataclass
class _Ledger:
    """Usage, exact charges and names of resources or of clusters, by their ids.

    exact: nanocents times the denominator of `pricing`. units: of the reported quantities, how much
    of each makes one. spot_gpus: the usage of `gpu_milli` that is of spot GPUs, which reported
    quantities tell apart as the last one; None for clusters.
    """

    pricing: Pricing

    quantities: Callable[[Usage], tuple[int, ...]]
    units: tuple[int, ...]
    spot_gpus: dict[Ids, int] | None
    usage: dict[Ids, list[int]] = field(default_factory=dict)
    exact: dict[Ids, list[int]] = field(default_factory=dict)
    names: dict[Ids, tuple[int, str]] = field(default_factory=dict)

    def add(self, ids: Ids, row: Usage) -> None:
        """Add a row of usage."""
        used = list(self.quantities(row))
        charges = self.pricing.charges(row, used)
        if self.spot_gpus is not None:
            is_spot = row.gpu_capacity == "spot"
            self.spot_gpus[ids] = self.spot_gpus.get(ids, 0) + is_spot * row.gpu_milli_ms
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

    def figures(self) -> dict[Ids, Figures]:
        """The rounded charges and quantities, in UTF-8 byte order of the ids."""
        figures = {}
        # Code points sort like their UTF-8 bytes.
        for ids in sorted(self.exact):
            used = tuple(self.usage[ids])
            if self.spot_gpus is not None:
                spot = self.spot_gpus[ids]
                used = (*used[:-1], used[-1] - spot, spot)
            exact = tuple(self.exact[ids])
            figures[ids] = _figures(exact, self.pricing.denominator, used, self.units)
        return figures


# In most hours they are those of the hour before.
@lru_cache(1 << 15)
def _figures(
    exact: tuple[int, ...], denominator: int, used: tuple[int, ...], units: tuple[int, ...]
) -> Figures:
    """Rounded charges, and the nano-hours of each quantity."""
    parts = [_rounded(charge, denominator) for charge in exact]
    hours = [_rounded(u * _NANO, unit * _HOUR_MS) for u, unit in zip(used, units, strict=True)]
    return (sum(parts), *parts, *hours)


def _rounded(numerator: int, denominator: int) -> int:
    """A fraction that is not negative, rounded half to even."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def derive(
    timestamp: int, customer_id: str, usage: Iterable[Usage], pricing: Pricing
) -> DerivedHour:
    """Derive the hour of one customer from all its rows of usage."""
    resources = _Ledger(pricing, _PAAS_USAGE, (1000, 1024, 1024, 1000, 1000), {})
    clusters = _Ledger(pricing, _BYOC_USAGE, (1000, 1024, 1024, 1), None)
    for row in usage:
        if row.event_type == RESOURCE_EVENT:
            ids = (str(row.team_id), str(row.project_id), str(row.resource_type), row.resource_id)
            resources.add(ids, row)
            resources.add_name(ids[:1], row.team_name, row.last_end_ms)
            resources.add_name(ids[:2], row.project_name, row.last_end_ms)
            resources.add_name(ids, row.resource_name, row.last_end_ms)
        else:
            clusters.add((row.resource_id,), row)
            clusters.add_name((row.resource_id,), row.resource_name, row.last_end_ms)
    charged, clustered = resources.figures(), clusters.figures()
    sums = _sums(charged)
    paas, byoc = sums[()], add_figures([(0,) * _BYOC_FIGURES, *clustered.values()])
    levels: dict[int, list[Ids]] = {0: [], 1: [], 2: [], 3: [], 4: []}
    for level in sums:
        levels[len(level)].append(level)
    named = resources.name
    tables: dict[str, list[Row]] = {
        "charges": [
            (customer_id, *ids, named(ids), *figures, *resources.usage[ids])
            for ids, figures in charged.items()
        ],
        "clusters": [
            (customer_id, *ids, clusters.name(ids), *figures, *clusters.usage[ids])
            for ids, figures in clustered.items()
        ],
        "types": [(customer_id, *ids, *sums[ids]) for ids in levels[3]],
        "projects": [(customer_id, *ids, named(ids), *sums[ids]) for ids in levels[2]],
        "teams": [(customer_id, *ids, named(ids), *sums[ids]) for ids in levels[1]],
        "customers": [
            (customer_id, *paas[:PRICES], *byoc[:PRICES], *paas[PRICES:], *byoc[PRICES:])
        ],
    }
    return DerivedHour(
        timestamp, customer_id, tables, paas, byoc, sums, levels, clustered, named, clusters.name
    )


def _sums(charged: dict[Ids, Figures]) -> dict[Ids, Figures]:
    """The figures of every level, by the first ids of its resources; () is the customer. Sorted."""
    by_level: dict[Ids, list[Figures]] = {(): [(0,) * _PAAS_FIGURES]}
    for ids, figures in charged.items():
        for depth in range(len(ids) + 1):
            by_level.setdefault(ids[:depth], []).append(figures)
    return {ids: add_figures(several) for ids, several in by_level.items()}


def add_figures(several: list[Figures]) -> Figures:
    """The sum of at least one tuple of figures, one by one."""
    return tuple(map(sum, zip(*several, strict=True)))
