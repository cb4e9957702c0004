"""The oracle's selection: what a card says to each customer's usage, instant by instant.

Every customer by itself, whether or not a rate names it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from tests.support.oracle.events import RESOURCE, Event

Case = tuple[Any, ...]
"""customer, meter, type, region, model, capacity."""
PriceAt = Callable[[str, Event, int], Fraction | None]
"""The price of a unit and millisecond of a meter for an event at an instant, or none."""


class Slice(Protocol):
    """The part of an event inside the hour."""

    @property
    def event(self) -> Event: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True)
class Gap:
    """A customer's usage without a rate: a row of `held.parquet`, but for the batch."""

    case: Case
    start: int
    end: int
    resources: int
    example: tuple[Any, ...]

    @property
    def row(self) -> tuple[Any, ...]:
        """The columns of the row."""
        return (*self.case, self.start, self.end, self.resources, *self.example)


def used_pieces(
    slices: Iterable[Slice], components: dict[str, Any], borders: set[int], price_at: PriceAt
) -> dict[Case, list[tuple[int, int, Fraction | None, Event]]]:
    """The parts of slices with a quantity above zero, cut wherever a rate starts or ends."""
    pieces: dict[Case, list[tuple[int, int, Fraction | None, Event]]] = {}
    for part in slices:
        event = part.event
        for meter, quantity in components[event.type].values():
            if not event.fields[quantity]:
                continue
            inside = sorted(moment for moment in borders if part.start < moment < part.end)
            for start, end in itertools.pairwise([part.start, *inside, part.end]):
                price = price_at(meter, event, start)
                pieces.setdefault(case_of(meter, event), []).append((start, end, price, event))
    return pieces


def case_of(meter: str, event: Event) -> Case:
    """What a rate selects on, for usage of a meter; only GPUs have a capacity."""
    capacity = None
    if meter == "paas.gpu":
        capacity = event.fields.get("gpuCapacity") or "on-demand"
    fields = ("resourceType", "region", "gpuModel")
    return (event.fields["customerId"], meter, *(event.fields.get(f) for f in fields), capacity)


def selection(
    pieces: dict[Case, list[tuple[int, int, Fraction | None, Event]]],
) -> dict[Case, list[tuple[int, int, Fraction | None]]]:
    """The price at every instant at which a case has usage, in the longest parts of one price."""
    selected = {}
    for case, parts in pieces.items():
        edges = sorted({edge for start, end, *_ in parts for edge in (start, end)})
        merged: list[tuple[int, int, Fraction | None]] = []
        for start, end in itertools.pairwise(edges):
            prices = {price for s, e, price, _ in parts if s <= start and e >= end}
            if not prices:
                continue
            [price] = prices
            if merged and merged[-1][1:] == (start, price):
                merged[-1] = (merged[-1][0], end, price)
            else:
                merged.append((start, end, price))
        selected[case] = merged
    return selected


def gaps(pieces: dict[Case, list[tuple[int, int, Fraction | None, Event]]]) -> list[Gap]:
    """The usage without a rate, in the order of its rows: nulls first, texts by UTF-8 bytes."""
    found = []
    for case, parts in pieces.items():
        unrated = [part for part in parts if part[2] is None]
        for start, end in _union([part[:2] for part in unrated]):
            events = [event for s, e, _, event in unrated if start <= s and e <= end]
            ids = {_ids(event) for event in events}
            examples = {_example(event) for event in events}
            found.append(Gap(case, start, end, len(ids), min(examples, key=_order)))
    return sorted(found, key=lambda gap: _order((*gap.case, gap.start, gap.end)))


def _union(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _ids(event: Event) -> tuple[Any, ...]:
    if event.type != RESOURCE:
        return (event.fields["clusterId"],)
    names = ("teamId", "projectId", "resourceType", "resourceId")
    return tuple(event.fields[name] for name in names)


def _example(event: Event) -> tuple[Any, ...]:
    if event.type != RESOURCE:
        return (None, None, event.fields["clusterId"])
    return tuple(event.fields[name] for name in ("teamId", "projectId", "resourceId"))


def _order(values: Iterable[Any]) -> list[tuple[bool, Any]]:
    return [
        (value is not None, value.encode() if isinstance(value, str) else value or 0)
        for value in values
    ]
