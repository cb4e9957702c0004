"""What is asked for, as tables that a person reads: rich on a terminal, plain when piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hourtally.hours import Hour
from hourtally.money import format_cents, parse_cents

if TYPE_CHECKING:
    from hourtally.listing import PeriodTotals
    from hourtally.ratecard import RateRow
    from hourtally.tokens import Token

# A pipe has no width: no line of it may be cut or broken.
_PIPE_WIDTH = 100_000
# A label is not cut shorter than this, however narrow the terminal is.
_LEAST_LABEL_WIDTH = 16
_GAP = "  "


def console() -> Console:
    """Standard output: as wide as the terminal, and without any limit or colour where piped."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, no_color=True, width=_PIPE_WIDTH, soft_wrap=True)


def visible(text: str) -> Text:
    """Text from outside, its control characters made visible, none of it taken as markup."""
    return Text(_escaped(text))


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
    """A view: its levels indented, prices in cents, each with its share of the PaaS total."""
    said = "".join(f", {name} {value}" for name, value in filters.items() if value is not None)
    out = console()
    _print(out, f"{customer}, hour {hour} (UTC){said}; cents, {currency}", style="bold")
    width = out.width if out.is_terminal else None
    for number, lines in enumerate(view_tables(view, width)):
        if number:
            out.print()
        _print_lines(out, lines)


def print_totals(totals: Sequence[PeriodTotals], customer: str) -> None:
    """A customer's totals by period, in the order given."""
    out = console()
    if not totals:
        _print(out, "No hour of the range is published.", style="")
        return
    currencies = sorted({one.currency for one in totals})
    _print(out, f"{customer}, published hours (UTC); cents, {', '.join(currencies)}", style="bold")
    labels = [one.period or f"{one.first} to {one.last}" for one in totals]
    if len(currencies) > 1:
        labels = [f"{label} {one.currency}" for label, one in zip(labels, totals, strict=True)]
    columns = [
        _counts("hours", [one.hours for one in totals]),
        _counts("with events", [one.used_hours for one in totals]),
        _prices("PaaS", [one.paas_nanocents for one in totals]),
        _prices("BYOC", [one.byoc_nanocents for one in totals]),
        _prices("total", [one.total_nanocents for one in totals]),
    ]
    _print_lines(out, _lines(["", *labels], columns, out.width if out.is_terminal else None))
    if not any(one.used_hours for one in totals):
        out.print("It had no events in any of them. Ids are taken exactly as events have them.")


def print_rates(rows: Sequence[RateRow], currency: str, now: str) -> None:
    """The rates of a card that are in force."""
    out = console()
    out.print(f"The card is right. In force at {now}, prices in cents, {currency}:", style="bold")
    made = table("id", "meter", "<price", "selectors", "from", "until")
    for row in rows:
        made.add_row(*(visible(cell) for cell in row))
    out.print(made)


def print_tokens(tokens: Sequence[Token]) -> None:
    """Tokens by the start of their digest, which is what they are taken back by."""
    made = table("sha256", "created", "customer")
    for token in tokens:
        made.add_row(token.sha256[:12], visible(token.created), visible(token.customer))
    console().print(made)


class _Priced(NamedTuple):
    """A row of a view. prices: nanocents by component, `total` first."""

    label: str
    prices: dict[str, int]


def view_tables(view: bytes, width: int | None) -> list[list[str]]:
    """The lines of a view's tables: PaaS and, where there is any of it, BYOC and the sum.

    Where a row is wider than `width`, the components go from columns to rows of the whole, and
    labels still too long are cut in the middle. A price is never cut.
    """
    data = json.loads(view, parse_float=_nanocents, parse_int=_nanocents)["data"]
    paas, byoc = data["paasUsage"], data["byocUsage"]["price"]
    levels = [_Priced("PaaS", paas["price"]), *_levels(paas["teams"], 1)]
    tables = [_priced_lines(levels, width)]
    if byoc["total"]:
        together = paas["price"]["total"] + byoc["total"]
        tables.append(_priced_lines([_Priced("BYOC clusters", byoc)], width))
        tables.append([f"PaaS and BYOC together {format_cents(together)}"])
    return tables


def _nanocents(number: str) -> int:
    return parse_cents(number.encode())


def _levels(items: Sequence[dict[str, Any]], depth: int) -> Iterator[_Priced]:
    """Every item of a level and of those inside it."""
    for item in items:
        label = item.get("resourceType") or item["name"]
        if item.get("id") not in (None, label):
            label = f"{label} ({item['id']})"
        yield _Priced("  " * depth + label, item["price"])
        for inner in ("projects", "resourceTypes", "resources"):
            yield from _levels(item.get(inner, ()), depth + 1)


