"""Tables of a customer's hour: the view of either document, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hourtally.cli.output.text_table import (
    cell_len,
    console,
    lines_of,
    prices,
    print_lines,
    print_text,
    shares,
    width_of,
)
from hourtally.model.hours import Hour
from hourtally.model.money import (
    CENTS_DIGITS,
    CURRENCY_DIGITS,
    HOURS_DIGITS,
    format_cents,
    parse_decimal,
)

# A label shorter than this, beside its components, would be cut beyond recognition.
_LABEL_WIDTH: Final = 32
_HEADINGS: Final = {
    "gpuMemory": "gpu memory",
    "vcpuHours": "vCPU-h",
    "memoryGiBHours": "memory GiB-h",
    "storageGiBHours": "storage GiB-h",
    "gpuOnDemandHours": "GPU-h",
    "gpuSpotHours": "spot GPU-h",
    "gpuMemoryGiBHours": "gpu memory GiB-h",
    "clusterHours": "cluster-h",
}


def print_view(
    view: bytes, hour: Hour, customer: str, currency: str, filters: Mapping[str, str | None]
) -> None:
    """A view: levels indented, prices in cents, each with its share of the PaaS total."""
    filtered = "".join(f", {name} {value}" for name, value in filters.items() if value is not None)
    out = console()
    print_text(out, f"{customer}, hour {hour} (UTC){filtered}; cents, {currency}", style="bold")
    for number, lines in enumerate(view_tables(view, out.width)):
        if number:
            out.print()
        print_lines(out, lines)
    if b'"teams":[]' in view:
        if any(value is not None for value in filters.values()):
            out.print("No resources match these filters.")
        elif number == 0:
            out.print("No usage in this hour. Ids must match the events exactly.")


class _Row(NamedTuple):
    """A row of a view. prices: nanocents by component, `total` first. hours: nano-hours, if any."""

    label: str
    prices: dict[str, int]
    hours: dict[str, int]


def view_tables(view: bytes, width: int | None) -> list[list[str]]:
    """The lines of a view's tables: PaaS and, if there is any, BYOC and the sum.

    Rows wider than `width` have their label cut in the middle. If that leaves the label less than
    32 cells, the components become rows below the PaaS total instead of columns. Quantities stand
    beside the prices, or in a table of their own where that is too wide. Numbers are never cut.
    """
    data = json.loads(view, parse_float=str, parse_int=str)["data"]
    if "paas" in data:
        paas, byoc, digits = data["paas"], data["byoc"], CURRENCY_DIGITS
    else:
        paas, byoc, digits = data["paasUsage"], data["byocUsage"], CENTS_DIGITS
    first, clusters = _row("PaaS", paas, digits), _row("BYOC clusters", byoc, digits)
    tables = _tables([first, *_levels(paas["teams"], 1, digits)], width)
    if clusters.prices["total"] or byoc.get("clusters"):
        total = first.prices["total"] + clusters.prices["total"]
        tables += _tables([clusters, *_levels(byoc.get("clusters", ()), 1, digits)], width)
        tables.append([f"PaaS and BYOC total {format_cents(total)}"])
    return tables


def _row(label: str, item: Mapping[str, Any], digits: int) -> _Row:
    prices = {name: parse_decimal(text.encode(), digits) for name, text in item["price"].items()}
    usage = item.get("usage", {})
    hours = {name: parse_decimal(text.encode(), HOURS_DIGITS) for name, text in usage.items()}
    return _Row(label, prices, hours)


def _levels(items: Sequence[dict[str, Any]], depth: int, digits: int) -> Iterator[_Row]:
    """Every item of a level, each followed by the items below it."""
    for item in items:
        label = item.get("resourceType") or item["name"]
        if item.get("id") not in (None, label):
            label = f"{label} ({item['id']})"
        yield _row("  " * depth + label, item, digits)
        for inner in ("projects", "resourceTypes", "resources"):
            yield from _levels(item.get(inner, ()), depth + 1, digits)


def _tables(rows: list[_Row], width: int | None) -> list[list[str]]:
    """Rows with their prices and quantities, in one table if it is not too wide."""
    labels = ["", *(row.label for row in rows)]
    hours = _columns([row.hours for row in rows])
    together = lines_of(labels, _price_columns(rows) + hours, None)
    if width is None or max(map(cell_len, together)) <= width:
        return [together]
    tables = [_priced_lines(rows, width)]
    return [*tables, lines_of(labels, hours, width)] if hours else tables


def _priced_lines(rows: list[_Row], width: int) -> list[str]:
    """Rows with their total, its share of the first row's total, and their components."""
    columns = _price_columns(rows)
    labels = ["", *(row.label for row in rows)]
    if max(map(cell_len, lines_of(labels, columns, None))) <= width:
        return lines_of(labels, columns, None)
    if width - width_of(columns) >= _LABEL_WIDTH:
        return lines_of(labels, columns, width)
    parts = [
        _Row(f"  of which {_HEADINGS.get(name, name)}", {"total": price}, {})
        for name, price in rows[0].prices.items()
        if name != "total"
    ]
    narrow = [rows[0], *parts, *rows[1:]]
    return lines_of(["", *(row.label for row in narrow)], _total_columns(narrow), width)


def _price_columns(rows: list[_Row]) -> list[list[str]]:
    parts = [{n: p for n, p in row.prices.items() if n != "total"} for row in rows]
    return _total_columns(rows) + _columns(parts)


def _total_columns(rows: list[_Row]) -> list[list[str]]:
    totals = [row.prices["total"] for row in rows]
    return [prices("total", totals), shares(totals)]


def _columns(numbers: Sequence[Mapping[str, int]]) -> list[list[str]]:
    """A column for each key of the numbers of all rows."""
    return [prices(_HEADINGS.get(key, key), [row[key] for row in numbers]) for key in numbers[0]]
