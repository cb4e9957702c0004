"""Commands for the operator of a home: status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hourtally.cli.options import HomeOption, NowOption, hour_range, minutes_ms
from hourtally.model.hours import HourRange

FromOption = Annotated[str | None, Parameter(name="--from")]


def status(
    *,
    from_: FromOption = None,
    to: str | None = None,
    rates: Path | None = None,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show the state of each hour: open, missing, current or stale, and why.

    Example: hourtally status --from 2026-11-22T00 --to 2026-11-23T00

    Parameters
    ----------
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds; default:
        the first with events.
    to
        End of the range, exclusive; default: after the last hour with events.
    rates
        Rate card; default: rates.toml in the home folder.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.build.status import closed_hours_after, hour_statuses, summarize_batches
    from hourtally.cli.output.status import print_status
    from hourtally.ratecard import load_rate_card

    first, end = hour_range(from_, to)
    home = (home_option or HomeOption()).existing()
    card = load_rate_card(rates or home.rates)
    now_ms = (now_option or NowOption()).read_ms()
    settle_ms = minutes_ms(settle)
    hours = hour_statuses(home, card, now_ms, settle_ms, HourRange(first, end))
    silent = 0 if end else closed_hours_after(hours, now_ms, settle_ms)
    print_status(hours, silent, summarize_batches(home))
    return 0
