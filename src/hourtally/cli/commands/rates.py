"""Commands for rate cards: rates check, diff and at."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from cyclopts import Parameter

from hourtally.cli.commands.preview import say, say_failures
from hourtally.cli.options import HomeOption, NowOption, Place, hour_range, minutes_ms
from hourtally.errors import RateCardError, with_urls
from hourtally.model.hours import HOUR_SECONDS, Hour, HourRange, parse_instant_ms
from hourtally.model.printable import counted

Flag = Annotated[bool, Parameter(negative="")]
FromOption = Annotated[str | None, Parameter(name="--from")]


def check(
    file: Place,
    /,
    *,
    from_: FromOption = None,
    to: str | None = None,
    json: Flag = False,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Check a rate card by itself and against usage: past, present and future rates, gaps, typos.

    Where the home has usage, lists what has no rate, rates that nothing selects, and names that are
    nearly those of the card. Exit status 1 if a customer would be held.

    Example: hourtally rates check data/rates.toml

    Parameters
    ----------
    file
        Rate card, in TOML.
    from_
        First hour of usage: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds;
        default: 30 days before the end.
    to
        End of the usage, exclusive; default: after the current hour.
    json
        Print one JSON document.
    """
    from hourtally.cli.output.rate_cards import print_checked_card
    from hourtally.ratecard import load_rate_card

    within = hour_range(from_, to)
    now_ms = (now_option or NowOption()).read_ms()
    home = _home_with_usage(home_option, is_wanted=from_ is not None or to is not None)
    try:
        card = load_rate_card(file, "another FILE")
    except RateCardError as error:
        if json:
            from hourtally.cli.output.json_text import print_json

            print_json({"card": str(file), "problems": error.problems, "exit_status": 1})
        raise
    if not json:
        print_checked_card(card, now_ms)
    found = None if home is None else _check_usage(home, card, last_30_days(*within, now_ms))
    status = 1 if found and (len(found.gaps) or found.failed) else 0
    if json:
        from hourtally.cli.output.json_text import print_json
        from hourtally.cli.output.rate_cards_data import check_document

        print_json(check_document(card, now_ms, file, found, status))
    elif found:
        from hourtally.cli.output.job_report import print_blocks
        from hourtally.cli.output.rate_cards import print_usage_check

        print_usage_check(found)
        print_blocks(found.suggested)
    else:
        from hourtally.cli.output.rate_cards import print_no_usage

        print_no_usage(with_urls(str((home_option or HomeOption()).open().root)))
    if found:
        say_failures(found.failed)
        if len(found.gaps):
            held = counted(found.gaps["customer_id"].n_unique(), "customer")
            where = with_urls(str(file))
            say(f"{held} would be held: some usage has no rate. Add the rates above to {where}")
    return status


def diff(
    old: Place,
    new: Place,
    /,
    *,
    from_: FromOption = None,
    to: str | None = None,
    json: Flag = False,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Compare two rate cards: rates, from when they matter, and hours that would be restated.

    Example: hourtally rates diff data/rates.toml new.toml

    Parameters
    ----------
    old
        Rate card, in TOML.
    new
        Rate card to compare with it.
    from_
        First hour to look at: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds;
        default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    json
        Print one JSON document.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.build.rates.card_restatements import find_restatements
    from hourtally.ratecard import changed_rates, load_rate_card

    within = HourRange(*hour_range(from_, to))
    cards = load_rate_card(old, "another OLD"), load_rate_card(new, "another NEW")
    home = _home_with_usage(home_option, is_wanted=from_ is not None or to is not None)
    now_ms = (now_option or NowOption()).read_ms()
    changes = changed_rates(*cards)
    found = home and find_restatements(home, cards, now_ms, minutes_ms(settle), within)
    if json:
        from hourtally.cli.output.json_text import print_json
        from hourtally.cli.output.rate_cards_data import diff_document

        print_json(diff_document(cards, changes, (old, new), found))
        return 0
    from hourtally.cli.output.rate_cards import print_card_diff, print_restatements

    print_card_diff(cards, changes, (old, new))
    if home:
        print_restatements(found, with_urls(str(home.root)))
    return 0


def at(
    instant: str,
    /,
    *,
    rates: Place | None = None,
    json: Flag = False,
    home_option: HomeOption | None = None,
) -> int:
    """Show the rates in force at an instant.

    Example: hourtally rates at 2026-12-01T00:00:00Z

    Parameters
    ----------
    instant
        RFC 3339 time, such as 2026-12-01T00:00:00Z; or an hour or a date, for its first instant.
    rates
        Rate card; default: rates.toml in the home folder.
    json
        Print one JSON document.
    """
    from hourtally.ratecard import load_rate_card

    instant_ms = _instant_ms(instant)
    path = rates or (home_option or HomeOption()).existing().rates
    card = load_rate_card(path)
    if json:
        from hourtally.cli.output.json_text import print_json
        from hourtally.cli.output.rate_cards_data import rates_at_document

        print_json(rates_at_document(card, instant_ms, path))
    else:
        from hourtally.cli.output.rate_cards import print_rates_at

        print_rates_at(card, instant_ms, path)
    return 0


def _instant_ms(text: str) -> int:
    """Milliseconds of an instant, or of the first one of an hour or date.

    Raises:
        InvalidArgument: it is none of these.
    """
    with contextlib.suppress(ValueError):
        return parse_instant_ms(text)
    return Hour.parse(text).start_ms


def _home_with_usage(home_option: HomeOption | None, *, is_wanted: bool) -> Any:
    """The home, if one is named or the default one exists; else None.

    Raises:
        NotFound: one is asked for, and is not there.
    """
    from hourtally.store.durable import folder_exists

    option = home_option or HomeOption()
    if option.home is not None or is_wanted:
        return option.existing()
    home = option.open()
    return home if folder_exists(home.events) or folder_exists(home.hours) else None


def _check_usage(home: Any, card: Any, within: HourRange) -> Any:
    from hourtally.build.rates.usage_check import check_usage
    from hourtally.cli.output.progress_bar import progress_bar
    from hourtally.settings import Settings, usable_cores

    with progress_bar("checking", "hours") as advance:
        return check_usage(home, card, within, Settings(threads=usable_cores()), advance)


def last_30_days(first: Hour | None, end: Hour | None, now_ms: int) -> HourRange:
    """The hours of a range; without its bounds up to the current hour, and 30 days long."""
    end = end or Hour.containing(now_ms).following
    first = first or Hour(end.timestamp - 30 * 24 * HOUR_SECONDS)
    return HourRange(first, end)
