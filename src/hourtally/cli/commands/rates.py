"""Commands for rate cards: rates check."""

from __future__ import annotations

from pathlib import Path

from hourtally.cli.options import NowOption
from hourtally.model.hours import format_instant


def check(file: Path, /, *, now_option: NowOption | None = None) -> int:
    """Check a rate card and print the rates in force now.

    Example: hourtally rates check data/rates.toml

    Parameters
    ----------
    file
        Rate card, in TOML.
    """
    from hourtally.cli.output.tables import print_rates
    from hourtally.ratecard import load_rate_card, rates_in_force_rows

    card = load_rate_card(file, "another FILE")
    now_ms = (now_option or NowOption()).read_ms()
    print_rates(rates_in_force_rows(card, now_ms), card.currency, format_instant(now_ms))
    return 0
