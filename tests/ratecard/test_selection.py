from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ratecard import Attributes, Rate, RatesInForce

SELECTOR_VALUES = {
    "customer": "acme",
    "gpu_model": "h100",
    "gpu_capacity": "spot",
    "resource_type": "job",
    "region": "eu",
}
NAMES = tuple(SELECTOR_VALUES)


def rate(
    rate_id: str, from_ms: int = 0, until_ms: int | None = None, **selectors: str | None
) -> Rate:
    return Rate(rate_id, "paas.cpu", Fraction(1), "vcpu-hour", 1, from_ms, until_ms, **selectors)


def selecting(names: tuple[str, ...]) -> Rate:
    return rate(
        "+".join(names) or "any", 0, None, **{name: SELECTOR_VALUES[name] for name in names}
    )


def selected(
    rates: list[Rate], instant_ms: int = 0, meter: str = "paas.cpu", **usage: str | None
) -> str | None:
    full = {**SELECTOR_VALUES, **usage}
    found = RatesInForce(rates).select(meter, Attributes(**full), instant_ms)
    return None if found is None else found.id


# All sets of selectors, the most specific first: with customer before without, then gpu_model,
# gpu_capacity, resource_type and region.
SPECIFICITY = [
    tuple(itertools.compress(NAMES, mask)) for mask in itertools.product((True, False), repeat=5)
]


def test_the_order_of_specificity_is_the_contracts() -> None:
    assert SPECIFICITY[0] == NAMES
    assert SPECIFICITY[15:18] == [
        ("customer",),
        ("gpu_model", "gpu_capacity", "resource_type", "region"),
        ("gpu_model", "gpu_capacity", "resource_type"),
    ]
    assert SPECIFICITY[-6:] == [
        ("gpu_capacity", "region"),
        ("gpu_capacity",),
        ("resource_type", "region"),
        ("resource_type",),
        ("region",),
        (),
    ]


@pytest.mark.parametrize(
    ("winner", "loser"),
    list(itertools.combinations(SPECIFICITY, 2)),
    ids=lambda names: "+".join(names) or "any",
)
def test_of_two_rates_that_match_the_more_specific_one_prices(
    winner: tuple[str, ...], loser: tuple[str, ...]
) -> None:
    rates = [selecting(loser), selecting(winner)]
    assert selected(rates) == selecting(winner).id
    assert selected(rates[::-1]) == selecting(winner).id


@pytest.mark.parametrize("capacity", [None, "on-demand"])
def test_usage_without_a_capacity_is_on_demand(capacity: str | None) -> None:
    rates = [rate("od", gpu_capacity="on-demand"), rate("spot", gpu_capacity="spot")]
    assert selected(rates, gpu_capacity=capacity) == "od"
    assert selected(rates[1:], gpu_capacity=capacity) is None
    assert selected(rates, gpu_capacity="spot") == "spot"


@pytest.mark.parametrize("name", SELECTOR_VALUES)
@pytest.mark.parametrize("other", ["another", "", None])
def test_a_rate_whose_selector_does_not_match_is_passed_over(name: str, other: str | None) -> None:
    assert selected([selecting((name,))], 0, "paas.cpu", **{name: other}) is None
    assert selected([selecting((name,)), selecting(())], 0, "paas.cpu", **{name: other}) == "any"


def test_a_cluster_has_no_resource_type_and_no_gpu_model_to_select_by() -> None:
    cluster: dict[str, str | None] = {"resource_type": None, "gpu_model": None}
    rates = [selecting(("gpu_model",)), selecting(("resource_type", "region"))]
    assert selected(rates, 0, "paas.cpu", **cluster) is None
    assert (
        selected([*rates, selecting(()), selecting(("region",))], 0, "paas.cpu", **cluster)
        == "region"
    )


def test_a_rate_of_another_meter_never_prices() -> None:
    assert selected([selecting(())], meter="paas.memory") is None


def test_a_more_specific_rate_prices_only_inside_its_window() -> None:
    rates = [
        selecting(()),
        rate("x1", 100, 200, customer="acme"),
        rate("x2", 200, 300, customer="acme"),
        rate("x3", 400, None, customer="acme"),
    ]
    rates = rates[::-1]  # their order says nothing
    found = {instant: selected(rates, instant) for instant in (99, 100, 199, 200, 299, 300, 399)}
    assert found == {99: "any", 100: "x1", 199: "x1", 200: "x2", 299: "x2", 300: "any", 399: "any"}
    assert (selected(rates, 400), selected(rates, 10**15)) == ("x3", "x3")


def test_the_index_names_the_customers_that_have_rates_of_their_own() -> None:
    rates = [rate("a"), rate("b", customer="acme"), rate("c", customer="zed", region="eu")]
    assert RatesInForce(rates).customers == {"acme", "zed"}


SOME = st.sampled_from((None, "x", "y"))


@given(
    st.lists(st.tuples(*[SOME] * 5, st.integers(0, 2)), max_size=12, unique=True),
    st.tuples(*[SOME] * 5, st.integers(0, 2)),
)
def test_selecting_is_the_heaviest_of_all_rates_that_match(
    rows: list[tuple[Any, ...]],
    usage: tuple[Any, ...],
) -> None:
    # A row: the five selectors, and the one millisecond it is active in.
    weights = (16, 8, 4, 2, 1)
    matching = [
        (sum(w for w, value in zip(weights, row[:5], strict=True) if value), number)
        for number, row in enumerate(rows)
        if row[5] == usage[5]
        and all(value in (None, of) for value, of in zip(row[:5], usage[:5], strict=True))
    ]
    rates = [
        rate(str(number), row[5], row[5] + 1, **dict(zip(NAMES, row[:5], strict=True)))
        for number, row in enumerate(rows)
    ]
    expected = str(max(matching)[1]) if matching else None
    named = dict(zip(NAMES, usage[:5], strict=True))
    assert selected(rates, usage[5], "paas.cpu", **named) == expected
