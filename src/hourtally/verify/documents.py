"""The two documents of a derived hour, written out by hand (contract, section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from hourtally.verify.derive import (
    BYOC_KEYS,
    PAAS_KEYS,
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
# The JSON key of the level below, by a level's depth in `Ids`.
_CHILDREN: Final = {1: "projects", 2: "resourceTypes", 3: "resources"}
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in range(0x20)} | str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
# Digits behind the point of nanocents in cents and in units of the currency, and of nano-hours.
_CENTS: Final = 9
_CURRENCY: Final = 11
_HOURS: Final = 9

# Names and figures repeat: at several levels, and in most hours they are those of the hour before.
_REMEMBERED: Final = 1 << 15

Members = Callable[[Figures], str]
"""The members of an object that are figures."""


def _members(prices: Sequence[str], digits: int, hours: Sequence[str] = ()) -> Members:
    """The member `price`, behind its point so many digits, and where there are hours `usage`."""
    form = f'"price":{_object(prices)}' + (f',"usage":{_object(hours)}' if hours else "")
    all_digits = [digits] * len(prices) + [_HOURS] * len(hours)

    @lru_cache(_REMEMBERED)
    def members(figures: Figures) -> str:
        return form % tuple(map(_number, figures, all_digits))

    return members


def _object(keys: Sequence[str]) -> str:
    return "{" + ",".join(f'"{key}":%s' for key in keys) + "}"


@lru_cache(_REMEMBERED)
def _number(number: int, digits: int) -> str:
    """A JSON number without trailing zeros, the point before so many digits."""
    if not number:
        return "0"
    text = f"{number:0{digits + 1}d}"
    return f"{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")


_in_cents: Final = _members(PAAS_KEYS, _CENTS)
_byoc_in_cents: Final = _members(BYOC_KEYS, _CENTS)
_of_paas: Final = _members(PAAS_KEYS, _CURRENCY, _PAAS_HOURS)
_of_byoc: Final = _members(BYOC_KEYS, _CURRENCY, _BYOC_HOURS)


def document_line(customer_id: str, document: bytes) -> bytes:
    """The line of `documents.ndjson` or `usage.ndjson`."""
    return b'{"customerId":%b,"document":%b}\n' % (_text(customer_id).encode(), document)


def document(hour: DerivedHour) -> bytes:
    """The document in cents."""
    text = (
        f'{{"data":{{"timestamp":{hour.timestamp},"paasUsage":{{{_in_cents(hour.paas)},'
        f'"teams":{_teams(hour, _in_cents)}}},"byocUsage":{{{_byoc_in_cents(hour.byoc)}}}}}}}'
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
        f'"paas":{{{_of_paas(hour.paas)},"teams":{_teams(hour, _of_paas)}}},'
        f'"byoc":{{{_of_byoc(hour.byoc)},"clusters":[{clusters}]}}}}}}'
    )
    return text.encode()


def _teams(hour: DerivedHour, members: Members) -> str:
    """The teams with all that is in them, made from the resources upwards."""
    inner: defaultdict[Ids, list[str]] = defaultdict(list)
    below = ""
    for depth in (4, 3, 2, 1):
        for ids in hour.levels[depth]:
            if depth == _TYPE_DEPTH:
                head = f'"resourceType":{_text(ids[-1])}'
            else:
                head = f'"id":{_text(ids[-1])},"name":{_text(hour.resource_names(ids))}'
            if depth in _CHILDREN:
                below = f',"{_CHILDREN[depth]}":[{",".join(inner.pop(ids))}]'
            inner[ids[:-1]].append(f"{{{head},{members(hour.figures[ids])}{below}}}")
    return f"[{','.join(inner[()])}]"


@lru_cache(_REMEMBERED)
def _text(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
