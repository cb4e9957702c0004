"""Sums over a range as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hourtally.cli.output.queries.listing_data import (
    HOURS_DIGITS,
    NANOHOURS,
    PRICE_DIGITS,
    Row,
    byoc_sentences,
)
from hourtally.cli.output.text_table import (
    cell_len,
    console,
    counts,
    decimals,
    lines_of,
    print_lines,
    print_text,
    texts,
)
from hourtally.model.components import PAAS_PRICES
from hourtally.model.printable import counted
from hourtally.published.listing import Listing

_HEADINGS: Final = {
    "paas_cpu": "vCPU h",
    "paas_memory": "memory GiB h",
    "paas_storage": "storage GiB h",
    "paas_gpu_on_demand": "GPU h",
    "paas_gpu_spot": "spot GPU h",
    "byoc_vcpu": "BYOC vCPU h",
    "byoc_memory": "BYOC memory GiB h",
    "byoc_gpu_memory": "BYOC GPU memory GiB h",
    "byoc_cluster": "cluster h",
}


def print_listing(listing: Listing, units: str) -> None:
    """A table of the sums; a quantity has a column where there is any of it."""
    out = console()
    rows = listing.rows.to_dicts()
    if not rows and not len(listing.byoc):
        print_text(out, _nothing(listing))
        return
    print_text(out, _heading(listing, rows, units), style="bold")
    if rows:
        columns = [*_counts(listing, rows), *_prices(rows, units), *_idle(listing, rows)]
        quantities = _quantities(rows)
        lines = lines_of(["", *_labels(listing, rows)], [*columns, *quantities], out.width)
        # Quantities come last, so on a narrow terminal they are what is left out.
        left_out = 0
        while quantities and out.width is not None and max(map(cell_len, lines)) > out.width:
            quantities.pop()
            left_out += 1
            lines = lines_of(["", *_labels(listing, rows)], [*columns, *quantities], out.width)
        print_lines(out, lines)
        if left_out:
            out.print(f"{counted(left_out, 'column')} left out; --csv and --json have them.")
    for sentence in byoc_sentences(listing, units):
        print_text(out, sentence)
    if not any(row["hours"] for row in rows) and not len(listing.byoc):
        out.print("No events in any of these hours. Ids must match the events exactly.")


def _nothing(listing: Listing) -> str:
    if not listing.published:
        return "No published hours in the range."
    return "No usage in the range matches. Ids must match the events exactly."


def _heading(listing: Listing, rows: Sequence[Row], units: str) -> str:
    question = listing.question
    filters = [
        *([question.customer] if question.customer is not None else []),
        *(
            f"{name} {value}"
            for name, value in question.filters_by_name.items()
            if value is not None
        ),
    ]
    currencies = sorted({str(row["currency"]) for row in (*rows, *listing.byoc.to_dicts())})
    shown = ", ".join(currencies) if units == "currency" else f"cents, {', '.join(currencies)}"
    by = f" by {question.by}" if question.by else ""
    return f"{', '.join(filters) or 'All customers'}{by}, published hours (UTC); {shown}"


def _labels(listing: Listing, rows: Sequence[Row]) -> list[str]:
    """The period, the ids, and the currency where there are several."""
    several = len({row["currency"] for row in rows}) > 1
    key = listing.question.key
    # The customer that was asked for is in the heading.
    shown = [name for name in key if name != "customer_id" or listing.question.customer is None]
    span = _span(listing)
    labels = []
    for row in rows:
        ids = [str(row[name]) for name in shown]
        if row.get("name") not in {None, key and row[key[-1]]}:
            ids[-1:] = [f"{row['name']} ({ids[-1]})"]
        period = row["period"] or ("" if ids else span)
        currency = [str(row["currency"])] if several else []
        labels.append("  ".join([*([period] if period else []), "/".join(ids), *currency]).strip())
    return labels


def _span(listing: Listing) -> str:
    """The published hours of a range in one."""
    if not listing.published:
        return ""
    return f"{listing.published[0]} to {listing.published[-1]}"


def _counts(listing: Listing, rows: Sequence[Row]) -> list[list[str]]:
    if listing.question.by is not None:
        return [counts("hours", [row["hours"] for row in rows])]
    if listing.question.granularity == "hour":
        return []
    return [
        counts("hours", [row["published"] for row in rows]),
        counts("with events", [row["hours"] for row in rows]),
    ]


def _idle(listing: Listing, rows: Sequence[Row]) -> list[list[str]]:
    """Which hours had no events, where the rows are hours of one customer."""
    marks = ["" if row["hours"] else "no events" for row in rows]
    is_hourly = listing.question.by is None and listing.question.granularity == "hour"
    return [texts("", marks)] if is_hourly and any(marks) else []


def _prices(rows: Sequence[Row], units: str) -> list[list[str]]:
    names = {"paas_total": "PaaS", "byoc_total": "BYOC", "total": "total"}
    if "byoc_total_nanocents" not in rows[0]:
        names = {"total": "total", **{f"paas_{name}": name for name in PAAS_PRICES[1:]}}
    return [
        decimals(heading, [row[f"{name}_nanocents"] for row in rows], PRICE_DIGITS[units])
        for name, heading in names.items()
    ]


def _quantities(rows: Sequence[Row]) -> list[list[str]]:
    columns = []
    for name, heading in _HEADINGS.items():
        numbers = [row[f"{name}{NANOHOURS}"] for row in rows if f"{name}{NANOHOURS}" in row]
        if any(number != 0 for number in numbers):
            columns.append(decimals(heading, numbers, HOURS_DIGITS))
    return columns
