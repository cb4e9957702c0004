"""The rate card: TOML in, checked rates out; those in force in an hour, and their digest.

`parsing` reads a card and refuses a wrong one, `card` says what is in force when, and
`selection` which of the rates in force prices a slice. `statement` keeps
what was in force for explanations.
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
from hourtally.ratecard.selection import RatesInForce, select
from hourtally.ratecard.snapshot import keep_statement, read_statement

__all__ = [
    "METERS",
    "Rate",
    "RateCard",
    "RateRow",
    "RatesInForce",
    "format_price",
    "keep_statement",
    "load_rate_card",
    "parse_rate_card",
    "rates_in_force_rows",
    "read_statement",
    "select",
]
