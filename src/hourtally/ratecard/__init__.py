"""The rate card: TOML in, checked rates out.

`parsing` reads a card or rejects it, `card` knows which rates are in force when, and `selection`
chooses the rate for usage. `snapshot` stores the rates in force for explanations and diffs.
`cases` are what an hour asks of a card, by which it is known whether another card changes it.
"""

from hourtally.ratecard.card import (
    GPU_METER,
    METERS,
    Rate,
    RateCard,
    RateRow,
    format_price,
    rates_in_force_rows,
)
from hourtally.ratecard.cases import Case, HourRates, encode_cases, read_cases
from hourtally.ratecard.gaps import Gap, SuggestedRate, suggest_rates
from hourtally.ratecard.parsing import load_rate_card, parse_rate_card
from hourtally.ratecard.selection import Attributes, RatesInForce
from hourtally.ratecard.snapshot import (
    read_rates_snapshot,
    read_snapshot_currency,
    write_rates_snapshot,
)

__all__ = [
    "GPU_METER",
    "METERS",
    "Attributes",
    "Case",
    "Gap",
    "HourRates",
    "Rate",
    "RateCard",
    "RateRow",
    "RatesInForce",
    "SuggestedRate",
    "encode_cases",
    "format_price",
    "load_rate_card",
    "parse_rate_card",
    "rates_in_force_rows",
    "read_cases",
    "read_rates_snapshot",
    "read_snapshot_currency",
    "suggest_rates",
    "write_rates_snapshot",
]
