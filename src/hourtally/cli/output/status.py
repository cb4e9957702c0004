"""Human-readable status: a line per day or hour, then sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from hourtally.build.batch_summary import BatchSummary
from hourtally.build.status import HELD, STALE, STATES, DayStatus, HourStatus, Span
from hourtally.cli.output.ingest_report import inbox_lines
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
from hourtally.model.money import format_cents

if TYPE_CHECKING:
    from hourtally.build.status_report import StatusReport, StatusTotals
    from hourtally.ingest.inbox import Inbox

# Batches with quarantined lines, and hours with conflicts.
_MOST_LISTED: Final = 10


def print_status(report: StatusReport, batches: BatchSummary, inbox: Inbox) -> None:
    """The rows, a count per state, and what was last published, ingested and set aside.

    Args:
        report: of the range that was asked for.
        batches: all of the home.
        inbox: what it holds.
    """
    out = console()
    totals = report.totals
    if report.left_out:
        print_text(
            out,
            f"{counted(report.left_out, 'older line')} left out; --from and --to choose a range.",
        )
    if report.hours:
        print_lines(out, _hour_lines(report.hours, totals))
    elif report.days:
        print_lines(out, _day_lines(report.days, totals))
    elif totals.hours:
        print_text(out, f"No hour of the range is {' or '.join(report.filtered)}.")
    if totals.hours:
        print_text(out, _sums(totals))
    else:
        print_text(out, "No events and no published hours yet.")
    for line in _last_lines(totals, batches):
        print_text(out, line)
    for line in (*_set_aside(totals, batches), *inbox_lines(inbox)):
        print_text(out, line)
    if batches.damaged:
        print_text(out, f"Damaged batch records: {batches.damaged}; `hourtally verify` lists them.")


def state_counts(states: Mapping[str, int]) -> dict[str, int]:
    """The hours of each state, those without hours included, in the order of the states."""
    return {state: states.get(state, 0) for state in STATES}


def _sums(totals: StatusTotals) -> str:
    states = ", ".join(f"{hours} {state}" for state, hours in state_counts(totals.states).items())
    text = f"{counted(totals.hours, 'hour')}: {states}."
    also = totals.held - totals.states[HELD]
    if also:
        text += f" Stale hours that hold customers too: {also}."
    return text


def _last_lines(totals: StatusTotals, batches: BatchSummary) -> Iterator[str]:
    last = totals.last_published
    if last is not None:
        yield f"Last published: hour {last.hour}, revision {last.revision}, at {last.published_at}."
    if batches.count:
        yield f"Last ingested: {batches.last_file} at {batches.last_ingested_at}."
    if batches.future is not None:
        yield (
            f"Latest start of an event: {batches.future.latest_start}, in batch "
            f"{batches.future.batch}, from {batches.future.file}."
        )
    withdrawn = f" and {batches.withdrawn} withdrawn" if batches.withdrawn else ""
    yield (
        f"Batches: {batches.count}{withdrawn}; quarantined lines: {batches.quarantined}; "
        f"conflicting events in these hours: {totals.conflicts}."
    )


def _hour_lines(spans: Sequence[Span], totals: StatusTotals) -> list[str]:
    statuses = [span.status for span in spans]
    columns = [
        texts("state", [_hour_state(one) for one in statuses]),
        right_aligned("revision", [str(one.revision or "-") for one in statuses]),
        right_aligned("customers", [str(one.customers or "-") for one in statuses]),
        prices(_cents(totals), [one.total_nanocents for one in statuses]),
        texts("why", [_hour_why(one) for one in statuses]),
    ]
    return lines_of(["hour (UTC)", *map(_hour_name, spans)], columns, None)


def _hour_name(span: Span) -> str:
    if span.hours == 1:
        return span.first.name
    last = span.part(span.hours - 1, 1).first
    return f"{span.first} to {last} ({span.hours} hours)"


def _hour_state(one: HourStatus) -> str:
    return f"{STALE}, {HELD}" if one.held and one.state == STALE else one.state


def _hour_why(one: HourStatus) -> str:
    held = [f"{counted(one.held, 'customer')} held"] if one.held else []
    return ", ".join([*one.why, *held])


def _day_lines(days: Sequence[DayStatus], totals: StatusTotals) -> list[str]:
    columns = [
        counts("hours", [day.hours for day in days]),
        texts("state", [_day_state(day) for day in days]),
        _day_prices(days, totals),
        texts("why", [_day_why(day) for day in days]),
    ]
    return lines_of(["day (UTC)", *map(_day_name, days)], columns, None)


def _day_name(day: DayStatus) -> str:
    return day.first if day.first == day.last else f"{day.first} to {day.last}"


def _day_state(day: DayStatus) -> str:
    present = [state for state in STATES if day.states[state]]
    if len(present) == 1:
        text = present[0]
    else:
        text = ", ".join(f"{day.states[state]} {state}" for state in present)
    also = day.held - day.states[HELD]
    return f"{text}, {also} of them {HELD}" if also else text


def _day_why(day: DayStatus) -> str:
    if len(day.why) == 1:
        return next(iter(day.why))
    return ", ".join(f"{hours} {reason}" for reason, hours in day.why.items())


def _day_prices(days: Sequence[DayStatus], totals: StatusTotals) -> list[str]:
    """Sums by day; amounts of several currencies are never added up."""
    if len(totals.currencies) < 2:
        return prices(_cents(totals), [sum(day.nanocents.values()) for day in days])
    cells = [
        ", ".join(f"{format_cents(sums)} {of}" for of, sums in sorted(day.nanocents.items()))
        for day in days
    ]
    return texts(_cents(totals), [cell or "-" for cell in cells])


def _cents(totals: StatusTotals) -> str:
    """The heading of the prices: hours built with different rate cards may differ in currency."""
    return ", ".join(("cents", *sorted(totals.currencies)))


def _set_aside(totals: StatusTotals, batches: BatchSummary) -> Iterator[str]:
    """Where to find quarantined lines and conflicts, newest first."""
    for batch, file, rules in batches.with_quarantine[:_MOST_LISTED]:
        broken = ", ".join(f"{lines} {rule}" for rule, lines in sorted(rules.items()))
        yield f"  quarantine/{batch}.ndjson: {broken}, from {file}"
    if len(batches.with_quarantine) > _MOST_LISTED:
        yield f"  … and {len(batches.with_quarantine) - _MOST_LISTED} more files"
    for one in reversed(totals.conflicting):
        yield f"  hours/{one.hour}/{one.revision:06d}.json: {one.conflicts} conflicting events"
    more = totals.conflicting_hours - len(totals.conflicting)
    if more:
        yield f"  … and {more} more hours"
