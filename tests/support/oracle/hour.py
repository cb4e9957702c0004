"""What an hour must come to, worked out as naively as the contract reads.

Plain dicts and fractions, one event at a time: no frames, no SQL, no import from the product,
so that agreement between the two means something. It takes only events that break no rule of
quarantine. Customers with usage above zero that has no rate are held: they come to nothing.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from tests.support.oracle.document import (
    BYOC_HOURS,
    PAAS_HOURS,
    Hours,
    Key,
    Prices,
    document,
    totals,
    usage_document,
)
from tests.support.oracle.events import CLUSTER, HOUR_MS, RESOURCE, Event, Void, read_statement
from tests.support.oracle.selection import Case, Gap, gaps, selection, used_pieces

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
SELECTORS = ("customer", "gpu_model", "gpu_capacity", "resource_type", "region")


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

    documents, usage_documents: by customer. conflicts: identities that were said to be different
    things. duplicates: slices left out because another file has said the same. losers: slices that
    do not count because of a conflict. charges (nanocents), usage (quantity × milliseconds): by
    component, by the key of a resource or cluster. hours (nano-hours): by the keys of the usage
    document, likewise. names: by level and key. voids: how many different ones touch the hour.
    voided: how many slices of the files they cancel. unmatched: how many of the voids cancel none.
    strays: identities with a slice of an interval that is none of their voids'.
    """

    documents: dict[str, bytes]
    conflicts: list[tuple[str, str]]
    duplicates: int
    totals: dict[str, Any]
    charges: dict[Key, Prices]
    clusters: dict[Key, Prices]
    usage: dict[Key, dict[str, int]]
    hours: dict[Key, Hours]
    usage_documents: dict[str, bytes]
    names: dict[Key, str]
    losers: int
    voids: int
    voided: int
    unmatched: int
    strays: list[tuple[str, str]]
    gaps: list[Gap]
    selection: dict[Case, list[tuple[int, int, Fraction | None]]]

    @property
    def held(self) -> list[str]:
        """The customers without figures, because some usage of theirs has no rate."""
        return sorted({gap.case[0] for gap in self.gaps}, key=str.encode)


def oracle(
    files: Sequence[Iterable[dict[str, Any] | bytes]], rates: str, timestamp: int
) -> OracleHour:
    """One hour of these files under this rate card.

    Args:
        files: each file's events and voids, as objects or lines; no two files of equal bytes.
        rates: the rate card as TOML.
        timestamp: the hour's start in Unix seconds.
    """
    start, end = timestamp * 1_000, timestamp * 1_000 + HOUR_MS
    read = [[read_statement(line) for line in lines] for lines in files]
    voids = {
        one
        for file in read
        for one in file
        if isinstance(one, Void) and one.start < end
        if one.end > start
    }
    voided_identities = {void.voided for void in voids}
    distinct: dict[tuple[Any, ...], Event] = {}
    voided: list[Event] = []
    duplicates = 0
    for file in read:
        events = _once_each([one for one in file if isinstance(one, Event)])
        events = [e for e in events if e.fields["start"] < end and e.fields["end"] > start]
        voided += [e for e in events if e.identity in voided_identities]
        events = [e for e in events if e.identity not in voided_identities]
        duplicates += sum((e.identity, e.content) in distinct for e in events)
        for event in events:
            _keep_earliest(distinct, event)

    by_identity: dict[tuple[str, str], list[Event]] = {}
    for event in distinct.values():
        by_identity.setdefault(event.identity, []).append(event)
    counted = [min(events, key=lambda e: e.rank) for events in by_identity.values()]
    slices = [Slice(e, max(e.fields["start"], start), min(e.fields["end"], end)) for e in counted]

    card = read_rates(rates)
    pieces = used_pieces(slices, COMPONENTS, _borders(card), partial(_price_at, card))
    found = gaps(pieces)
    held = {gap.case[0] for gap in found}
    slices = [s for s in slices if s.event.fields["customerId"] not in held]
    charges = _charges([s for s in slices if s.event.type == RESOURCE], card)
    clusters = _charges([s for s in slices if s.event.type == CLUSTER], card)
    names = _names(slices)
    hours = _hours(slices)
    currency = tomllib.loads(rates)["currency"]
    customers = sorted({s.event.fields["customerId"] for s in slices}, key=str.encode)
    return OracleHour(
        documents={c: document(c, timestamp, charges, clusters, names) for c in customers},
        conflicts=sorted(i for i, events in by_identity.items() if len(events) > 1),
        duplicates=duplicates,
        totals=totals(charges, clusters),
        charges=charges,
        clusters=clusters,
        usage=_usage(slices),
        hours=hours,
        usage_documents={
            c: usage_document(c, timestamp, currency, charges, clusters, hours, names)
            for c in customers
        },
        names=names,
        gaps=found,
        selection=selection(pieces),
        losers=len(distinct) - len(by_identity),
        voids=len(voids),
        voided=len(voided),
        unmatched=sum(void.voided not in {e.identity for e in voided} for void in voids),
        strays=_strays(voids, voided),
    )


