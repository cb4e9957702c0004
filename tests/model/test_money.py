from __future__ import annotations

from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.model.money import (
    MAX_NANOCENTS,
    MAX_NUMERATOR,
    format_cents,
    format_currency,
    format_hours,
    nanohours_per_unit_ms,
    parse_cents,
    parse_decimal,
    round_half_even,
)
from hourtally.model.money_expressions import (
    format_decimal_expr,
    nanohours_expr,
    round_half_even_expr,
)

ROUNDINGS = [
    (0, 1, 0),
    (1, 2, 0),
    (3, 2, 2),
    (5, 2, 2),
    (7, 2, 4),
    # Just under and just over a half.
    (49, 100, 0),
    (51, 100, 1),
    (10**18 // 2, 10**18, 0),
    (10**18 // 2 + 1, 10**18, 1),
    (MAX_NUMERATOR - 1, 1, MAX_NUMERATOR - 1),
]
TEXTS = [
    (0, "0"),
    (1, "0.000000001"),
    (10, "0.00000001"),
    (1_000_000_000, "1"),
    (1_500_000_000, "1.5"),
    (100_000_000_000, "100"),
    (999_999_999, "0.999999999"),
    (MAX_NANOCENTS, "9223372036.854775807"),
]


@pytest.mark.parametrize(("numerator", "denominator", "rounded"), ROUNDINGS)
def test_a_half_goes_to_the_even_neighbour(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_even(Fraction(numerator, denominator)) == rounded
    column = pl.Series([numerator], dtype=pl.Int128)
    expr = round_half_even_expr(pl.lit(column), pl.lit(denominator, dtype=pl.Int128))
    assert int(str(pl.select(expr).item())) == rounded


@given(st.integers(0, 2**100), st.integers(1, 2**60))
def test_columns_round_as_fractions_do(numerator: int, denominator: int) -> None:
    column = pl.Series([numerator], dtype=pl.Int128)
    expr = round_half_even_expr(pl.lit(column), pl.lit(denominator, dtype=pl.Int128))
    assert int(str(pl.select(expr).item())) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(("nanocents", "text"), TEXTS)
def test_cents_are_printed_exactly_and_shortly(nanocents: int, text: str) -> None:
    assert format_cents(nanocents) == text
    assert parse_cents(text.encode()) == nanocents
    column = pl.Series([nanocents], dtype=pl.Int64)
    assert pl.select(format_decimal_expr(pl.lit(column), 9)).item() == text


@given(st.lists(st.integers(0, MAX_NANOCENTS), min_size=1))
def test_a_column_prints_as_its_numbers_do(amounts: list[int]) -> None:
    column = pl.lit(pl.Series(amounts, dtype=pl.Int64))
    printed = pl.select(format_decimal_expr(column, 9)).to_series().to_list()
    assert printed == [format_cents(amount) for amount in amounts]


def test_less_than_nothing_has_a_sign() -> None:
    assert format_cents(-1_500_000_000) == "-1.5"


@pytest.mark.parametrize(
    ("nanocents", "text"),
    [
        (0, "0"),
        (1, "0.00000000001"),
        (1_250_000_000, "0.0125"),
        (100_000_000_000, "1"),
        (MAX_NANOCENTS, "92233720.36854775807"),
        (2 * MAX_NANOCENTS, "184467440.73709551614"),
    ],
)
def test_units_of_the_currency_are_a_hundredth_of_cents(nanocents: int, text: str) -> None:
    assert format_currency(nanocents) == text
    assert parse_decimal(text.encode(), 11) == nanocents
    column = pl.Series([nanocents], dtype=pl.Int128)
    assert pl.select(format_decimal_expr(pl.lit(column), 11)).item() == text


@pytest.mark.parametrize(
    ("quantity", "usage", "nanohours"),
    [
        # 1 vCPU for 1 h is 10^9; 1 millicore for 1 ms 5/18, for 9 ms 2.5, to even 2.
        ("cpu_millicores", 1_000 * 3_600_000, 1_000_000_000),
        ("cpu_millicores", 1, 0),
        ("vcpu_millicores", 9, 2),
        ("gpu_milli", 27, 8),  # 7.5
        # 1 MiB for 1 h is 976,562.5, 3 MiB are 2,929,687.5.
        ("memory_mib", 3_600_000, 976_562),
        ("storage_mib", 3 * 3_600_000, 2_929_688),
        ("gpu_memory_mib", 1_024 * 3_600_000, 1_000_000_000),
        # 1 cluster for 1 ms is 277.8.
        ("cluster_count", 1, 278),
    ],
)
def test_usage_is_reported_in_nano_hours_rounded_once(
    quantity: str, usage: int, nanohours: int
) -> None:
    assert round_half_even(usage * nanohours_per_unit_ms(quantity)) == nanohours
    column = pl.lit(pl.Series([usage], dtype=pl.Int128))
    assert int(str(pl.select(nanohours_expr(column, quantity)).item())) == nanohours


def test_hours_are_printed_as_prices_are() -> None:
    assert [format_hours(n) for n in (0, 278, 1_500_000_000)] == ["0", "0.000000278", "1.5"]
