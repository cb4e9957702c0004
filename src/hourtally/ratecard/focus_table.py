"""Read the table `[focus]` of a card."""

from __future__ import annotations

from typing import Any, Final

from hourtally.model.components import RESOURCE_TYPES
from hourtally.ratecard.fields import Table, got
from hourtally.ratecard.focus_names import (
    BYOC_CLUSTER,
    DEFAULT_PROVIDER,
    SERVICE_CATEGORIES,
    FocusNames,
)

_NAMES: Final = ("provider", "publisher", "invoice_issuer")
_CATEGORIES: Final = "service_categories"


def read_focus(card: Table) -> FocusNames:
    """The names of a card; problems are collected in its table. One name stands for all three."""
    values = card.values.get("focus", {})
    if not isinstance(values, dict):
        card.reject(f"focus is {got(values)}: write its names under [focus]")
        return FocusNames()
    table = Table(values, "[focus]", card.problems)
    table.check_keys((*_NAMES, _CATEGORIES), required=())
    given = {name: table.text(name) for name in _NAMES}
    provider = given["provider"] or DEFAULT_PROVIDER
    return FocusNames(
        provider=provider,
        publisher=given["publisher"] or provider,
        invoice_issuer=given["invoice_issuer"] or provider,
        service_categories=_service_categories(table, values.get(_CATEGORIES, {})),
    )


def _service_categories(focus: Table, values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        focus.reject(f"{_CATEGORIES} is {got(values)}: write them under [focus.{_CATEGORIES}]")
        return {}
    table = Table(values, f"[focus.{_CATEGORIES}]", focus.problems)
    known = (*RESOURCE_TYPES, BYOC_CLUSTER)
    table.check_keys(known, required=())
    chosen = {name: table.choice(name, SERVICE_CATEGORIES) for name in known if name in values}
    return {name: category for name, category in chosen.items() if category is not None}
