"""What an hour must come to, worked out as naively as the contract reads.

Plain dicts and fractions, one event at a time: no frames, no SQL, no import from the product,
so that agreement between the two means something. It takes only events that break no rule of
quarantine and raises `Unrated` where usage above zero has no rate.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.support.oracle.document import Key, Prices, document, totals
from tests.support.oracle.events import CLUSTER, HOUR_MS, RESOURCE, Event, read_event

NANOCENTS_PER_CENT = 10**9

# component -> (meter, quantity), in the document's order
PAAS = {
    "cpu": ("paas.cpu", "cpuMillicores"),
    "memory": ("paas.memory", "memoryMiB"),
    "storage": ("paas.storage", "storageMiB"),
    "gpu": ("paas.gpu", "gpuMilli"),
}
BYOC = {
    "vcpu": ("byoc.vcpu", "vcpuMillicores"),
    "memory": ("byoc.memory", "memoryMiB"),
    "gpuMemory": ("byoc.gpu_memory", "gpuMemoryMiB"),
    "cluster": ("byoc.cluster", "clusterCount"),
}
COMPONENTS = {RESOURCE: PAAS, CLUSTER: BYOC}

# level -> (how much of a resource's key is the id of that level, field of its name)
NAMED = {
    RESOURCE: {
        "team": (2, "teamName"),
        "project": (3, "projectName"),
        "resource": (5, "resourceName"),
    },
    CLUSTER: {"cluster": (2, "clusterName")},
}

# The heaviest first: one selector outweighs all that follow it.
SELECTORS = ("customer", "gpu_model", "resource_type", "region")


class Unrated(Exception):
    """Usage above zero for which no rate is in force."""


@dataclass(frozen=True)
class Slice:
    """The part of an event inside the hour."""

    event: Event
    start: int
    end: int


@dataclass(frozen=True)
class Rate:
    """One rate of the card. `end` None: open."""

    meter: str
    nanocents_per_unit_ms: Fraction
    selectors: dict[str, str]
    start: int
    end: int | None


@dataclass
class OracleHour:
    """What one hour comes to.

    documents: by customer. conflicts: identities that were said to be different things.
    duplicates: slices left out because another file has said the same. charges (nanocents),
    usage (quantity × milliseconds): by component, by the key of a resource or cluster. names:
    by level and key.
    """

    documents: dict[str, bytes]
    conflicts: list[tuple[str, str]]
    duplicates: int
    totals: dict[str, Any]
    charges: dict[Key, Prices]
    clusters: dict[Key, Prices]
    usage: dict[Key, dict[str, int]]
    names: dict[Key, str]


def oracle(
    files: Sequence[Iterable[dict[str, Any] | bytes]], rates: str, timestamp: int
) -> OracleHour:
    """One hour of these files under this rate card.

    Args:
        files: each file's events, as objects or as their lines; no two files of equal bytes.
        rates: the rate card as TOML.
        timestamp: the hour's start in Unix seconds.
    """
    start, end = timestamp * 1_000, timestamp * 1_000 + HOUR_MS
    distinct: dict[tuple[Any, ...], Event] = {}
    duplicates = 0
    for lines in files:
        events = _once_each([read_event(line) for line in lines])
        events = [e for e in events if e.fields["start"] < end and e.fields["end"] > start]
        duplicates += sum((e.identity, e.content) in distinct for e in events)
        for event in events:
            _keep_earliest(distinct, event)

    by_identity: dict[tuple[str, str], list[Event]] = {}
    for event in distinct.values():
        by_identity.setdefault(event.identity, []).append(event)
    counted = [min(events, key=lambda e: e.rank) for events in by_identity.values()]
    slices = [Slice(e, max(e.fields["start"], start), min(e.fields["end"], end)) for e in counted]

    card = read_rates(rates)
    charges = _charges([s for s in slices if s.event.type == RESOURCE], card)
    clusters = _charges([s for s in slices if s.event.type == CLUSTER], card)
    names = _names(slices)
    customers = sorted({s.event.fields["customerId"] for s in slices}, key=str.encode)
    return OracleHour(
        documents={c: document(c, timestamp, charges, clusters, names) for c in customers},
        conflicts=sorted(i for i, events in by_identity.items() if len(events) > 1),
        duplicates=duplicates,
        totals=totals(charges, clusters),
        charges=charges,
        clusters=clusters,
        usage=_usage(slices),
        names=names,
    )


def _once_each(events: list[Event]) -> list[Event]:
    """A file's events without its own repetitions, which are no duplicates of the hour."""
    distinct: dict[tuple[Any, ...], Event] = {}
    for event in events:
        _keep_earliest(distinct, event)
    return list(distinct.values())


def _keep_earliest(distinct: dict[tuple[Any, ...], Event], event: Event) -> None:
    key = (event.identity, event.content)
    if key not in distinct or event.rank < distinct[key].rank:
        distinct[key] = event


