from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.errors import BoundExceeded
from hourtally.ratecard import RateCard
from hourtally.stages import rating
from hourtally.stages.rate_lookup import held_customers
from hourtally.stages.rating import rate
from tests.support.ratecard.priced_usage import HOUR, cpu_rate, looked_up, rates_of, usage

MIDDLE_MS = HOUR.start_ms + 1_800_000


def rated(table: pl.DataFrame, rates: RateCard) -> pl.DataFrame:
    return rate(looked_up(table, rates)).charges


def unrated(table: pl.DataFrame, rates: RateCard) -> list[tuple[str, str | None, int]]:
    """Meter, resource and period of every row of usage that has no rate."""
    return [
        (component.meter, *row)
        for lookup in looked_up(table, rates)
        for component, rows in lookup.unrated()
        for row in rows.select("resource_id", "period").iter_rows()
    ]


def cpu_nanocents(table: pl.DataFrame, rates: RateCard) -> dict[str, int]:
    priced = rated(table, rates)
    assert priced["total_nanocents"].to_list() == priced["cpu_nanocents"].to_list()
    return dict(priced.select("resource_id", "cpu_nanocents").iter_rows())


def test_periods_are_summed_exactly_and_rounded_once() -> None:
    # One nanocent is 3.6 millicore-ms at 1 cent a vCPU-hour: 1000 x 3,600,000 / 10^9. Usage of
    # 2 and 2 in two periods is 1.11 nanocents: 1. Rounded apart it would be 0.56 + 0.56: 2.
    rates = rates_of(
        cpu_rate("a", "1", "active_until = 2026-11-22T13:30:00Z"),
        cpu_rate("b", "1").replace("2026-01-01T00:00:00Z", "2026-11-22T13:30:00Z"),
    )
    assert rates.periods(HOUR) == ((HOUR.start_ms, MIDDLE_MS), (MIDDLE_MS, HOUR.end_ms))
    assert cpu_nanocents(usage(("r", 0, 2), ("r", 1, 2)), rates) == {"r": 1}


@pytest.mark.parametrize(
    ("millicore_ms", "nanocents"), [(0, 0), (9, 2), (27, 8), (45, 12), (1, 0), (2, 1), (18, 5)]
)
def test_an_exact_half_goes_to_the_even_nanocent(millicore_ms: int, nanocents: int) -> None:
    # 9 / 3.6 = 2.5, 27 / 3.6 = 7.5, 45 / 3.6 = 12.5; 1 / 3.6 = 0.28, 2 / 3.6 = 0.56.
    assert cpu_nanocents(usage(("r", 0, millicore_ms)), rates_of(cpu_rate("a", "1"))) == {
        "r": nanocents
    }


def test_no_usage_costs_nothing_at_prices_whose_multipliers_pass_128_bits() -> None:
    # Over their common denominator of 3.6 * 10^18 the first rate has a multiplier of 9 * 10^38, and
    # 2^127 is 1.7 * 10^38.
    rates = rates_of(
        cpu_rate("a", "9" + 20 * "0", "active_until = 2026-11-22T13:30:00Z"),
        cpu_rate("b", f"1/{10**18}").replace("2026-01-01T00:00:00Z", "2026-11-22T13:30:00Z"),
    )
    assert cpu_nanocents(usage(("r", 0, 0), ("r", 1, 0)), rates) == {"r": 0}


def test_unbounded_integers_come_to_what_128_bits_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = rates_of(cpu_rate("a", "7/3"), cpu_rate("b", "5/11", 'customer = "c"\nregion = "eu"'))
    rows = usage(*((f"r{n}", 0, 10**n + n) for n in range(15)))
    within = cpu_nanocents(rows, rates)
    monkeypatch.setattr(rating, "MAX_NUMERATOR", 1)
    assert cpu_nanocents(rows, rates) == within
    # 10^14 + 14 millicore-ms at 5/11 cents: x 10^9 x 5 / (11 x 3.6 x 10^9) = 12626262626264.39
    assert within["r14"] == 12_626_262_626_264


