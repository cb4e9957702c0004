"""Which of the names that an id had in an hour is shown."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def latest_names(
    usage: pl.DataFrame, key: Sequence[str], name: str, id_column: str
) -> pl.DataFrame:
    """The name of every id: the non-empty one with the latest end, ties by its bytes, else the id.

    Args:
        usage: `schemas.USAGE`, where `last_end_ms` is the latest end of a row's slices.
        key: what identifies what is named.
        name: the column of the names.
        id_column: the one of `key` that stands in where no slice carries a name.

    Returns:
        `key` and `name`, one row a key.
    """
    named = pl.col(name).is_not_null() & (pl.col(name) != "")
    return (
        usage.group_by(*key, name)
        .agg(pl.col("last_end_ms").max())
        .with_columns(rank=pl.when(named).then("last_end_ms"))
        .sort("rank", name, nulls_last=False)
        .unique(key, keep="last")
        .with_columns(pl.when(named).then(name).otherwise(id_column).alias(name))
        .select(*key, name)
    )
