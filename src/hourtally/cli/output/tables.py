"""Human-readable tables: rich on a terminal, plain when piped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hourtally.cli.output.text_table import (
    console,
    counts,
    lines_of,
    prices,
    print_lines,
    print_text,
    texts,
)

if TYPE_CHECKING:
    from hourtally.published.totals import PeriodTotals
    from hourtally.server.tokens import Token


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