def test_a_price_beyond_128_bits_is_exact_or_refused() -> None:
    # 4 millicore-ms x 10^45 / 10^44 cents is 10 / 0.9 nanocents: 11.11.
    rates = rates_of(cpu_rate("a", f"{10**31}/{10**30}"))
    assert cpu_nanocents(usage(("r", 0, 4)), rates) == {"r": 11}
    with pytest.raises(BoundExceeded, match="nothing of the hour is published"):
        cpu_nanocents(usage(("r", 0, 10**16)), rates_of(cpu_rate("a", str(10**40))))


def test_a_charge_at_the_limit_of_its_column_fits_and_one_more_does_not() -> None:
    # At 3600 cents a vCPU-hour a millicore-ms is 1,000 nanocents.
    rates = rates_of(cpu_rate("a", "3600"))
    most = (2**63 - 1) // 1_000
    assert cpu_nanocents(usage(("r", 0, most)), rates) == {"r": most * 1_000}
    with pytest.raises(BoundExceeded):
        cpu_nanocents(usage(("r", 0, most + 1)), rates)


def test_usage_above_zero_without_a_rate_is_found() -> None:
    rates = rates_of(cpu_rate("a", "1", 'region = "us"'))
    table = usage(("r", 0, 5), ("s", 0, 5), ("idle", 0, 0))
    assert unrated(table, rates) == [("paas.cpu", "r", 0), ("paas.cpu", "s", 0)]
    held = held_customers(looked_up(table, rates))
    assert held.rows() == [(HOUR.timestamp, "c")]


def test_without_a_held_customer_the_others_are_priced() -> None:
    rates = rates_of(cpu_rate("a", "3.6", 'customer = "d"'))
    table = pl.concat(
        [usage(("r", 0, 5)).with_columns(customer_id=pl.lit(name)) for name in ("c", "d")]
    )
    lookups = looked_up(table, rates)
    held = held_customers(lookups)
    assert held["customer_id"].to_list() == ["c"]
    charges = rate([lookup.without(held) for lookup in lookups]).charges
    assert charges.select("customer_id", "cpu_nanocents").rows() == [("d", 5)]


def test_nothing_used_needs_no_rate_and_is_listed() -> None:
    assert cpu_nanocents(usage(("idle", 0, 0)), rates_of()) == {"idle": 0}


def test_usage_is_kept_exactly() -> None:
    rates = rates_of(cpu_rate("a", "0"))
    table = usage(("r", 0, 2**64), ("r", 0, 1))
    priced = rated(table, rates)
    assert priced["cpu_millicores_ms"].to_list() == [Decimal(2**64 + 1)]


def fourfold(cpu: int, memory: int, storage: int, gpu: int) -> pl.DataFrame:
    """Usage of one resource in all four components."""
    columns = zip(("memory_mib", "storage_mib", "gpu_milli"), (memory, storage, gpu), strict=True)
    return usage(("r", 0, cpu)).with_columns(
        pl.lit(amount, dtype=pl.Int128).alias(f"{quantity}_ms") for quantity, amount in columns
    )


