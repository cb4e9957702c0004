"""Rollup: charges and quantities summed at every level, each the exact sum of the level below.

None of them is negative, so if the largest sums, those of customers, fit 64 bits, all do. They are
computed in 128 bits and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from hourtally.errors import BoundExceeded
from hourtally.model.components import BYOC_HOURS, BYOC_PRICES, PAAS_HOURS, PAAS_PRICES
from hourtally.model.money import MAX_NANOCENTS
from hourtally.model.schemas import (
    CUSTOMER_KEY,
    CUSTOMERS,
    HOUR,
    NANOHOURS,
    PROJECTS,
    RESOURCE_KEY,
    TEAMS,
    TYPES,
    Schema,
    conform,
    hourly,
)
from hourtally.stages.display_names import latest_names
from hourtally.stages.reported_hours import too_many_hours

# Level, how many columns of the resource's key it keeps, its name column, its id column, schema.
_LEVELS: Final[tuple[tuple[str, int, str | None, str, Schema], ...]] = (
    ("types", 4, None, "resource_type", TYPES),
    ("projects", 3, "project_name", "project_id", PROJECTS),
    ("teams", 2, "team_name", "team_id", TEAMS),
)
# The columns of usage that give the levels their names.
NAMING: Final = (HOUR, *RESOURCE_KEY[:3], "team_name", "project_name", "last_end_ms")
PAAS_COLUMNS: Final = tuple(f"{price}_nanocents" for price in PAAS_PRICES)
BYOC_COLUMNS: Final = tuple(f"{price}_nanocents" for price in BYOC_PRICES)
PAAS_SUMMED: Final = (*PAAS_COLUMNS, *(f"{name}{NANOHOURS}" for name in PAAS_HOURS))
BYOC_SUMMED: Final = (*BYOC_COLUMNS, *(f"{name}{NANOHOURS}" for name in BYOC_HOURS))


@dataclass(frozen=True)
class Rollup:
    """The levels above resources, each sorted, by hour first.

    types, projects, teams: their schemas, hourly. customers: every customer with PaaS or BYOC
    usage; `schemas.CUSTOMERS`, hourly, without the columns that locate the documents.
    """

    types: pl.DataFrame
    projects: pl.DataFrame
    teams: pl.DataFrame
    customers: pl.DataFrame


def roll_up(charges: pl.DataFrame, clusters: pl.DataFrame, resources: pl.DataFrame) -> Rollup:
    """Sum charges and quantities upward. All frames are sorted.

    Args:
        charges: of resources.
        clusters: of clusters.
        resources: the usage of the resources, at least `NAMING`.

    Raises:
        BoundExceeded: a customer's sum does not fit its column.
    """
    customers = customer_sums(charges, clusters)
    levels: dict[str, pl.DataFrame] = {}
    below = charges
    # Every resource has a charge, so parents get the same numbers in charges and usage.
    for level, depth, name, id_column, schema in _LEVELS:
        key = (HOUR, *RESOURCE_KEY[:depth])
        summed = below.group_by(parent_numbers(below, key), maintain_order=True).agg(
            pl.col(key).first(), pl.col(PAAS_SUMMED).sum()
        )
        if name is not None:
            numbers = parent_numbers(resources, key)
            summed = summed.with_columns(latest_names(resources, numbers, name, id_column))
        below = conform(summed.select(HOUR, *schema), hourly(schema))
        levels[level] = below
    return Rollup(customers=customers, **levels)


def parent_numbers(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The number of the parent of each row, from 0, in `parent`; the rows are sorted by `key`.

    Grouping by integers takes a third of the time of grouping by the key's texts.
    """
    return rows.select(_parent_number(tuple(key))).to_series()


@cache
def _parent_number(key: tuple[str, ...]) -> pl.Expr:
    changes = pl.any_horizontal(pl.col(column) != pl.col(column).shift() for column in key)
    return changes.fill_null(value=False).cum_sum().alias("parent")


def customer_sums(charges: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The customers of a `Rollup`.

    Raises:
        BoundExceeded: a customer's sum does not fit its column.
    """
    paas = _per_customer(charges, PAAS_SUMMED, "paas_")
    byoc = _per_customer(clusters, BYOC_SUMMED, "byoc_")
    joined = paas.join(byoc, on=CUSTOMER_KEY, how="full", coalesce=True, validate="1:1")
    sums = pl.exclude(CUSTOMER_KEY)
    for column, most in joined.select(sums.max()).row(0, named=True).items():
        if int(str(most or 0)) <= MAX_NANOCENTS:
            continue
        if column.endswith(NANOHOURS):
            raise too_many_hours(column, "a customer's sum")
        message = (
            f"a customer's sum exceeds {MAX_NANOCENTS} nanocents, the most that can be stored: "
            "nothing of the hour is published. Look for a wrong price or quantity."
        )
        raise BoundExceeded(message)
    in_order = [HOUR, *(column for column in CUSTOMERS if column in joined.columns)]
    return joined.with_columns(sums.fill_null(0).cast(pl.Int64)).select(in_order).sort(CUSTOMER_KEY)


def _per_customer(rows: pl.DataFrame, columns: tuple[str, ...], prefix: str) -> pl.DataFrame:
    return rows.group_by(CUSTOMER_KEY).agg(_sums(columns, prefix))


@cache
def _sums(columns: tuple[str, ...], prefix: str) -> tuple[pl.Expr, ...]:
    return tuple(pl.col(column).cast(pl.Int128).sum().alias(prefix + column) for column in columns)