def _priced_lines(rows: list[_Priced], width: int | None) -> list[str]:
    """Rows with their total, its share of the first row's, and their components."""
    components = [name for name in rows[0].prices if name != "total"]
    headings = {"gpuMemory": "gpu memory"}
    columns = _total_columns(rows) + [
        _prices(headings.get(name, name), [row.prices[name] for row in rows]) for name in components
    ]
    lines = _lines(["", *(row.label for row in rows)], columns, None)
    if width is None or max(map(cell_len, lines)) <= width:
        return lines
    parts = [
        _Priced(f"  of it {headings.get(name, name)}", {"total": rows[0].prices[name]})
        for name in components
    ]
    narrow = [rows[0], *parts, *rows[1:]]
    return _lines(["", *(row.label for row in narrow)], _total_columns(narrow), width)


def _total_columns(rows: list[_Priced]) -> list[list[str]]:
    totals = [row.prices["total"] for row in rows]
    return [_prices("total", totals), _shares(totals)]


def _lines(labels: Sequence[str], columns: Sequence[list[str]], width: int | None) -> list[str]:
    """Labels to the left, columns to the right of them; both have a heading first.

    Args:
        labels: of any text; its control characters are made visible.
        columns: cells, those of one column equally wide.
        width: none of the lines is to be wider, as far as labels can be cut; None: any width.
    """
    labels = [_escaped(label) for label in labels]
    label_width = max(map(cell_len, labels))
    if width is not None:
        for_cells = sum(len(_GAP) + len(column[0]) for column in columns)
        label_width = min(label_width, max(width - for_cells, _LEAST_LABEL_WIDTH))
        labels = [_shortened(label, label_width) for label in labels]
    return [
        _GAP.join((label + " " * (label_width - cell_len(label)), *cells)).rstrip()
        for label, *cells in zip(labels, *columns, strict=True)
    ]


def _prices(heading: str, nanocents: Sequence[int]) -> list[str]:
    """A column of prices, points below each other; `-` for nothing, to be looked past."""
    texts = [format_cents(one).partition(".") if one else ("-", "", "") for one in nanocents]
    before = max(len(whole) for whole, _, _ in texts)
    after = max(len(point + digits) for _, point, digits in texts)
    cells = [f"{whole:>{before}}{point + digits:<{after}}" for whole, point, digits in texts]
    return _to_the_right(heading, cells)


def _shares(totals: Sequence[int]) -> list[str]:
    """A column of tenths of a percent of the first one, rounded half up."""
    whole = totals[0]
    if not whole:
        return _to_the_right("share", [""] * len(totals))
    tenths = [(2_000 * one + whole) // (2 * whole) for one in totals]
    return _to_the_right("share", [f"{one // 10}.{one % 10}%" for one in tenths])


def _counts(heading: str, counts: Sequence[int]) -> list[str]:
    return _to_the_right(heading, [str(count) for count in counts])


def _to_the_right(heading: str, cells: Sequence[str]) -> list[str]:
    width = max(map(len, (heading, *cells)))
    return [cell.rjust(width) for cell in (heading, *cells)]


def _escaped(text: str) -> str:
    """Text without a character that a terminal would obey, turn around or not show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def _shortened(text: str, width: int) -> str:
    """Text cut in the middle: levels are told by its beginning, most ids by its end."""
    if cell_len(text) <= width:
        return text
    head, tail = "", ""
    for char in text:
        if cell_len(head + char) > (width - 1) // 2:
            break
        head += char
    for char in reversed(text):
        if cell_len(head + char + tail) > width - 1:
            break
        tail = char + tail
    return f"{head}…{tail}"


def _print_lines(out: Console, lines: Sequence[str]) -> None:
    """A heading and rows. rich would take a minute over the rows of 100,000 resources."""
    _print(out, lines[0], style="bold")
    rows = "".join(f"{line}\n" for line in lines[1:])
    out.file.write(_encodable(rows, out))
    out.file.flush()


def _print(out: Console, text: str, style: str) -> None:
    out.print(Text(_encodable(_escaped(text), out)), style=style, soft_wrap=True)


def _encodable(text: str, out: Console) -> str:
    """Text with escapes for what the terminal's encoding does not have."""
    return text.encode(out.encoding, "backslashreplace").decode(out.encoding)