def _strays(voids: set[Void], voided: list[Event]) -> list[tuple[str, str]]:
    """The voided identities of which some event has an interval that no void of it names."""
    named = {(void.voided, void.start, void.end) for void in voids}
    return sorted(
        {
            e.identity
            for e in voided
            if (e.identity, e.fields["start"], e.fields["end"]) not in named
        }
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
    records = [(_selectors(record), record) for record in card.get("rate", [])]
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


def _borders(card: list[Rate]) -> set[int]:
    """Every instant at which some rate starts or ends."""
    return {moment for rate in card for moment in (rate.start, rate.end) if moment is not None}


def _price_at(card: list[Rate], meter: str, event: Event, moment: int) -> Fraction | None:
    rate = _rate_at(card, meter, event, moment)
    return None if rate is None else rate.nanocents_per_unit_ms


def _rate_at(card: list[Rate], meter: str, event: Event, moment: int) -> Rate | None:
    """The most specific of the rates that match at an instant; None if none does."""
    resource = {
        "customer": event.fields["customerId"],
        "gpu_model": event.fields.get("gpuModel"),
        "gpu_capacity": event.fields.get("gpuCapacity") or "on-demand",
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
    return max(
        matching, key=lambda rate: [name in rate.selectors for name in SELECTORS], default=None
    )


def _exact(part: Slice, meter: str, quantity: int, card: list[Rate]) -> Fraction:
    """Exact nanocents of one component of one slice, cut wherever a rate starts or ends."""
    if quantity == 0:
        return Fraction(0)
    inside = sorted(moment for moment in _borders(card) if part.start < moment < part.end)
    cuts = [part.start, *inside, part.end]
    return sum(
        (
            quantity * (end - start) * (_price_at(card, meter, part.event, start) or Fraction(0))
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


def _hours(slices: list[Slice]) -> dict[Key, Hours]:
    """Nano-hours of every resource and cluster: summed exactly, rounded once."""
    exact: dict[Key, dict[str, Fraction]] = {}
    for part in slices:
        event = part.event
        reported = PAAS_HOURS if event.type == RESOURCE else BYOC_HOURS
        sums = exact.setdefault(resource_key(event), dict.fromkeys(reported, Fraction(0)))
        for key, (component, size, capacity) in reported.items():
            if capacity in {None, event.fields.get("gpuCapacity") or "on-demand"}:
                amount = event.fields[COMPONENTS[event.type][component][1]]
                sums[key] += Fraction(amount * (part.end - part.start) * 10**9, size * HOUR_MS)
    return {
        resource: {key: _half_even(value) for key, value in sums.items()}
        for resource, sums in exact.items()
    }


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
