"""Reported quantities: exact usage to whole nano-hours, rounded once (contract, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import polars as pl

from hourtally.errors import BoundExceeded
from hourtally.model.components import (
    BYOC_HOURS,
    CLUSTER_EVENT,
    PAAS_HOURS,
    RESOURCE_EVENT,
    SPOT,
)
from hourtally.model.money import MAX_NANOHOURS, nanohours_per_unit_ms, round_half_even
from hourtally.model.money_expressions import nanohours_expr
from hourtally.model.schemas import NANOHOURS

# The usage of `gpu_milli_ms` by capacity.
SPOT_USAGE: Final = "gpu_spot_ms"
_ON_DEMAND_USAGE: Final = "gpu_on_demand_ms"
_GPU_USAGE: Final = {"gpu_on_demand": _ON_DEMAND_USAGE, "gpu_spot": SPOT_USAGE}


class _Reported(NamedTuple):
    """A reported quantity: its column, the column of its exact usage, the quantity."""

    column: str
    usage: str
    quantity: str


def _reported(hours: dict[str, tuple[str, str]]) -> tuple[_Reported, ...]:
    return tuple(
        _Reported(f"{name}{NANOHOURS}", _GPU_USAGE.get(name, f"{quantity}_ms"), quantity)
        for name, (_, quantity) in hours.items()
    )


_REPORTED: Final = {RESOURCE_EVENT: _reported(PAAS_HOURS), CLUSTER_EVENT: _reported(BYOC_HOURS)}


@cache
def spot_usage() -> pl.Expr:
    """What of a row of `schemas.USAGE` is of spot GPUs: `SPOT_USAGE`, in 128 bits."""
    is_spot = pl.col("gpu_capacity") == SPOT
    return pl.when(is_spot).then("gpu_milli_ms").otherwise(pl.lit(0, pl.Int128)).alias(SPOT_USAGE)


def with_reported_hours(table: pl.DataFrame, event_type: str) -> pl.DataFrame:
    """A table of resources or clusters with their `*_nanohours`.

    Args:
        table: with exact usage in 128 bits, that of spot GPUs (`SPOT_USAGE`) too.
        event_type: of the table's rows.

    Raises:
        BoundExceeded: a quantity does not fit its column.
    """
    table = (
        table.with_columns((pl.col("gpu_milli_ms") - pl.col(SPOT_USAGE)).alias(_ON_DEMAND_USAGE))
        if event_type == RESOURCE_EVENT
        else table
    )
    for reported in _REPORTED[event_type]:
        # Before anything is multiplied: a usage that fits its column fits 128 bits times 2,500.
        most = int(str(table[reported.usage].max() or 0))
        if round_half_even(most * nanohours_per_unit_ms(reported.quantity)) > MAX_NANOHOURS:
            raise too_many_hours(reported.column, "a quantity")
    return table.with_columns(_hours(event_type))


def too_many_hours(column: str, what: str) -> BoundExceeded:
    """The error where a quantity, or a sum of them, does not fit its column."""
    message = (
        f"{what} ({column}) exceeds {MAX_NANOHOURS} nano-hours, the most that can be stored: "
        "nothing of the hour is published. Look for a wrong quantity."
    )
    return BoundExceeded(message)


@cache
def _hours(event_type: str) -> tuple[pl.Expr, ...]:
    return tuple(_expressions(event_type))


def _expressions(event_type: str) -> Iterator[pl.Expr]:
    for column, usage, quantity in _REPORTED[event_type]:
        yield nanohours_expr(pl.col(usage), quantity).cast(pl.Int64).alias(column)