def read_rates(text: str) -> list[Rate]:
    """The rates of a card, each with the end that stands for an absent `active_until`."""
    card = tomllib.loads(text)
    records = [(_selectors(record), record) for record in card["rate"]]
    rates = []
    for selectors, record in records:
        start = _toml_ms(record["active_from"])
        later = [
            _toml_ms(other["active_from"])
            for others, other in records
            if other["meter"] == record["meter"]
            and others == selectors
            and _toml_ms(other["active_from"]) > start
        ]
        until = record.get("active_until")
        unit, length = record["per"].split("-")
        hours = 1 if length == "hour" else card["month_hours"]
        size = {"vcpu": 1_000, "gpu": 1_000, "gib": 1_024, "cluster": 1}[unit]
        per_cent = Fraction(record["price_cents"]) / (size * hours * HOUR_MS)
        end = min(later, default=None) if until is None else _toml_ms(until)
        rates.append(Rate(record["meter"], per_cent * NANOCENTS_PER_CENT, selectors, start, end))
    return rates


def _selectors(record: dict[str, Any]) -> dict[str, str]:
    return {name: record[name] for name in SELECTORS if name in record}


def _toml_ms(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def _rate_at(card: list[Rate], meter: str, event: Event, moment: int) -> Rate:
    """The most specific of the rates that match at an instant."""
    resource = {
        "customer": event.fields["customerId"],
        "gpu_model": event.fields.get("gpuModel"),
        "resource_type": event.fields.get("resourceType"),
        "region": event.fields["region"],
    }
    matching = [
        rate
        for rate in card
        if rate.meter == meter
        and rate.start <= moment
        and (rate.end is None or moment < rate.end)
        and all(resource[name] == value for name, value in rate.selectors.items())
    ]
    if not matching:
        message = f"no rate of {meter} for {event} at {moment}"
        raise Unrated(message)
    return max(matching, key=lambda rate: [name in rate.selectors for name in SELECTORS])


def _exact(part: Slice, meter: str, quantity: int, card: list[Rate]) -> Fraction:
    """Exact nanocents of one component of one slice, cut wherever a rate starts or ends."""
    if quantity == 0:
        return Fraction(0)
    borders = {moment for rate in card for moment in (rate.start, rate.end) if moment is not None}
    inside = sorted(moment for moment in borders if part.start < moment < part.end)
    cuts = [part.start, *inside, part.end]
    return sum(
        (
            quantity
            * (end - start)
            * _rate_at(card, meter, part.event, start).nanocents_per_unit_ms
            for start, end in itertools.pairwise(cuts)
        ),
        Fraction(0),
    )


def resource_key(event: Event) -> Key:
    """What is charged as one: (customer, cluster) or (customer, team, project, type, id)."""
    if event.type == CLUSTER:
        names = ["customerId", "clusterId"]
    else:
        names = ["customerId", "teamId", "projectId", "resourceType", "resourceId"]
    return tuple(event.fields[name] for name in names)


def _charges(slices: list[Slice], card: list[Rate]) -> dict[Key, Prices]:
    """Nanocents of every resource by component: summed exactly, rounded once."""
    exact: dict[Key, dict[str, Fraction]] = {}
    for part in slices:
        components = COMPONENTS[part.event.type]
        sums = exact.setdefault(resource_key(part.event), dict.fromkeys(components, Fraction(0)))
        for component, (meter, quantity) in components.items():
            sums[component] += _exact(part, meter, part.event.fields[quantity], card)
    return {
        key: {component: _half_even(value) for component, value in sums.items()}
        for key, sums in exact.items()
    }


def _usage(slices: list[Slice]) -> dict[Key, dict[str, int]]:
    """Quantity × milliseconds of every resource and cluster by component, free or not."""
    usage: dict[Key, dict[str, int]] = {}
    for part in slices:
        components = COMPONENTS[part.event.type]
        sums = usage.setdefault(resource_key(part.event), dict.fromkeys(components, 0))
        for component, (_, quantity) in components.items():
            sums[component] += part.event.fields[quantity] * (part.end - part.start)
    return usage


def _half_even(exact: Fraction) -> int:
    below, rest = divmod(exact, 1)
    if rest == Fraction(1, 2):
        return int(below) + int(below) % 2
    return int(below) + (rest > Fraction(1, 2))


def _names(slices: list[Slice]) -> dict[Key, str]:
    """The name that stands for each id of the hour that has one.

    By (level, customer, team[, project[, type, resource]]) and (level, customer, cluster).
    """
    best: dict[Key, tuple[int, bytes]] = {}
    for part in slices:
        key = resource_key(part.event)
        for level, (depth, field) in NAMED[part.event.type].items():
            name = part.event.fields[field]
            if name:
                place = (level, *key[:depth])
                best[place] = max(best.get(place, (part.end, b"")), (part.end, name.encode()))
    return {place: name.decode() for place, (_, name) in best.items()}
