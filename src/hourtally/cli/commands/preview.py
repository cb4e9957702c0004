"""The command rates preview."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hourtally.cli.options import HomeOption, Id, NowOption, Place, hour_range, minutes_ms
from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.model.hours import Hour, HourRange
from hourtally.model.printable import printable_message

if TYPE_CHECKING:
    from hourtally.build.rates.preview import Preview, PreviewRequest

Flag = Annotated[bool, Parameter(negative="")]
By = Literal["customer", "team", "project", "type", "resource", "rate"]


def preview(
    card: Place,
    /,
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    by: By = "customer",
    customer: Id | None = None,
    json: Flag = False,
    csv: Flag = False,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show what closed hours would cost under another rate card, without publishing anything.

    Prints before, after and difference, and who would be held because usage has no rate.

    Example: hourtally rates preview new.toml --from 2026-11-01 --to 2026-12-01

    Parameters
    ----------
    card
        Rate card, in TOML.
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds.
    to
        End of the range, exclusive.
    by
        Group rows by this, and by meter.
    customer
        Look at this customer only.
    json
        Print one JSON document.
    csv
        Print the rows as CSV.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.build.rates.preview import PreviewRequest
    from hourtally.ratecard import load_rate_card

    if json and csv:
        message = "give --json or --csv, not both"
        raise InvalidArgument(message)
    within = HourRange(*hour_range(from_, to))
    home = (home_option or HomeOption()).existing()
    now_ms, settle_ms = (now_option or NowOption()).read_ms(), minutes_ms(settle)
    rates = load_rate_card(card, "another CARD")
    request = PreviewRequest(rates, within, now_ms, settle_ms, by, customer)
    try:
        found = _preview(home, request)
    except KeyboardInterrupt:
        say("interrupted; nothing was written. The same command starts over.")
        return 130
    say_failures(found.failed)
    status = 1 if found.failed else 0
    if csv:
        from hourtally.cli.output.preview_data import print_preview_csv

        print_preview_csv(found, request)
    elif json:
        from hourtally.cli.output.preview_data import print_preview_json

        print_preview_json(found, request, card, status)
    else:
        from hourtally.cli.output.preview import print_preview

        print_preview(found, request, card)
    return status


def _preview(home: Any, request: PreviewRequest) -> Preview:
    from hourtally.build.rates.preview import preview as preview_hours
    from hourtally.cli.output.progress_bar import progress_bar
    from hourtally.runtime.interrupts import as_keyboard_interrupt
    from hourtally.settings import Settings, usable_cores

    with as_keyboard_interrupt(), progress_bar("pricing", "hours") as advance:
        return preview_hours(home, request, Settings(threads=usable_cores()), advance)


def say_failures(failed: Sequence[tuple[Hour, HourtallyError]]) -> None:
    """Print the hours that could not be priced, each with the reason."""
    for hour, error in failed:
        say(f"hour {hour} could not be priced: {error}")


def say(message: str) -> None:
    """Print a message."""
    print(printable_message(f"hourtally: {message}"), file=sys.stderr, flush=True)
