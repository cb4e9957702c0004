"""Human-readable tables: rich on a terminal, plain when piped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hourtally.cli.output.text_table import (
    cell_len,
    console,
    counts,
    lines_of,
    prices,
    print_lines,
    print_text,
    shares,
    texts,
    width_of,
)
from hourtally.model.hours import Hour
from hourtally.model.money import format_cents, parse_cents

if TYPE_CHECKING:
    from hourtally.published.totals import PeriodTotals
    from hourtally.server.tokens import Token

# A label shorter than this, beside its components, would be cut beyond recognition.
_LABEL_WIDTH: Final = 32


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


def print_totals(totals: Sequence[PeriodTotals], customer: str) -> None:
    """A customer's totals by period, in the order given."""
    out = console()
    if not totals:
        print_text(out, "No published hours in the range.")
        return
    currencies = sorted({one.currency for one in totals})
    print_text(
        out, f"{customer}, published hours (UTC); cents, {', '.join(currencies)}", style="bold"
    )
    labels = [one.period or f"{one.first} to {one.last}" for one in totals]
    of_hours = all(one.period == one.first.name for one in totals)
    if len(currencies) > 1:
        labels = [f"{label} {one.currency}" for label, one in zip(labels, totals, strict=True)]
    columns = [
        prices("PaaS", [one.paas_nanocents for one in totals]),
        prices("BYOC", [one.byoc_nanocents for one in totals]),
        prices("total", [one.total_nanocents for one in totals]),
    ]
    if of_hours:
        columns.append(texts("", ["" if one.used_hours else "no events" for one in totals]))
    else:
        columns[:0] = [
            counts("hours", [one.hours for one in totals]),
            counts("with events", [one.used_hours for one in totals]),
        ]
    print_lines(out, lines_of(["", *labels], columns, out.width))
    if not any(one.used_hours for one in totals):
        out.print("No events in any of these hours. Ids must match the events exactly.")


def print_tokens(tokens: Sequence[Token]) -> None:
    """Tokens by the start of their SHA-256, by which they are revoked."""
    out = console()
    if not tokens:
        print_text(out, "No tokens yet: create one with `hourtally tokens add`.")
        return
    columns = [
        texts("created", [token.created for token in tokens]),
        texts("customer", [token.customer for token in tokens]),
    ]
    print_lines(out, lines_of(["sha256", *(token.sha256[:12] for token in tokens)], columns, None))


class _Priced(NamedTuple):
    """A row of a view. prices: nanocents by component, `total` first."""

    label: str
    prices: dict[str, int]


def view_tables(view: bytes, width: int | None) -> list[list[str]]:
    """The lines of a view's tables: PaaS and, if there is any, BYOC and the sum.

    Rows wider than `width` have their label cut in the middle. If that leaves the label less than
    32 cells, the components become rows below the PaaS total instead of columns. Prices are never
    cut.
    """
    data = json.loads(view, parse_float=_nanocents, parse_int=_nanocents)["data"]
    paas, byoc = data["paasUsage"], data["byocUsage"]["price"]
    levels = [_Priced("PaaS", paas["price"]), *_levels(paas["teams"], 1)]
    tables = [_priced_lines(levels, width)]
    if byoc["total"]:
        total = paas["price"]["total"] + byoc["total"]
        tables.append(_priced_lines([_Priced("BYOC clusters", byoc)], width))
        tables.append([f"PaaS and BYOC total {format_cents(total)}"])
    return tables


def _nanocents(number: str) -> int:
    return parse_cents(number.encode())


def _levels(items: Sequence[dict[str, Any]], depth: int) -> Iterator[_Priced]:
    """Every item of a level, each followed by the items below it."""
    for item in items:
        label = item.get("resourceType") or item["name"]
        if item.get("id") not in (None, label):
            label = f"{label} ({item['id']})"
        yield _Priced("  " * depth + label, item["price"])
        for inner in ("projects", "resourceTypes", "resources"):
            yield from _levels(item.get(inner, ()), depth + 1)


def _priced_lines(rows: list[_Priced], width: int | None) -> list[str]:
    """Rows with their total, its share of the first row's total, and their components."""
    components = [name for name in rows[0].prices if name != "total"]
    headings = {"gpuMemory": "gpu memory"}
    columns = _total_columns(rows) + [
        prices(headings.get(name, name), [row.prices[name] for row in rows]) for name in components
    ]
    labels = ["", *(row.label for row in rows)]
    lines = lines_of(labels, columns, None)
    if width is None or max(map(cell_len, lines)) <= width:
        return lines
    if width - width_of(columns) >= _LABEL_WIDTH:
        return lines_of(labels, columns, width)
    parts = [
        _Priced(f"  of which {headings.get(name, name)}", {"total": rows[0].prices[name]})
        for name in components
    ]
    narrow = [rows[0], *parts, *rows[1:]]
    return lines_of(["", *(row.label for row in narrow)], _total_columns(narrow), width)


def _total_columns(rows: list[_Priced]) -> list[list[str]]:
    totals = [row.prices["total"] for row in rows]
    return [prices("total", totals), shares(totals)]
