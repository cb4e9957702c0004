"""The state of hours as a person reads it: a line an hour, then sums."""

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
    texts,
    to_the_right,
)

# Of batches with quarantined lines, and of hours with conflicts.
_MOST_NAMED: Final = 10


def print_status(hours: Sequence[HourStatus], silent: int, batches: Batches) -> None:
    """Every hour, how many are in which state, and what was last done and set aside.

    Args:
        hours: in order.
        silent: how many closed hours after them are not listed, as nothing is known of them.
        batches: all of the home.
    """
    out = console()
    if hours:
        columns = [
            texts("state", [one.state for one in hours]),
            to_the_right("revision", [str(one.revision or "-") for one in hours]),
            to_the_right("customers", [str(one.customers or "-") for one in hours]),
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
                f"No events since {hours[-1].hour.following}; not listed: "
                f"{counted(silent, 'closed hour')} after that.",
            )
    else:
        print_text(out, "There are no events and no published hours yet.")
    last = max(hours, key=lambda one: (one.published_at, one.hour), default=None)
    if last is not None and last.published_at:
        print_text(
            out,
            f"Published last: hour {last.hour}, revision {last.revision}, at {last.published_at}.",
        )
    if batches.count:
        print_text(out, f"Ingested last: {batches.last_file} at {batches.last_ingested_at}.")
    conflicts = sum(one.conflicts for one in hours)
    print_text(
        out,
        f"Batches: {batches.count}; quarantined lines: {batches.quarantined}; conflicting events "
        f"in these hours: {conflicts}.",
    )
    for line in _set_aside(hours, batches):
        print_text(out, line)
    if batches.damaged:
        print_text(
            out, f"{batches.damaged} ingest records are damaged; `hourtally verify` names them."
        )


def _cents(hours: Sequence[HourStatus]) -> str:
    """The heading of a column of prices: hours built under other cards may have others."""
    return ", ".join(("cents", *sorted({one.currency for one in hours if one.currency})))


def _set_aside(hours: Sequence[HourStatus], batches: Batches) -> Iterator[str]:
    """Where what was quarantined and what conflicts is kept, newest first."""
    for batch, file, rules in batches.refusing[:_MOST_NAMED]:
        broken = ", ".join(f"{lines} {rule}" for rule, lines in sorted(rules.items()))
        yield f"  quarantine/{batch}.ndjson: {broken}, of {file}"
    if len(batches.refusing) > _MOST_NAMED:
        yield f"  … and of {len(batches.refusing) - _MOST_NAMED} more files"
    conflicting = [one for one in reversed(hours) if one.conflicts]
    for one in conflicting[:_MOST_NAMED]:
        yield f"  hours/{one.hour}/{one.revision:06d}.json: {one.conflicts} conflicting"
    if len(conflicting) > _MOST_NAMED:
        yield f"  … and of {len(conflicting) - _MOST_NAMED} more hours"
