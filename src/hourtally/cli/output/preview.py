"""Human-readable preview of a rate card: what changes, who would be held, and what is apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from hourtally.build.rates.preview import Preview, PreviewRequest
from hourtally.build.rates.preview_sums import COMPARED, WAS_HELD, WOULD_BE_HELD
from hourtally.cli.output.job_report import print_blocks
from hourtally.cli.output.text_table import (
    console,
    counted,
    counts,
    lines_of,
    prices,
    print_lines,
    print_text,
    right_aligned,
    texts,
)
from hourtally.jobs.preview_notes import (
    SIDES,
    held_customers,
    preview_heading,
    preview_notes,
    row_label,
    sorted_rows,
    totals,
)
from hourtally.model.hours import format_instant
from hourtally.model.money import format_cents

_HEADINGS: Final = {
    WOULD_BE_HELD: "Would be held, so without figures after",
    WAS_HELD: "Held now and not under this card, so without figures before",
}


def print_preview(found: Preview, request: PreviewRequest, card: Path) -> None:
    """The rows, the largest difference first, then what is apart from them.

    Args:
        found: the preview.
        request: what was asked for.
        card: the file of the card.
    """
    out = console()
    print_text(out, f"Preview of {card}: {preview_heading(found, request)}", style="bold")
    _print_compared(sorted_rows(found, COMPARED), request)
    for line in preview_notes(found, request):
        print_text(out, line)
    _print_apart(found, request, WOULD_BE_HELD)
    if len(found.gaps):
        out.print()
        print_gaps(found.gaps)
    _print_apart(found, request, WAS_HELD)
    print_blocks(found.suggested)


def _print_compared(rows: pl.DataFrame, request: PreviewRequest) -> None:
    if rows.is_empty():
        return
    sums = totals(rows)
    several = len(sums) > 1
    labels = [f"total {currency}" if several else "total" for currency, _, _ in sums]
    before = [one for _, one, _ in sums] + rows["before"].to_list()
    after = [one for _, _, one in sums] + rows["after"].to_list()
    columns = [
        texts("meter", ["" for _ in sums] + rows["meter"].to_list()),
        prices("before", before),
        prices("after", after),
        _differences(before, after),
    ]
    out = console()
    print_lines(out, lines_of(["", *labels, *_labels(rows, request)], columns, out.width))


def _differences(before: Sequence[int], after: Sequence[int]) -> list[str]:
    """A column of signed differences, decimal points aligned; `-` for none."""
    parts = []
    for one, other in zip(before, after, strict=True):
        sign = "+" if other > one else ""
        text = f"{sign}{format_cents(other - one)}" if other != one else "-"
        parts.append(text.partition("."))
    width = max(len(point + digits) for _, point, digits in parts)
    cells = [f"{whole}{point + digits:<{width}}" for whole, point, digits in parts]
    return right_aligned("difference", cells)


def _labels(rows: pl.DataFrame, request: PreviewRequest) -> list[str]:
    several = rows["currency"].n_unique() > 1
    return [
        f"{row_label(row, request)} {row['currency']}" if several else row_label(row, request)
        for row in rows.iter_rows(named=True)
    ]


def _print_apart(found: Preview, request: PreviewRequest, part: str) -> None:
    """The customers of a part that holds, in which hours, and what is known of their charges."""
    customers = held_customers(found, part)
    if not customers:
        return
    out = console()
    out.print()
    print_text(out, f"{_HEADINGS[part]}: {counted(len(customers), 'customer')}", style="bold")
    columns = [
        counts("hours", [hours for _, hours, _, _ in customers]),
        texts("first", [first.name for _, _, first, _ in customers]),
        texts("last", [last.name for _, _, _, last in customers]),
    ]
    print_lines(out, lines_of(["", *(customer for customer, *_ in customers)], columns, out.width))
    rows = sorted_rows(found, part)
    if len(rows):
        [side] = SIDES[part]
        known = [texts("meter", rows["meter"].to_list()), prices(side, rows[side].to_list())]
        out.print()
        print_lines(out, lines_of(["in these hours", *_labels(rows, request)], known, out.width))


def print_gaps(gaps: pl.DataFrame) -> None:
    """`preview_sums.GAPS` as a table."""
    out = console()
    rows: list[dict[str, Any]] = gaps.to_dicts()
    columns = [
        texts("meter", [row["meter"] for row in rows]),
        texts("usage without a rate", [_selectors(row) for row in rows]),
        texts("from", [format_instant(row["from_ms"]) for row in rows]),
        texts("until", [format_instant(row["until_ms"]) for row in rows]),
        counts("hours", [row["hours"] for row in rows]),
        texts("for example", [row["resource_id"] for row in rows]),
    ]
    print_lines(out, lines_of(["", *(row["customer_id"] for row in rows)], columns, out.width))


def _selectors(row: dict[str, Any]) -> str:
    names = ("gpu_model", "gpu_capacity", "resource_type", "region")
    return ", ".join(f"{name} = {row[name]!r}" for name in names if row[name] is not None) or "any"
