"""Gaps: usage above zero without a rate, and the rates that would close them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hourtally.model.hours import HOUR_MS, format_instant, parse_instant_ms
from hourtally.ratecard.card import METERS, SELECTORS, Rate, RateCard
from hourtally.ratecard.fields import is_selectable
from hourtally.ratecard.spelling import nearest_spelling

_SELECTED: Final = ("gpu_model", "gpu_capacity", "resource_type", "region")


@dataclass(frozen=True)
class Gap:
    """A row of `held.parquet`: a customer's usage of one meter and selectors without a rate.

    [from_ms, until_ms) is the span of it. resources: how many; the ids after it are of one of
    them, and batch names an ingest record that has it.
    """

    customer_id: str
    meter: str
    resource_type: str | None
    region: str | None
    gpu_model: str | None
    gpu_capacity: str | None
    from_ms: int
    until_ms: int
    resources: int
    team_id: str | None
    project_id: str | None
    resource_id: str
    batch: str

    @classmethod
    def from_manifest(cls, listed: Mapping[str, Any]) -> Gap:
        """A gap as a manifest lists it."""
        values = dict(listed)
        for end in ("from", "until"):
            values[f"{end}_ms"] = parse_instant_ms(values.pop(end))
        return cls(**values)

    def selector(self, name: str) -> str | None:
        """What a rate with this selector must name to match."""
        value = self.customer_id if name == "customer" else getattr(self, name)
        return None if value is None else str(value)

    def __str__(self) -> str:
        """One line with what the missing rate must match, and an example."""
        named = [(name, value) for name in _SELECTED if (value := self.selector(name)) is not None]
        selectors = ", ".join(f"{name} = {value!r}" for name, value in named)
        kind = "clusters" if self.meter.startswith("byoc.") else "resources"
        return (
            f"meter {self.meter!r} ({selectors or 'any selectors'}) from "
            f"{format_instant(self.from_ms)} until {format_instant(self.until_ms)}: "
            f"{self.resources} {kind[:-1] if self.resources == 1 else kind}, for example "
            f"{self.resource_id!r} of batch {self.batch}"
        )


@dataclass(frozen=True)
class SuggestedRate:
    """A rate that closes gaps, but for its price.

    block: TOML to add to the card. example: one of the gaps. customers, hours: of all of them.
    [from_ms, until_ms) spans them. spellings: selector, what the usage has, what the card has that
    is spelt nearly so.
    """

    block: str
    example: Gap
    customers: int
    hours: int
    from_ms: int
    until_ms: int
    spellings: tuple[tuple[str, str, str], ...]


class _Gaps:
    """The gaps that one rate closes, summed up."""

    def __init__(self, example: Gap) -> None:
        self.example = example
        self.customers: set[str] = set()
        self.hours: set[int] = set()
        self.from_ms, self.until_ms = example.from_ms, example.until_ms

    def add(
        self, customers: Iterable[str], hours: Iterable[int], from_ms: int, until_ms: int
    ) -> None:
        self.customers.update(customers)
        self.hours.update(hours)
        self.from_ms = min(self.from_ms, from_ms)
        self.until_ms = max(self.until_ms, until_ms)


class Suggestions:
    """The fewest rates that close the gaps of usage, once their prices are filled in.

    They have the selectors that some rate of the meter uses; `customer` only if all its rates
    name one. A rate starts with the hour of the first usage, or when the last rate with the same
    selectors ended, if that is later; so it overlaps none. Memory is bounded by the suggested
    rates, and by the customers and hours of each.
    """

    def __init__(self, card: RateCard) -> None:
        self._taken = {rate.id for rate in card.rates}
        self._of_meter = {meter: [r for r in card.rates if r.meter == meter] for meter in METERS}
        self._names = {meter: _selector_names(rates) for meter, rates in self._of_meter.items()}
        self._ends: dict[tuple[str, tuple[str | None, ...]], list[int]] = {}
        for rate in card.rates:
            ends = self._ends.setdefault((rate.meter, rate.selectors), [])
            if rate.active_until_ms is not None:
                ends.append(rate.active_until_ms)
        self._closed: dict[tuple[str, tuple[tuple[str, str], ...], int], _Gaps] = {}

    def add(self, gap: Gap) -> None:
        """One more gap to close."""
        hours = [gap.from_ms // HOUR_MS]
        self.add_alike(gap, [gap.customer_id], hours, gap.from_ms, gap.until_ms)

    def add_alike(
        self,
        example: Gap,
        customers: Iterable[str],
        hours: Iterable[int],
        from_ms: int,
        until_ms: int,
    ) -> None:
        """More gaps of one meter and selectors, which one rate closes.

        Args:
            example: the first of them.
            customers: ids; one, where `are_alike` does not hold for others.
            hours: counted from 1970.
            from_ms: the first instant of them.
            until_ms: the last one, exclusive.
        """
        # Usage may have a text that no card takes, such as an empty region: left out, it matches.
        values = {
            name: value
            for name in self._names[example.meter]
            if (value := example.selector(name)) is not None and is_selectable(value)
        }
        wanted = tuple(values.get(name) for name in SELECTORS)
        ends = [end for end in self._ends.get((example.meter, wanted), ()) if end <= from_ms]
        key = (example.meter, tuple(values.items()), max(ends, default=0))
        if key not in self._closed:
            self._closed[key] = _Gaps(example)
        self._closed[key].add(customers, hours, from_ms, until_ms)

    def are_alike(self, meter: str) -> bool:
        """Whether one rate closes gaps of a meter that differ in customers and instants only.

        Not where a rate that they would extend has ended, or all rates name a customer.
        """
        has_ends = any(ends for (of, _), ends in self._ends.items() if of == meter)
        return not has_ends and "customer" not in self._names[meter]

    def rates(self) -> list[SuggestedRate]:
        """The rates that close all gaps so far, sorted."""
        taken = set(self._taken)
        return [
            _suggestion(key, self._closed[key], self._of_meter[key[0]], taken)
            for key in sorted(self._closed)
        ]


def suggest_rates(card: RateCard, gaps: Iterable[Gap]) -> list[SuggestedRate]:
    """The rates that close these gaps, see `Suggestions`."""
    suggestions = Suggestions(card)
    for gap in gaps:
        suggestions.add(gap)
    return suggestions.rates()


def _selector_names(rates: Sequence[Rate]) -> list[str]:
    """The selectors of a rate that closes a gap of a meter with these rates."""
    used = {
        name
        for rate in rates
        for name, value in zip(SELECTORS, rate.selectors, strict=True)
        if value is not None and name != "customer"
    }
    if rates and all(rate.customer is not None for rate in rates):
        used.add("customer")
    return [name for name in SELECTORS if name in used]


def _suggestion(
    key: tuple[str, tuple[tuple[str, str], ...], int],
    gaps: _Gaps,
    rates: Sequence[Rate],
    taken: set[str],
) -> SuggestedRate:
    meter, values, end_ms = key[0], dict(key[1]), key[2]
    from_ms = max(gaps.from_ms - gaps.from_ms % HOUR_MS, end_ms)
    # The unit of the meter's latest rate.
    latest = max(rates, key=lambda rate: rate.active_from_ms, default=None)
    per = f"{METERS[meter][0]}-hour" if latest is None else latest.per
    lines = {
        "id": _quoted(_id(meter, values, format_instant(from_ms)[:10], taken)),
        "meter": _quoted(meter),
        "price_cents": '""',
        "per": _quoted(per),
        "active_from": format_instant(from_ms),
        **{name: _quoted(value) for name, value in values.items()},
    }
    block = "\n".join(["[[rate]]", *(f"{name} = {value}" for name, value in lines.items())])
    spellings = []
    for position, name in enumerate(SELECTORS):
        known = {rate.selectors[position] for rate in rates} - {None}
        # What some rate has, spelt so, is only not in force then.
        if name not in values or values[name] in known:
            continue
        if near := nearest_spelling(values[name], sorted(map(str, known))):
            spellings.append((name, values[name], near))
    return SuggestedRate(
        block=block,
        example=gaps.example,
        customers=len(gaps.customers),
        hours=len(gaps.hours),
        from_ms=gaps.from_ms,
        until_ms=gaps.until_ms,
        spellings=tuple(spellings),
    )


def _id(meter: str, values: Mapping[str, str], day: str, taken: set[str]) -> str:
    """An id that no rate has yet, and that now one has."""
    texts = [meter, *values.values(), day]
    plain = "-".join(texts).replace(".", "-")
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in plain)[:200]
    number = 1
    while (unique := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    taken.add(unique)
    return unique


def _quoted(text: str) -> str:
    """A TOML basic string, with escapes for what a terminal would not show as it is."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
