"""Sums over a range for programs, JSON or CSV; and sentences on what they leave out."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hourtally.cli.output.json_text import Scaled, print_json
from hourtally.model.components import BYOC_HOURS, BYOC_PRICES, PAAS_HOURS, PAAS_PRICES
from hourtally.model.hours import Hour
from hourtally.model.money import format_decimal
from hourtally.model.printable import counted
from hourtally.published.listing import Listing
from hourtally.published.listing.listing import BYOC_COLUMNS, PAAS_COLUMNS, TOTAL

Row = Mapping[str, Any]

# A nanocent is 10^-9 of a cent, and 10^-11 of a unit of the currency.
PRICE_DIGITS: Final = {"cents": 9, "currency": 11}
HOURS_DIGITS: Final = 9
NANOHOURS: Final = "_nanohours"
_KINDS: Final = {"paas": (PAAS_PRICES, PAAS_HOURS), "byoc": (BYOC_PRICES, BYOC_HOURS)}
_MOST_HELD: Final = 3


def print_listing_json(listing: Listing, units: str) -> None:
    """The same facts as one document."""
    question = listing.question
    print_json(
        {
            "customer": question.customer,
            **listing.question.filters_by_name,
            "from": question.hours.first and question.hours.first.name,
            "to": question.hours.end and question.hours.end.name,
            "by": question.by,
            "granularity": question.granularity,
            "units": units,
            "rows": [_entry(row, units) for row in listing.rows.iter_rows(named=True)],
            "byoc_apart": [_entry(row, units) for row in listing.byoc.iter_rows(named=True)],
            **left_out_entries(listing),
        }
    )


def left_out_entries(listing: Listing) -> dict[str, Any]:
    """What the sums leave out, for programs."""
    missing = listing.missing
    return {
        "held": [
            {"customer_id": customer, **_hours_entry(hours)}
            for customer, hours in listing.held.items()
        ],
        "missing": missing
        and {
            "hours": missing.hours,
            "first": missing.first.name,
            "last": missing.last.name,
            "with_events": missing.with_events,
        },
        "without_quantities": _hours_entry(listing.unreported) if listing.unreported else None,
    }


def _hours_entry(hours: Sequence[Hour]) -> dict[str, Any]:
    return {"hours": len(hours), "first": hours[0].name, "last": hours[-1].name}


def _entry(row: Row, units: str) -> dict[str, Any]:
    ids = ("customer_id", "team_id", "project_id", "resource_type", "resource_id", "name")
    entry: dict[str, Any] = {
        "period": row["period"],
        "currency": row["currency"],
        **{name: row[name] for name in ids if name in row},
    }
    if "published" in row:
        entry["hours"] = row["published"]
    entry["hours_with_events"] = row["hours"]
    if "total_nanocents" in row:
        entry["total"] = Scaled(row["total_nanocents"], PRICE_DIGITS[units])
    for kind, (prices, quantities) in _KINDS.items():
        if f"{kind}_total_nanocents" in row:
            entry[kind] = {
                "price": {
                    name: Scaled(row[f"{kind}_{name}_nanocents"], PRICE_DIGITS[units])
                    for name in prices
                },
                "usage": {
                    f"{name}_hours": _quantity(row[f"{kind}_{name}{NANOHOURS}"])
                    for name in quantities
                },
            }
    return entry


def _quantity(nanohours: int | None) -> Scaled | None:
    return None if nanohours is None else Scaled(nanohours, HOURS_DIGITS)


def print_listing_csv(listing: Listing, units: str) -> None:
    """The rows only; a price has its units in its name, and a quantity that is not known is empty.

    Where BYOC stands apart, its sums are not there.
    """
    numbers = (TOTAL, *PAAS_COLUMNS, *BYOC_COLUMNS)
    order = [
        *(name for name in listing.rows.columns if name not in {"hours", *numbers}),
        "hours",
        *(name for name in numbers if name in listing.rows.columns),
    ]
    renamed = {"hours": "hours_with_events", "published": "hours"}
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        renamed.get(name, name).replace("_nanocents", f"_{units}").replace(NANOHOURS, "_hours")
        for name in order
    )
    for row in listing.rows.select(order).iter_rows():
        out.writerow(_cell(name, value, units) for name, value in zip(order, row, strict=True))


def _cell(name: str, value: Any, units: str) -> Any:
    if value is None:
        return ""
    if name.endswith("_nanocents"):
        return format_decimal(value, PRICE_DIGITS[units])
    return format_decimal(value, HOURS_DIGITS) if name.endswith(NANOHOURS) else value


def byoc_sentences(listing: Listing, units: str) -> Iterator[str]:
    """The sums of BYOC clusters that are in no row, a line each."""
    for row in listing.byoc.iter_rows(named=True):
        price = format_decimal(row["byoc_total_nanocents"], PRICE_DIGITS[units])
        unit = row["currency"] if units == "currency" else f"cents, {row['currency']}"
        period = f"{row['period']}  " if row["period"] else ""
        yield f"{period}BYOC clusters, which are in no line: {price} {unit}"


def left_out_sentences(listing: Listing) -> Iterator[str]:
    """What the sums leave out, for people."""
    for customer, hours in list(listing.held.items())[:_MOST_HELD]:
        where = (
            f"{hours[0]}" if len(hours) == 1 else f"{len(hours)} hours, {hours[0]} to {hours[-1]}"
        )
        yield (
            f"left out: {where}, where customer {customer!r} is held: some of its usage has no "
            "rate. `hourtally run` prints the rates to add"
        )
    if len(listing.held) > _MOST_HELD:
        others = len(listing.held) - _MOST_HELD
        yield f"left out: hours of {counted(others, 'more held customer')}; --json has them"
    missing = listing.missing
    if missing is not None:
        where = (
            f"{missing.first} is"
            if missing.hours == 1
            else f"{missing.hours} hours, from {missing.first} to {missing.last}, are"
        )
        events = f"; {missing.with_events} of them with events" if missing.with_events else ""
        yield f"missing: {where} not published{events}. `hourtally status` says why"
    if listing.unreported:
        yield (
            f"no quantities of {counted(len(listing.unreported), 'hour')} from "
            f"{listing.unreported[0]} on: an earlier version built them. "
            "`hourtally run` builds them again"
        )
