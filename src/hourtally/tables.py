"""What is asked for, as tables that a person reads: rich on a terminal, plain when piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hourtally.hours import Hour

if TYPE_CHECKING:
    from hourtally.ratecard import RateRow

# A pipe has no width: no line of it may be cut or broken.
_PIPE_WIDTH = 100_000


def console() -> Console:
    """Standard output: as wide as the terminal, and without any limit or colour where piped."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, no_color=True, width=_PIPE_WIDTH, soft_wrap=True)


def visible(text: str) -> Text:
    """Text from outside, its control characters made visible, none of it taken as markup."""
    return Text("".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text))


def table(*headings: str) -> Table:
    """A table without lines; a heading that begins with < has its column set to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        right = heading.startswith("<")
        made.add_column(
            heading.removeprefix("<"), justify="right" if right else "left", overflow="fold"
        )
    return made


def print_view(
    view: bytes, hour: Hour, customer: str, currency: str, filters: Mapping[str, str | None]
) -> None:
    """A view: its levels indented, prices in cents, each with its share of the total."""
    data = json.loads(view, parse_float=Decimal, parse_int=Decimal)["data"]
    paas, byoc = data["paasUsage"], data["byocUsage"]
    said = "".join(f", {name} {value}" for name, value in filters.items() if value is not None)
    out = console()
    out.print(visible(f"{customer}, hour {hour} (UTC){said}; cents, {currency}"), style="bold")
    total = paas["price"]["total"]
    made = table("", "<total", "<share", "<cpu", "<memory", "<storage", "<gpu")
    made.add_row(*_row("PaaS", paas["price"], total))
    for depth, label, price in _levels(paas["teams"], 1):
        made.add_row(*_row("  " * depth + label, price, total))
    out.print(made)
    if byoc["price"]["total"]:
        made = table("", "<total", "<vcpu", "<memory", "<gpu memory", "<cluster")
        made.add_row("BYOC clusters", *(_cents(price) for price in byoc["price"].values()))
        out.print()
        out.print(made)


def _levels(
    items: Sequence[dict[str, Any]], depth: int
) -> Iterator[tuple[int, str, dict[str, Decimal]]]:
    """Every item of a level and of those inside it: depth, label, price."""
    for item in items:
        label = item.get("resourceType") or item["name"]
        if item.get("id") not in (None, label):
            label = f"{label} ({item['id']})"
        yield depth, label, item["price"]
        for inner in ("projects", "resourceTypes", "resources"):
            yield from _levels(item.get(inner, ()), depth + 1)


def _row(label: str, price: dict[str, Decimal], total: Decimal) -> list[Text | str]:
    share = f"{price['total'] / total:.1%}" if total else ""
    return [
        visible(label),
        _cents(price["total"]),
        share,
        *(_cents(price[component]) for component in ("cpu", "memory", "storage", "gpu")),
    ]


def _cents(price: Decimal) -> str:
    """A price as the document has it; `-` for nothing, which is easier to look past."""
    return f"{price:f}" if price else "-"


def print_rates(rows: Sequence[RateRow], currency: str, now: str) -> None:
    """The rates of a card that are in force."""
    out = console()
    out.print(f"The card is right. In force at {now}, prices in cents, {currency}:", style="bold")
    made = table("id", "meter", "<price", "selectors", "from", "until")
    for row in rows:
        made.add_row(*(visible(cell) for cell in row))
    out.print(made)
