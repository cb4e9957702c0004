"""Which of the names that an id had in an hour is shown."""

from __future__ import annotations

from functools import cache

import polars as pl


def latest_names(usage: pl.DataFrame, ids: pl.Series, name: str, id_column: str) -> pl.Series:
    """The name of every id: the non-empty one with the latest end, ties by its bytes, else the id.

    Args:
        usage: `schemas.USAGE`, where `last_end_ms` is the latest end of a row's slices.
        ids: for each row the number of what is named, from 0 on, ascending, none left out.
        name: the column of the names.
        id_column: what stands in where no slice carries a name.

    Returns:
        `name`, a row a number.
    """
    is_name = _is_name(name)
    latest_last = usage
    # Else each has one row, as nearly every resource has, and there is nothing to choose.
    if len(ids) and ids[-1] + 1 < len(ids):
        latest_last = (
            usage.select(ids.alias("id"), id_column, name, pl.when(is_name).then("last_end_ms"))
            .sort("id", "last_end_ms", name, nulls_last=False)
            .filter((pl.col("id") != pl.col("id").shift(-1)).fill_null(value=True))
        )
    return latest_last.select(_shown(name, id_column)).to_series()


@cache
def _is_name(column: str) -> pl.Expr:
    return pl.col(column).is_not_null() & (pl.col(column) != "")


@cache
def _shown(name: str, id_column: str) -> pl.Expr:
    return pl.when(_is_name(name)).then(name).otherwise(id_column).alias(name)
