"""Commands for the operator of a home: status, prune."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from hourtally.cli.options import HomeOption, NowOption, Place, hour_range, minutes_ms
from hourtally.errors import InvalidArgument
from hourtally.model.hours import Hour, HourRange
from hourtally.model.printable import printable_message

Flag = Annotated[bool, Parameter(negative="")]
FromOption = Annotated[str | None, Parameter(name="--from")]


def status(
    *,
    from_: FromOption = None,
    to: str | None = None,
    hours: Flag = False,
    state: str | None = None,
    json: Flag = False,
    csv: Flag = False,
    rates: Place | None = None,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show the states of hours by day: open, missing, empty, stale (and why), held or current.

    Example: hourtally status --from 2026-11-22 --to 2026-11-23 --hours

    Parameters
    ----------
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds;
        default: the first with events.
    to
        End of the range, exclusive; default: after the last hour that has events or is closed.
    hours
        Print a line per hour, not per day.
    state
        Show hours in these states only, such as missing,stale.
    json
        Print one JSON document.
    csv
        Print the lines as CSV.
    rates
        Rate card; default: rates.toml in the home folder.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.build.batch_summary import summarize_batches
    from hourtally.build.status import hour_spans
    from hourtally.build.status_report import status_report
    from hourtally.ingest.inbox import search_inbox
    from hourtally.ratecard import load_rate_card
    from hourtally.store.durable import one_listing

    if json and csv:
        message = "give --json or --csv, not both"
        raise InvalidArgument(message)
    states = _states(state)
    first, end = hour_range(from_, to)
    home = (home_option or HomeOption()).existing()
    card = load_rate_card(rates or home.rates)
    now_ms = (now_option or NowOption()).read_ms()
    with one_listing(home.root):
        spans = hour_spans(home, card, now_ms, minutes_ms(settle), HourRange(first, end))
        report = status_report(spans, by_hour=hours, states=states)
        if csv:
            from hourtally.cli.output.status_data import print_status_csv

            print_status_csv(report)
            return 0
        batches, inbox = summarize_batches(home, now_ms), search_inbox(home)
    if json:
        from hourtally.cli.output.status_data import print_status_json

        print_status_json(report, batches, inbox, now_ms)
        return 0
    from hourtally.cli.output.status import print_status

    print_status(report, batches, inbox)
    return 0


def prune(
    *,
    keep: int,
    before: str | None = None,
    dry_run: Flag = False,
    json: Flag = False,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Remove the files of superseded revisions, and what killed runs have left behind.

    Manifests stay, and say what was published. Leftovers are removed once they are over a day old.

    Example: hourtally prune --keep 2 --before 2026-11-01 --dry-run

    Parameters
    ----------
    keep
        How many of the newest revisions of each hour to keep, the current one among them.
    before
        Prune hours before this one only: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix
        seconds; default: all hours.
    dry_run
        Print what would be removed, without removing it.
    json
        Print one JSON document.
    """
    from hourtally.build.prune import prune as prune_home
    from hourtally.cli.output.json_text import print_json
    from hourtally.cli.output.prune_report import print_prune, prune_document

    bound = None if before is None else Hour.parse(before)
    home = (home_option or HomeOption()).existing()
    now_ms = (now_option or NowOption()).read_ms()
    report = prune_home(home, keep, bound, now_ms, dry_run=dry_run)
    if json:
        print_json(prune_document(report, dry_run=dry_run))
    else:
        print_prune(report, dry_run=dry_run)
    for damage in report.skipped:
        print(printable_message(f"hourtally: {damage}"), file=sys.stderr)
    return 1 if report.skipped else 0


def _states(text: str | None) -> tuple[str, ...]:
    """The states of --state.

    Raises:
        InvalidArgument: one of them is none.
    """
    from hourtally.build.status import STATES

    states = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    unknown = [state for state in states if state not in STATES]
    if unknown or (text is not None and not states):
        message = f"--state {text!r}: the states are {', '.join(STATES)}"
        raise InvalidArgument(message)
    return states
