from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from hourtally import rating
from hourtally.errors import BoundExceeded, UnratedUsage
from hourtally.hours import Hour
from hourtally.ratecard import RateCard, parse_rate_card
from hourtally.rating import rate
from hourtally.schemas import RESOURCE_EVENT, USAGE

HOUR = Hour(1_795_352_400)
MIDDLE_MS = HOUR.start_ms + 1_800_000


def card(*rates: str) -> RateCard:
    return parse_rate_card('currency = "USD"\n' + "".join(rates), "card")


def cpu_rate(name: str, price: str, more: str = "") -> str:
    return (
        f'[[rate]]\nid = "{name}"\nmeter = "paas.cpu"\nprice_cents = "{price}"\n'
        f'per = "vcpu-hour"\nactive_from = 2026-01-01T00:00:00Z\n{more}\n'
    )


def usage(*rows: tuple[str, int, int]) -> pl.DataFrame:
    """Usage of cpu: resource, period, millicores x milliseconds."""
    blank = {column: 0 if column.endswith("_ms") else None for column in USAGE}
    known = {
        "event_type": RESOURCE_EVENT,
        "customer_id": "c",
        "team_id": "t",
        "project_id": "p",
        "resource_type": "service",
        "region": "eu",
    }
    return pl.DataFrame(
        [
            {**blank, **known, "resource_id": resource, "period": period, "cpu_millicores_ms": cpu}
            for resource, period, cpu in rows
        ],
        schema=USAGE,
    )


def cpu_nanocents(table: pl.DataFrame, rates: RateCard) -> dict[str, int]:
    priced = rate(HOUR, table, rates.in_force(HOUR), rates.periods(HOUR)).charges
    assert priced["total_nanocents"].to_list() == priced["cpu_nanocents"].to_list()
    return dict(priced.select("resource_id", "cpu_nanocents").iter_rows())


def test_periods_are_summed_exactly_and_rounded_once() -> None:
    # One nanocent is 3.6 millicore-ms at 1 cent a vCPU-hour: 1000 x 3,600,000 / 10^9. Usage of
    # 2 and 2 in two periods is 1.11 nanocents: 1. Rounded apart it would be 0.56 + 0.56: 2.
    rates = card(
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
    assert cpu_nanocents(usage(("r", 0, millicore_ms)), card(cpu_rate("a", "1"))) == {
        "r": nanocents
    }


def test_unbounded_integers_come_to_what_128_bits_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = card(cpu_rate("a", "7/3"), cpu_rate("b", "5/11", 'customer = "c"\nregion = "eu"'))
    rows = usage(*((f"r{n}", 0, 10**n + n) for n in range(15)))
    within = cpu_nanocents(rows, rates)
    monkeypatch.setattr(rating, "MAX_NUMERATOR", 1)
    assert cpu_nanocents(rows, rates) == within
    # 10^14 + 14 millicore-ms at 5/11 cents: x 10^9 x 5 / (11 x 3.6 x 10^9) = 12626262626264.39
    assert within["r14"] == 12_626_262_626_264


def test_a_price_beyond_128_bits_is_exact_or_refused() -> None:
    # 4 millicore-ms x 10^45 / 10^44 cents is 10 / 0.9 nanocents: 11.11.
    rates = card(cpu_rate("a", f"{10**31}/{10**30}"))
    assert cpu_nanocents(usage(("r", 0, 4)), rates) == {"r": 11}
    with pytest.raises(BoundExceeded, match="nothing of the hour is published"):
        cpu_nanocents(usage(("r", 0, 10**16)), card(cpu_rate("a", str(10**40))))


def test_a_charge_at_the_limit_of_its_column_fits_and_one_more_does_not() -> None:
    # At 3600 cents a vCPU-hour a millicore-ms is 1,000 nanocents.
    rates = card(cpu_rate("a", "3600"))
    most = (2**63 - 1) // 1_000
    assert cpu_nanocents(usage(("r", 0, most)), rates) == {"r": most * 1_000}
    with pytest.raises(BoundExceeded):
        cpu_nanocents(usage(("r", 0, most + 1)), rates)


def test_a_gap_says_all_that_the_missing_rate_must_match() -> None:
    rates = card(cpu_rate("a", "1", 'region = "us"'))
    with pytest.raises(UnratedUsage) as refused:
        cpu_nanocents(usage(("r", 0, 5), ("s", 0, 5), ("idle", 0, 0)), rates)
    [gap] = refused.value.gaps
    assert str(gap) == (
        "meter 'paas.cpu' (resource_type = 'service', region = 'eu') from 2026-11-22T13:00:00Z "
        "until 2026-11-22T14:00:00Z: 2 resource(s), for example of customer 'c'"
    )


def test_nothing_used_needs_no_rate_and_is_listed() -> None:
    assert cpu_nanocents(usage(("idle", 0, 0)), card()) == {"idle": 0}


def test_usage_is_kept_exactly() -> None:
    rates = card(cpu_rate("a", "0"))
    table = usage(("r", 0, 2**64), ("r", 0, 1))
    priced = rate(HOUR, table, rates.in_force(HOUR), rates.periods(HOUR)).charges
    assert priced["cpu_millicores_ms"].to_list() == [Decimal(2**64 + 1)]