def test_a_total_that_would_wrap_128_bits_is_refused() -> None:
    # A millicore-ms or a MiB-ms is 2^60 x 10^10 nanocents = 2^93.2, so 180 x 2^25 of them, which
    # is 2^32.5, are 2^125.7: within the bound. Four of these are 2^127.7, below zero in 128 bits.
    price = 2**60 * 36 * 10**9
    meters = {"paas.cpu": "vcpu", "paas.memory": "gib", "paas.storage": "gib", "paas.gpu": "gpu"}
    rates = rates_of(
        *(
            cpu_rate(meter, str(price * (1_024 if unit == "gib" else 1_000) // 1_000))
            .replace('meter = "paas.cpu"', f'meter = "{meter}"')
            .replace("vcpu-hour", f"{unit}-hour")
            for meter, unit in meters.items()
        )
    )
    amount = 180 * 2**25
    with pytest.raises(BoundExceeded, match="nothing of the hour is published"):
        cpu_nanocents(fourfold(amount, amount, amount, amount), rates)


def test_the_components_of_a_total_are_priced_by_their_own_meters() -> None:
    rates = rates_of(
        cpu_rate("cpu", "36"),
        cpu_rate("m", "36").replace("paas.cpu", "paas.memory").replace("vcpu", "gib"),
        cpu_rate("s", "72").replace("paas.cpu", "paas.storage").replace("vcpu", "gib"),
        cpu_rate("g", "360").replace("paas.cpu", "paas.gpu").replace("vcpu", "gpu"),
    )
    table = fourfold(1_000, 1_024, 1_024, 1_000)
    priced = rated(table, rates)
    prices = [f"{name}_nanocents" for name in ("cpu", "memory", "storage", "gpu", "total")]
    # One vCPU, GiB or GPU for a millisecond, at 36 cents an hour: 36 x 10^9 / 3,600,000 = 10,000.
    assert priced.select(prices).rows() == [(10_000, 10_000, 20_000, 100_000, 140_000)]


def test_gaps_are_found_in_every_meter_and_period_that_has_one() -> None:
    # From 13:30 on there is a rate for cpu; there is none for memory at all.
    rates = rates_of(cpu_rate("late", "1").replace("2026-01-01T00:00:00Z", "2026-11-22T13:30:00Z"))
    table = pl.concat([usage(("r", 0, 5), ("r", 1, 5)), fourfold(0, 7, 0, 0)])
    assert unrated(table, rates) == [("paas.cpu", "r", 0), ("paas.memory", "r", 0)]


def test_each_row_of_usage_has_the_rate_that_matches_it_best() -> None:
    # At 3.6 cents a millicore-ms is a nanocent.
    rates = rates_of(
        cpu_rate("all", "3.6"),
        cpu_rate("eu", "36", 'region = "eu"'),
        cpu_rate("d", "360", 'customer = "d"'),
    )
    regions = {"in-eu": "eu", "elsewhere": "us", "nowhere": None}
    table = pl.concat(
        usage((name, 0, 1)).with_columns(region=pl.lit(region, dtype=pl.String))
        for name, region in regions.items()
    )
    assert cpu_nanocents(table, rates) == {"in-eu": 10, "elsewhere": 1, "nowhere": 1}
    others = table.with_columns(customer_id=pl.lit("d"))
    assert cpu_nanocents(others, rates) == {"in-eu": 100, "elsewhere": 100, "nowhere": 100}


def test_a_resource_of_several_rates_is_rounded_once() -> None:
    # 0.4 + 0.4 + 0.4 nanocents at 1.44 cents, and 0.1 at 0.36: 1.3.
    rates = rates_of(cpu_rate("all", "1.44"), cpu_rate("eu", "0.36", 'region = "eu"'))
    regions = ("eu", "us", "ap", None)
    table = pl.concat(
        usage(("r", 0, 1)).with_columns(region=pl.lit(region, dtype=pl.String))
        for region in regions
    )
    assert cpu_nanocents(table, rates) == {"r": 1}


@given(
    st.lists(
        st.tuples(st.sampled_from("rst"), st.integers(0, 1), st.integers(0, 10**19)), min_size=1
    ),
    st.fractions(0, 10**6, max_denominator=10**4),
    st.fractions(0, 10**6, max_denominator=10**4),
)
def test_columns_and_unbounded_integers_both_come_to_the_exact_sum(
    rows: list[tuple[str, int, int]], before: Fraction, after: Fraction
) -> None:
    rates = rates_of(
        cpu_rate("a", str(before), "active_until = 2026-11-22T13:30:00Z"),
        cpu_rate("b", str(after)).replace("2026-01-01T00:00:00Z", "2026-11-22T13:30:00Z"),
    )
    exact: dict[str, Fraction] = {}
    for resource, period, amount in rows:
        price = after if period else before
        # Nanocents a cent, over millicores a vCPU and milliseconds an hour.
        charge = amount * price * 10**9 / (1_000 * 3_600_000)
        exact[resource] = exact.get(resource, Fraction(0)) + charge
    expected = {resource: round(charge) for resource, charge in exact.items()}
    used = [sum(amount for one, _, amount in rows if one == resource) for resource in exact]
    # And as nano-hours: 5/18 of a millicore-ms.
    fits = max(expected.values()) < 2**63 and round(Fraction(5 * max(used), 18)) < 2**63
    for limit in (2**126, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rating, "MAX_NUMERATOR", limit)
            if fits:
                assert cpu_nanocents(usage(*rows), rates) == expected
            else:
                with pytest.raises(BoundExceeded):
                    cpu_nanocents(usage(*rows), rates)
