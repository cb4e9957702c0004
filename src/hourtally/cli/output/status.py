"""Human-readable status: a line per hour, then sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from hourtally.build.status import STATES, Batches, HourStatus
from hourtally.cli.output.text_table import (
    console,
    counted,
    lines_of,
    prices,
    print_lines,
    print_text,
    right_aligned,
    texts,
)

# Batches with quarantined lines, and hours with conflicts.
_MOST_LISTED: Final = 10


def print_status(hours: Sequence[HourStatus], silent: int, batches: Batches) -> None:
    """Every hour, a count per state, and what was last published, ingested and set aside.

    Args:
        hours: in order.
        silent: how many closed hours after them are not listed because they have no events.
        batches: all of the home.
    """
    out = console()
    if hours:
        columns = [
            texts("state", [one.state for one in hours]),
            right_aligned("revision", [str(one.revision or "-") for one in hours]),
            right_aligned("customers", [str(one.customers or "-") for one in hours]),
            prices(_cents(hours), [one.total_nanocents for one in hours]),
            texts("why", [", ".join(one.why) for one in hours]),
        ]
        names = ["hour (UTC)", *(one.hour.name for one in hours)]
        print_lines(out, lines_of(names, columns, None))
        in_state = Counter(one.state for one in hours)
        states = ", ".join(f"{in_state[state]} {state}" for state in STATES)
        print_text(out, f"{counted(len(hours), 'hour')}: {states}.")
        if silent:
            print_text(
                out,
                f"No events since {hours[-1].hour.following}: "
                f"{counted(silent, 'closed hour')} not listed.",
            )
    else:
        print_text(out, "No events and no published hours yet.")
    last = max(hours, key=lambda one: (one.published_at, one.hour), default=None)
    if last is not None and last.published_at:
        print_text(
            out,
            f"Last published: hour {last.hour}, revision {last.revision}, at {last.published_at}.",
        )
    if batches.count:
        print_text(out, f"Last ingested: {batches.last_file} at {batches.last_ingested_at}.")
    conflicts = sum(one.conflicts for one in hours)
    print_text(
        out,
        f"Batches: {batches.count}; quarantined lines: {batches.quarantined}; conflicting events "
        f"in these hours: {conflicts}.",
    )
    for line in _set_aside(hours, batches):
        print_text(out, line)
    if batches.damaged:
        print_text(out, f"Damaged batch records: {batches.damaged}; `hourtally verify` lists them.")


def _cents(hours: Sequence[HourStatus]) -> str:
    """The heading of the prices: hours built with different rate cards may differ in currency."""
    return ", ".join(("cents", *sorted({one.currency for one in hours if one.currency})))


def _set_aside(hours: Sequence[HourStatus], batches: Batches) -> Iterator[str]:
    """Where to find quarantined lines and conflicts, newest first."""
    for batch, file, rules in batches.with_quarantine[:_MOST_LISTED]:
        broken = ", ".join(f"{lines} {rule}" for rule, lines in sorted(rules.items()))
        yield f"  quarantine/{batch}.ndjson: {broken}, from {file}"
    if len(batches.with_quarantine) > _MOST_LISTED:
        yield f"  … and {len(batches.with_quarantine) - _MOST_LISTED} more files"
    conflicting = [one for one in reversed(hours) if one.conflicts]
    for one in conflicting[:_MOST_LISTED]:
        yield f"  hours/{one.hour}/{one.revision:06d}.json: {one.conflicts} conflicting events"
    if len(conflicting) > _MOST_LISTED:
        yield f"  … and {len(conflicting) - _MOST_LISTED} more hours"
