"""Human-readable facts of rate cards: the rates, a check against usage, a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hourtally.cli.output.text_table import (
    console,
    counted,
    lines_of,
    print_lines,
    print_text,
    right_aligned,
    texts,
)
from hourtally.model.hours import format_instant, runs_of_hours
from hourtally.ratecard import (
    Rate,
    RateCard,
    RateChange,
    meters_without_rate,
    pauses,
    rate_row,
    rate_state,
    rates_at,
)
from hourtally.ratecard.listing import FUTURE, PAST, format_end

if TYPE_CHECKING:
    from hourtally.build.rates.card_restatements import Restatements
    from hourtally.build.rates.usage_check import UsageCheck

_MOST_LISTED: Final = 20


def print_rates(rates: Sequence[Rate], heading: str) -> None:
    """A table of rates below a heading."""
    out = console()
    print_text(out, heading, style="bold")
    rows = [rate_row(rate) for rate in rates]
    columns = [
        texts("meter", [row.meter for row in rows]),
        right_aligned("price", [row.price for row in rows]),
        texts("selectors", [row.selectors for row in rows]),
        texts("from", [row.active_from for row in rows]),
        texts("until", [row.active_until for row in rows]),
    ]
    print_lines(out, lines_of(["id", *(row.id for row in rows)], columns, out.width))


def print_rates_at(card: RateCard, instant_ms: int, path: Path) -> None:
    """The rates in force at an instant, and the meters without one."""
    heading = f"{path}: in force at {format_instant(instant_ms)}; prices in cents, {card.currency}:"
    print_rates(rates_at(card, instant_ms), heading)
    _print_meters_without(card, instant_ms, "then")


def print_checked_card(card: RateCard, now_ms: int) -> None:
    """The rates of a valid card: present, future and past ones."""
    heading = (
        f"Rate card OK. In force at {format_instant(now_ms)}; prices in cents, {card.currency}:"
    )
    print_rates(rates_at(card, now_ms), heading)
    for state, title in ((FUTURE, "Starting later:"), (PAST, "Ended:")):
        rates = [rate for rate in card.rates if rate_state(rate, now_ms) == state]
        if rates:
            console().print()
            print_rates(sorted(rates, key=lambda one: (one.meter, one.active_from_ms)), title)
    _print_meters_without(card, now_ms, "now")
    for before, after in pauses(card)[:_MOST_LISTED]:
        print_text(console(), f"{describe_pause(before, after)}.")


def describe_pause(before: Rate, after: Rate) -> str:
    """Between which rates and instants there is a pause."""
    until = format_end(before.active_until_ms)
    from_ = format_instant(after.active_from_ms)
    return (
        f"Pause from {until} until {from_} between rates {before.id!r} and {after.id!r}: usage "
        "then has a less specific rate, or none"
    )


def _print_meters_without(card: RateCard, instant_ms: int, when: str) -> None:
    missing = meters_without_rate(card, instant_ms)
    if missing:
        print_text(console(), f"No rate {when} for {', '.join(missing)}: usage would be held.")


def print_no_usage(home: str) -> None:
    """Say that the card was not held against usage."""
    print_text(console(), f"Not checked against usage: there is none in {home}.")


def print_usage_check(check: UsageCheck) -> None:
    """What the usage says about the card, but for the suggested rates."""
    from hourtally.cli.output.preview import print_gaps

    out = console()
    within = check.within
    out.print()
    if not check.hours:
        print_text(out, f"No usage from {within.first} to {within.end} to check against.")
        return
    print_text(
        out,
        f"Usage of {counted(check.hours, 'hour')}, {within.first} to {within.end} (UTC):",
        style="bold",
    )
    if check.gaps.is_empty():
        print_text(out, "All usage has a rate.")
    else:
        customers = check.gaps["customer_id"].n_unique()
        print_text(out, f"Usage without a rate would hold {counted(customers, 'customer')}:")
        print_gaps(check.gaps)
    for line in _remarks(check):
        print_text(out, line)


def _remarks(check: UsageCheck) -> Iterator[str]:
    for reason in dict.fromkeys(why for _, why in check.unselected):
        ids = [rate.id for rate, why in check.unselected if why == reason]
        more = f" and {len(ids) - _MOST_LISTED} more" if len(ids) > _MOST_LISTED else ""
        rates = "rate" if len(ids) == 1 else f"{len(ids)} rates"
        yield f"Nothing selects {rates} ({reason}): {', '.join(ids[:_MOST_LISTED])}{more}."
    for miss in check.near_misses[:_MOST_LISTED]:
        yield f"{miss.selector} {miss.used!r} in usage: the card has {miss.card!r}."
    if check.near_miss_count > _MOST_LISTED:
        others = check.near_miss_count - _MOST_LISTED
        yield f"… and {others} more names that are nearly those of the card."


def print_card_diff(
    cards: tuple[RateCard, RateCard], changes: Sequence[RateChange], names: tuple[Path, Path]
) -> None:
    """The rates that differ, and from when until when each of them matters."""
    out = console()
    old, new = cards
    currency = old.currency if old.currency == new.currency else f"{old.currency} → {new.currency}"
    print_text(out, f"{names[0]} → {names[1]}; prices in cents, {currency}", style="bold")
    if old.currency != new.currency:
        print_text(out, "The currency differs: every published hour would be restated.")
    if not changes:
        print_text(out, "No rate differs.")
        return
    rows = [(change, window) for change in changes for window in change.windows]
    columns = [
        texts("change", [change.kind for change, _ in rows]),
        texts("meter", [change.rate.meter for change, _ in rows]),
        texts("what", [describe_change(change) for change, _ in rows]),
        texts("matters from", [format_instant(from_ms) for _, (from_ms, _) in rows]),
        texts("until", [format_end(until_ms) for _, (_, until_ms) in rows]),
    ]
    print_lines(out, lines_of(["id", *(change.id for change, _ in rows)], columns, out.width))


def describe_change(change: RateChange) -> str:
    """The price of an added or removed rate, or what differs of a changed one."""
    old, new = change.old, change.new
    if old is None or new is None:
        row = rate_row(change.rate)
        return f"{row.price}, {row.selectors}"
    parts = []
    was, now = rate_row(old), rate_row(new)
    for name, before, after in zip(was._fields, was, now, strict=True):
        if before != after:
            label = {"active_from": "from", "active_until": "until"}.get(name, name)
            parts.append(
                f"{label} {before} → {after}" if name != "price" else f"{before} → {after}"
            )
    if old.per_hours != new.per_hours:
        parts.append(f"a month of {old.per_hours} → {new.per_hours} hours")
    return ", ".join(parts)


def print_restatements(found: Restatements, home: str) -> None:
    """Which published hours the change restates."""
    out = console()
    out.print()
    if not found.restated:
        print_text(out, f"No published hour of {home} would be restated because of it.")
    else:
        count = counted(len(found.restated), "published hour")
        print_text(out, f"{count} of {home} would be restated because of it:", style="bold")
        runs = runs_of_hours((hour, "") for hour in found.restated)
        for run in runs[:_MOST_LISTED]:
            print_text(out, f"  {run}")
        if len(runs) > _MOST_LISTED:
            print_text(out, f"  … and {counted(len(runs) - _MOST_LISTED, 'more run')} of hours")
    for run in runs_of_hours(found.stale_already)[:_MOST_LISTED]:
        print_text(out, f"Stale under the old card already: {run}: {run.what}.")
    if found.damaged:
        print_text(
            out,
            f"Not compared: {counted(found.damaged, 'damaged manifest')}; see `hourtally verify`.",
        )
