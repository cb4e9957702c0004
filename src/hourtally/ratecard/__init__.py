"""The rate card: TOML in, checked rates out.

`parsing` reads a card or rejects it, `card` knows which rates are in force when, and `selection`
chooses the rate for usage. `snapshot` stores the rates in force for explanations and diffs.
`cases` are what an hour asks of a card, by which it is known whether another card changes it.
"""

from hourtally.ratecard.by_hour import KeptRates, RatesByHour
from hourtally.ratecard.card import (
    GPU_METER,
    METERS,
    Rate,
    RateCard,
    format_price,
)
from hourtally.ratecard.cases import Case, HourRates, encode_cases, read_cases
from hourtally.ratecard.difference import RateChange, changed_rates
from hourtally.ratecard.focus_names import BYOC_CLUSTER, SERVICE_CATEGORIES, FocusNames
from hourtally.ratecard.gaps import Gap, SuggestedRate, Suggestions, suggest_rates
from hourtally.ratecard.listing import (
    RateRow,
    describe_rate,
    meters_without_rate,
    pauses,
    rate_row,
    rate_state,
    rates_at,
    rates_in_force_rows,
)
from hourtally.ratecard.parsing import load_rate_card, parse_rate_card
from hourtally.ratecard.selection import Attributes, RatesInForce
from hourtally.ratecard.snapshot import (
    read_rates_snapshot,
    read_snapshot_currency,
    write_rates_snapshot,
)

__all__ = [
    "BYOC_CLUSTER",
    "GPU_METER",
    "METERS",
    "SERVICE_CATEGORIES",
    "Attributes",
    "Case",
    "FocusNames",
    "Gap",
    "HourRates",
    "KeptRates",
    "Rate",
    "RateCard",
    "RateChange",
    "RateRow",
    "RatesByHour",
    "RatesInForce",
    "SuggestedRate",
    "Suggestions",
    "changed_rates",
    "describe_rate",
    "encode_cases",
    "format_price",
    "load_rate_card",
    "meters_without_rate",
    "parse_rate_card",
    "pauses",
    "rate_row",
    "rate_state",
    "rates_at",
    "rates_in_force_rows",
    "read_cases",
    "read_rates_snapshot",
    "read_snapshot_currency",
    "suggest_rates",
    "write_rates_snapshot",
]
