from __future__ import annotations

import polars as pl
import pytest

from hourtally.errors import BoundExceeded
from hourtally.model.components import BYOC_PRICES, PAAS_PRICES
from hourtally.stages.rollup import parent_numbers, roll_up
from tests.support.handwritten_charges import Ids, Parts, charges, clusters, usage

CHARGED: dict[Ids, Parts] = {
    ("a", "t1", "p1", "job", "r1"): (1, 20, 300, 4_000),
    ("a", "t1", "p1", "job", "r2"): (2, 0, 0, 0),
    ("a", "t1", "p1", "service", "r1"): (4, 0, 0, 0),
    ("a", "t1", "p2", "job", "r1"): (8, 0, 0, 0),
    ("a", "t2", "p1", "job", "r1"): (16, 0, 0, 0),
    ("b", "t1", "p1", "job", "r1"): (32, 0, 0, 0),
}


def prices(frame: pl.DataFrame, keys: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    columns = [f"{name}_nanocents" for name in PAAS_PRICES]
    rows = frame.drop("timestamp").select(pl.nth(range(keys)), *columns).rows()
    return {row[:keys]: row[keys:] for row in rows}


def test_every_level_is_the_sum_of_the_one_below() -> None:
    rollup = roll_up(charges(CHARGED), clusters({}), usage(list(CHARGED)))
    assert prices(rollup.types, 4) == {
        ("a", "t1", "p1", "job"): (4_323, 3, 20, 300, 4_000),
        ("a", "t1", "p1", "service"): (4, 4, 0, 0, 0),
        ("a", "t1", "p2", "job"): (8, 8, 0, 0, 0),
        ("a", "t2", "p1", "job"): (16, 16, 0, 0, 0),
        ("b", "t1", "p1", "job"): (32, 32, 0, 0, 0),
    }
    assert prices(rollup.projects, 3) == {
        ("a", "t1", "p1"): (4_327, 7, 20, 300, 4_000),
        ("a", "t1", "p2"): (8, 8, 0, 0, 0),
        ("a", "t2", "p1"): (16, 16, 0, 0, 0),
        ("b", "t1", "p1"): (32, 32, 0, 0, 0),
    }
    assert prices(rollup.teams, 2) == {
        ("a", "t1"): (4_335, 15, 20, 300, 4_000),
        ("a", "t2"): (16, 16, 0, 0, 0),
        ("b", "t1"): (32, 32, 0, 0, 0),
    }
    assert rollup.customers.select("customer_id", "paas_total_nanocents").rows() == [
        ("a", 4_351),
        ("b", 32),
    ]


def test_a_customer_has_charges_of_either_kind_or_of_both() -> None:
    paas = charges(
        {("a", "t", "p", "job", "r"): (1, 0, 0, 0), ("c", "t", "p", "job", "r"): (2,) * 4}
    )
    byoc = clusters(
        {("b", "k"): (3, 0, 0, 0), ("c", "k1"): (4, 0, 0, 0), ("c", "k2"): (5, 6, 7, 8)}
    )
    rows = [("a", "t", "p", "job", "r"), ("c", "t", "p", "job", "r")]
    customers = roll_up(paas, byoc, usage(rows)).customers
    columns = [f"paas_{name}_nanocents" for name in PAAS_PRICES]
    columns += [f"byoc_{name}_nanocents" for name in BYOC_PRICES]
    assert customers.select("customer_id", *columns).rows() == [
        ("a", 1, 1, 0, 0, 0, 0, 0, 0, 0, 0),
        ("b", 0, 0, 0, 0, 0, 3, 3, 0, 0, 0),
        # Of cluster k1 it has 4, of k2 the sum of 5, 6, 7 and 8.
        ("c", 8, 2, 2, 2, 2, 30, 9, 6, 7, 8),
    ]


def test_levels_have_the_names_that_the_hour_gives_them() -> None:
    named = usage(list(CHARGED), team_name="Blue", project_name="Web")
    rollup = roll_up(charges(CHARGED), clusters({}), named)
    assert set(rollup.teams["team_name"]) == {"Blue"}
    assert set(rollup.projects["project_name"]) == {"Web"}
    unnamed = roll_up(charges(CHARGED), clusters({}), usage(list(CHARGED)))
    assert unnamed.teams["team_name"].to_list() == unnamed.teams["team_id"].to_list()


def test_an_hour_of_nothing_has_no_levels() -> None:
    rollup = roll_up(charges({}), clusters({}), usage([]))
    levels = (rollup.types, rollup.projects, rollup.teams, rollup.customers)
    assert [len(level) for level in levels] == [0, 0, 0, 0]


HALF = 2**62


def test_a_customers_sum_that_just_fits_is_kept() -> None:
    rows: dict[Ids, Parts] = {
        ("a", "t", "p", "job", "r1"): (HALF, 0, 0, 0),
        ("a", "t", "p", "job", "r2"): (HALF - 1, 0, 0, 0),
    }
    rollup = roll_up(charges(rows), clusters({}), usage(list(rows)))
    # 2^62 + 2^62 - 1 = 2^63 - 1, the greatest number of the column.
    assert rollup.customers["paas_total_nanocents"].to_list() == [9_223_372_036_854_775_807]
    assert rollup.teams["total_nanocents"].to_list() == [9_223_372_036_854_775_807]


@pytest.mark.parametrize("teams", [("t", "t"), ("t1", "t2")])
def test_a_sum_beyond_its_column_is_refused_though_each_charge_fits(teams: tuple[str, str]) -> None:
    rows: dict[Ids, Parts] = {
        ("a", teams[0], "p", "job", "r1"): (HALF, 0, 0, 0),
        ("a", teams[1], "p", "job", "r2"): (HALF, 0, 0, 0),
    }
    with pytest.raises(BoundExceeded, match="a customer's sum exceeds 9223372036854775807"):
        roll_up(charges(rows), clusters({}), usage(list(rows)))


def test_a_sum_of_clusters_beyond_its_column_is_refused() -> None:
    byoc = clusters({("a", "k1"): (HALF, 0, 0, 0), ("a", "k2"): (0, HALF, 0, 0)})
    with pytest.raises(BoundExceeded):
        roll_up(charges({}), byoc, usage([]))


def test_rows_are_numbered_by_their_parents() -> None:
    rows = pl.DataFrame({"a": ["x", "x", "x", "y"], "b": ["p", "p", "q", "q"]})
    assert parent_numbers(rows, ["a", "b"]).to_list() == [0, 0, 1, 2]
    assert parent_numbers(rows, ["a"]).to_list() == [0, 0, 0, 1]
    assert parent_numbers(rows.clear(), ["a"]).to_list() == []
