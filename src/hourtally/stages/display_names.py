"""Choose which of the names that an id had in an hour to show."""

from __future__ import annotations

from functools import cache

import polars as pl


def latest_names(usage: pl.DataFrame, ids: pl.Series, name: str, id_column: str) -> pl.Series:
    """The name of every id: the latest non-empty one, ties by the greatest bytes, else the id.

    Args:
        usage: `schemas.USAGE`, where `last_end_ms` is the latest end of a row's slices.
        ids: for each row the number of what is named: ascending from 0 without gaps.
        name: the column of the names.
        id_column: the column to fall back to if no slice has a name.

    Returns:
        `name`, one row per number.
    """
    is_name = _is_name(name)
    latest_last = usage
    # With one row per id, as nearly every resource has, there is nothing to choose.
    if len(ids) and ids[-1] + 1 < len(ids):
        latest_last = (
            usage.select(ids.alias("id"), id_column, name, pl.when(is_name).then("last_end_ms"))
            .sort("id", "last_end_ms", name, nulls_last=False)
            .filter((pl.col("id") != pl.col("id").shift(-1)).fill_null(value=True))
        )
    return latest_last.select(_name_or_id(name, id_column)).to_series()


@cache
def _is_name(column: str) -> pl.Expr:
    return pl.col(column).is_not_null() & (pl.col(column) != "")


@cache
def _name_or_id(name: str, id_column: str) -> pl.Expr:
    return pl.when(_is_name(name)).then(name).otherwise(id_column).alias(name)
