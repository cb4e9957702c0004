from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ratecard import Rate, RatesInForce

SELECTOR_VALUES = {"customer": "acme", "gpu_model": "h100", "resource_type": "job", "region": "eu"}
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
    found = RatesInForce(rates).select(
        meter=meter,
        customer=full["customer"],
        resource_type=full["resource_type"],
        region=full["region"],
        gpu_model=full["gpu_model"],
        instant_ms=instant_ms,
    )
    return None if found is None else found.id


# All sets of selectors, the most specific first.
SPECIFICITY = [
    ("customer", "gpu_model", "resource_type", "region"),
    ("customer", "gpu_model", "resource_type"),
    ("customer", "gpu_model", "region"),
    ("customer", "gpu_model"),
    ("customer", "resource_type", "region"),
    ("customer", "resource_type"),
    ("customer", "region"),
    ("customer",),
    ("gpu_model", "resource_type", "region"),
    ("gpu_model", "resource_type"),
    ("gpu_model", "region"),
    ("gpu_model",),
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
    st.lists(st.tuples(SOME, SOME, SOME, SOME, st.integers(0, 2)), max_size=12, unique=True),
    st.tuples(SOME, SOME, SOME, SOME, st.integers(0, 2)),
)
def test_selecting_is_the_heaviest_of_all_rates_that_match(
    rows: list[tuple[str | None, str | None, str | None, str | None, int]],
    usage: tuple[str | None, str | None, str | None, str | None, int],
) -> None:
    # A row: customer, gpu_model, resource_type, region, and the one millisecond it is active in.
    weights = (8, 4, 2, 1)
    matching = [
        (sum(w for w, value in zip(weights, row[:4], strict=True) if value), number)
        for number, row in enumerate(rows)
        if row[4] == usage[4]
        and all(value in (None, of) for value, of in zip(row[:4], usage[:4], strict=True))
    ]
    rates = [
        rate(str(number), row[4], row[4] + 1, **dict(zip(NAMES, row[:4], strict=True)))
        for number, row in enumerate(rows)
    ]
    expected = str(max(matching)[1]) if matching else None
    named = dict(zip(NAMES, usage[:4], strict=True))
    assert selected(rates, usage[4], "paas.cpu", **named) == expected
