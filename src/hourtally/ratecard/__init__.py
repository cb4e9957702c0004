"""The rate card: TOML in, checked rates out.

`parsing` reads a card or rejects it, `card` knows which rates are in force when, and `selection`
chooses the rate for usage. `snapshot` stores the rates in force for explanations and diffs.
"""

from hourtally.ratecard.card import (
    METERS,
    Rate,
    RateCard,
    RateRow,
    format_price,
    rates_in_force_rows,
)
from hourtally.ratecard.parsing import load_rate_card, parse_rate_card
from hourtally.ratecard.selection import RatesInForce
from hourtally.ratecard.snapshot import read_rates_snapshot, write_rates_snapshot

__all__ = [
    "METERS",
    "Rate",
    "RateCard",
    "RateRow",
    "RatesInForce",
    "format_price",
    "load_rate_card",
    "parse_rate_card",
    "rates_in_force_rows",
    "read_rates_snapshot",
    "write_rates_snapshot",
]
