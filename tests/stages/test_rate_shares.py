"""How the rates of a charge share it: whole nanocents that add up to the charge."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ratecard import RateCard
from hourtally.stages import rating
from hourtally.stages.rate_shares import rate_shares
from hourtally.stages.rating import rate
from tests.support.examples import examples
from tests.support.ratecard.priced_usage import cpu_rate, looked_up, rates_of, usage

# One cent a vCPU-hour: a nanocent is 1000 x 3,600,000 / 10^9 = 3.6 millicore-ms.
HALVES = rates_of(
    cpu_rate("a", "1", "active_until = 2026-11-22T13:30:00Z"),
    cpu_rate("b", "1").replace("2026-01-01T00:00:00Z", "2026-11-22T13:30:00Z"),
)


def shares(table: pl.DataFrame, rates: RateCard) -> dict[str, int]:
    found = rate_shares(looked_up(table, rates))
    assert set(found["meter"]) <= {"paas.cpu"}
    return {name: int(cents) for name, cents in found.select("rate", "nanocents").iter_rows()}


def test_the_only_rate_of_a_charge_has_all_of_it() -> None:
    # 9 / 3.6 = 2.5, to the even 2; 36 / 3.6 = 10.
    assert shares(usage(("r", 0, 9), ("s", 0, 36)), rates_of(cpu_rate("a", "1"))) == {"a": 12}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # 0.56 up to a is 1, 1.11 up to b is 1, so that b has none.
        (2, 2, {"a": 1}),
        # 0.28 up to a is 0, 2.5 up to b is 2.
        (1, 8, {"b": 2}),
        # 2.5 up to a is 2, 12.5 up to b is 12.
        (9, 36, {"a": 2, "b": 10}),
        (0, 36, {"b": 10}),
    ],
)
def test_rates_of_one_charge_share_it_in_the_order_of_their_ids(
    first: int, second: int, expected: dict[str, int]
) -> None:
    table = usage(("r", 0, first), ("r", 1, second))
    assert shares(table, HALVES) == expected
    assert rate(looked_up(table, HALVES)).charges["total_nanocents"].sum() == sum(expected.values())


def test_free_usage_and_no_usage_have_no_share() -> None:
    assert shares(usage(("r", 0, 36)), rates_of(cpu_rate("a", "0"))) == {}
    assert shares(usage(("r", 0, 0)), rates_of(cpu_rate("a", "1"))) == {}


@examples(200, fast=30)
@given(
    st.lists(
        st.tuples(st.sampled_from("rst"), st.integers(0, 1), st.integers(0, 10**6)),
        max_size=6,
        unique_by=lambda row: row[:2],
    ),
    st.booleans(),
)
def test_shares_add_up_to_the_charges_in_128_bits_and_beyond(
    rows: list[tuple[str, int, int]], is_bounded: bool
) -> None:
    table = usage(*rows)
    with pytest.MonkeyPatch.context() as patch:
        if not is_bounded:
            patch.setattr(rating, "MAX_NUMERATOR", 1)
        found = shares(table, HALVES)
        assert sum(found.values()) == rate(looked_up(table, HALVES)).charges["cpu_nanocents"].sum()
    assert found == shares(table, HALVES)
