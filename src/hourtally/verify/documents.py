"""The two documents of a derived hour, written out by hand (contract, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

from hourtally.verify.derive import (
    BYOC_KEYS,
    PAAS_KEYS,
    PRICES,
    DerivedHour,
    Figures,
    Ids,
)

_PAAS_HOURS: Final = (
    "vcpuHours",
    "memoryGiBHours",
    "storageGiBHours",
    "gpuOnDemandHours",
    "gpuSpotHours",
)
_BYOC_HOURS: Final = ("vcpuHours", "memoryGiBHours", "gpuMemoryGiBHours", "clusterHours")
_TYPE_DEPTH: Final = 3
_RESOURCE_DEPTH: Final = 4
# The JSON key of the level below, by a level's depth in `Ids`.
_CHILDREN: Final = {1: "projects", 2: "resourceTypes", 3: "resources"}
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in range(0x20)} | str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
# Digits behind the point of nanocents in cents and in units of the currency, and of nano-hours.
_CENTS: Final = 9
_CURRENCY: Final = 11
_HOURS: Final = 9

Members = Callable[[Figures], str]
"""The members of an object that are figures."""


def document_line(customer_id: str, document: bytes) -> bytes:
    """The line of `documents.ndjson` or `usage.ndjson`."""
    return b'{"customerId":%b,"document":%b}\n' % (_text(customer_id).encode(), document)


def document(hour: DerivedHour) -> bytes:
    """The document in cents."""
    teams = _teams(hour, _in_cents)
    byoc = _object(BYOC_KEYS, hour.byoc[:PRICES], _CENTS)
    text = (
        f'{{"data":{{"timestamp":{hour.timestamp},"paasUsage":{{{_in_cents(hour.paas)},{teams}}},'
        f'"byocUsage":{{"price":{byoc}}}}}}}'
    )
    return text.encode()


def usage_document(hour: DerivedHour, currency: str) -> bytes:
    """The usage document."""
    clusters = ",".join(
        f'{{"id":{_text(ids[0])},"name":{_text(hour.cluster_names(ids))},{_of_byoc(figures)}}}'
        for ids, figures in hour.clusters.items()
    )
    text = (
        f'{{"data":{{"timestamp":{hour.timestamp},"currency":{_text(currency.lower())},'
        f'"scope":{{"entityType":"team","entityId":{_text(hour.customer_id)}}},'
        f'"total":{_number(hour.paas[0] + hour.byoc[0], _CURRENCY)},'
        f'"paas":{{{_of_paas(hour.paas)},{_teams(hour, _of_paas)}}},'
        f'"byoc":{{{_of_byoc(hour.byoc)},"clusters":[{clusters}]}}}}}}'
    )
    return text.encode()


def _in_cents(figures: Figures) -> str:
    return f'"price":{_object(PAAS_KEYS, figures[:PRICES], _CENTS)}'


def _of_paas(figures: Figures) -> str:
    return _with_hours(figures, PAAS_KEYS, _PAAS_HOURS)


def _of_byoc(figures: Figures) -> str:
    return _with_hours(figures, BYOC_KEYS, _BYOC_HOURS)


def _with_hours(figures: Figures, prices: Sequence[str], hours: Sequence[str]) -> str:
    price = _object(prices, figures[:PRICES], _CURRENCY)
    return f'"price":{price},"usage":{_object(hours, figures[PRICES:], _HOURS)}'


def _teams(hour: DerivedHour, members: Members) -> str:
    resources: list[Ids] = [ids for ids in hour.figures if len(ids) == _RESOURCE_DEPTH]
    return f'"teams":[{",".join(_objects(hour, resources, 1, members))}]'


def _objects(
    hour: DerivedHour, resources: list[Ids], depth: int, members: Members
) -> Iterator[str]:
    """The JSON objects of one level, from its sorted resources."""
    for ids, group in groupby(resources, key=lambda ids: ids[:depth]):
        if depth == _TYPE_DEPTH:
            head = f'"resourceType":{_text(ids[-1])}'
        else:
            head = f'"id":{_text(ids[-1])},"name":{_text(hour.resource_names(ids))}'
        inner = ""
        if depth in _CHILDREN:
            children = ",".join(_objects(hour, list(group), depth + 1, members))
            inner = f',"{_CHILDREN[depth]}":[{children}]'
        yield f"{{{head},{members(hour.figures[ids])}{inner}}}"


def _object(keys: Sequence[str], numbers: Sequence[int], digits: int) -> str:
    members = zip(keys, numbers, strict=True)
    return "{" + ",".join(f'"{key}":{_number(number, digits)}' for key, number in members) + "}"


def _number(number: int, digits: int) -> str:
    """A JSON number without trailing zeros, the point before so many digits."""
    if not number:
        return "0"
    text = f"{number:0{digits + 1}d}"
    return f"{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
