"""Reported quantities of resources and clusters, beside their charges."""

from __future__ import annotations

import polars as pl
import pytest

from hourtally.errors import BoundExceeded
from hourtally.model.components import CLUSTER_EVENT, RESOURCE_EVENT
from hourtally.model.hours import Hour
from hourtally.model.schemas import RESOURCE_ORDER, USAGE
from hourtally.stages.rate_lookup import look_up, with_rate_customer
from hourtally.stages.rating import Rated, rate
from hourtally.stages.rollup import roll_up

HOUR = Hour(1_795_352_400)
VCPU_HOUR = 1_000 * 3_600_000
GIB_HOUR = 1_024 * 3_600_000
CLUSTER_HOUR = 3_600_000


def usage(*rows: dict[str, object]) -> pl.DataFrame:
    """Usage of resource r, or of cluster k, that no rate is for."""
    blank: dict[str, object] = {name: 0 if name.endswith("_ms") else None for name in USAGE}
    known = {"timestamp": HOUR.timestamp, "customer_id": "c", "period": 0, "resource_id": "r"}
    resource = {"event_type": RESOURCE_EVENT, "team_id": "t", "project_id": "p"}
    resource["resource_type"] = "job"
    made = [{**blank, **known, **({} if "event_type" in row else resource), **row} for row in rows]
    return pl.DataFrame(made, schema=USAGE).sort(RESOURCE_ORDER)


def rated(table: pl.DataFrame) -> Rated:
    unnamed = pl.DataFrame(schema={"timestamp": pl.Int64, "customer_id": pl.String})
    periods = [(HOUR.start_ms, HOUR.end_ms)]
    return rate(look_up(with_rate_customer(table, unnamed), [], periods))


def hours(table: pl.DataFrame) -> list[dict[str, int]]:
    """The reported quantities above zero of each row, by their names."""
    columns = table.select(pl.selectors.ends_with("_nanohours")).iter_rows(named=True)
    return [{n.removesuffix("_nanohours"): v for n, v in row.items() if v} for row in columns]


def test_each_quantity_is_summed_and_rounded_once() -> None:
    # 5/18 of a nano-hour each: 4 + 5 = 9 of them are 2.5, to even 2; rounded apart 1 + 1.
    rows: tuple[dict[str, object], ...]
    rows = ({"cpu_millicores_ms": 4}, {"cpu_millicores_ms": 5, "region": "eu"})
    assert hours(rated(usage(*rows)).charges) == [{"cpu": 2}]
    # 18 are 5; rounded apart 2.5 + 2.5 would be 4.
    rows = ({"cpu_millicores_ms": 9}, {"cpu_millicores_ms": 9, "region": "eu"})
    assert hours(rated(usage(*rows)).charges) == [{"cpu": 5}]


def test_gpus_are_reported_by_capacity_and_over_all_models() -> None:
    charges = rated(
        usage(
            {"gpu_milli_ms": VCPU_HOUR, "gpu_model": "a100"},
            {"gpu_milli_ms": VCPU_HOUR // 2, "gpu_model": "h100"},
            {"gpu_milli_ms": VCPU_HOUR // 4, "gpu_model": "h100", "gpu_capacity": "spot"},
            {"storage_mib_ms": GIB_HOUR, "memory_mib_ms": 3 * GIB_HOUR},
        )
    ).charges
    assert hours(charges) == [
        {
            "memory": 3_000_000_000,
            "storage": 1_000_000_000,
            "gpu_on_demand": 1_500_000_000,
            "gpu_spot": 250_000_000,
        }
    ]
    # The exact usage is of both.
    assert int(charges["gpu_milli_ms"][0]) == VCPU_HOUR * 7 // 4


def test_a_cluster_has_quantities_of_its_own() -> None:
    cluster = {"event_type": CLUSTER_EVENT, "resource_id": "k"}
    clusters = rated(
        usage(
            {
                **cluster,
                "vcpu_millicores_ms": VCPU_HOUR,
                "memory_mib_ms": GIB_HOUR,
                "gpu_memory_mib_ms": 2 * GIB_HOUR,
                "cluster_count_ms": CLUSTER_HOUR,
            }
        )
    ).clusters
    one = 1_000_000_000
    assert hours(clusters) == [{"vcpu": one, "memory": one, "gpu_memory": 2 * one, "cluster": one}]


def test_every_level_has_the_sum_of_the_quantities_below() -> None:
    table = usage(
        {"cpu_millicores_ms": VCPU_HOUR},
        {"resource_id": "s", "cpu_millicores_ms": 2 * VCPU_HOUR},
        {"team_id": "u", "memory_mib_ms": GIB_HOUR},
        {"event_type": CLUSTER_EVENT, "resource_id": "k", "cluster_count_ms": CLUSTER_HOUR},
    )
    of = rated(table)
    resources = table.filter(event_type=RESOURCE_EVENT)
    rollup = roll_up(of.charges, of.clusters, resources)
    by_team = [{"cpu": 3_000_000_000}, {"memory": 1_000_000_000}]
    for level in (rollup.types, rollup.projects, rollup.teams):
        assert hours(level) == by_team
    assert hours(rollup.customers) == [
        {"paas_cpu": 3 * 10**9, "paas_memory": 10**9, "byoc_cluster": 10**9}
    ]


# 2^63 - 1 nano-hours of a vCPU, in millicore-ms: times 18/5.
MOST = (2**63 - 1) * 18 // 5


def test_a_quantity_that_just_fits_its_column_is_kept() -> None:
    assert hours(rated(usage({"cpu_millicores_ms": MOST})).charges) == [{"cpu": 2**63 - 1}]


@pytest.mark.parametrize("beyond", [MOST + 2, 10**30])
def test_a_quantity_beyond_its_column_is_refused(beyond: int) -> None:
    with pytest.raises(BoundExceeded, match=r"a quantity \(cpu_nanohours\) exceeds 9223372036854"):
        rated(usage({"cpu_millicores_ms": beyond}))


def test_a_sum_of_quantities_beyond_its_column_is_refused() -> None:
    table = usage({"cpu_millicores_ms": MOST}, {"resource_id": "s", "cpu_millicores_ms": MOST})
    of = rated(table)
    with pytest.raises(BoundExceeded, match=r"a customer's sum \(paas_cpu_nanohours\) exceeds"):
        roll_up(of.charges, of.clusters, table)
