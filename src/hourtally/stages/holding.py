"""Holding: which usage has no rate, of whom and when (contract, section 3).

Usage without a rate is never priced at zero. It holds its customer: all others are published.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

import duckdb
import polars as pl

from hourtally.model.components import ON_DEMAND
from hourtally.model.schemas import HELD, HOUR, RESOURCE_KEY, USAGE_KEY, Schema, conform, hourly
from hourtally.ratecard import GPU_METER
from hourtally.stages.rate_lookup import Component, Lookup
from hourtally.stages.spans import merged_spans

_GAP: Final = (HOUR, *list(HELD)[:6])
_SLICE_ROW: Final = "slice_row"
HELD_ROWS: Final[Schema] = {
    **{name: dtype for name, dtype in hourly(HELD).items() if name != "batch"},
    _SLICE_ROW: pl.Int64,
}
"""`schemas.HELD`, hourly, with the number of a slice instead of the batch that it is from."""


def find_held(
    connection: duckdb.DuckDBPyConnection,
    slices: duckdb.DuckDBPyRelation,
    lookups: Iterable[Lookup],
) -> pl.DataFrame:
    """`HELD_ROWS` of hours, sorted.

    Args:
        connection: of `slices`; metering has registered `not_counted` and `periods` with it.
        slices: of the hours.
        lookups: of their usage, whose rows have `USAGE_KEY` too.
    """
    found = [
        _of_component(connection, slices, component, rows)
        for lookup in lookups
        for component, rows in lookup.unrated()
    ]
    if not found:
        return pl.DataFrame(schema=HELD_ROWS)
    rows = pl.concat(found).select(pl.col(name).cast(dtype) for name, dtype in HELD_ROWS.items())
    order = [name for name in HELD_ROWS if name != _SLICE_ROW]
    return conform(rows.sort(order, nulls_last=False), HELD_ROWS)


def _of_component(
    connection: duckdb.DuckDBPyConnection,
    slices: duckdb.DuckDBPyRelation,
    component: Component,
    rows: pl.DataFrame,
) -> pl.DataFrame:
    """The spans without a rate of one component; rows: those that have none."""
    numbered = rows.with_row_index("number")
    connection.register("unrated", numbered.select("number", "period", *USAGE_KEY).to_arrow())
    query = _sql().format(quantity=component.usage.removesuffix("_ms"))
    pieces = slices.query("slices", query)
    assert pieces is not None, "a SELECT has rows"
    # Only GPUs have a capacity that a rate can select.
    capacity = pl.col("gpu_capacity").fill_null(ON_DEMAND) if component.meter == GPU_METER else None
    of_rows = numbered.select(
        "number",
        HOUR,
        *RESOURCE_KEY,
        "region",
        "gpu_model",
        pl.lit(capacity, pl.String).alias("gpu_capacity") if capacity is None else capacity,
        pl.lit(component.meter).alias("meter"),
    )
    spans = pl.DataFrame(pieces.to_arrow_table()).join(
        of_rows, on="number", how="left", validate="m:1"
    )
    # An example that does not depend on the order of batches, but for the slice itself.
    example = ("team_id", "project_id", "resource_id")
    first = pl.struct(*example, pl.col(_SLICE_ROW).cast(pl.Int64)).sort().first().alias("example")
    resources = pl.struct(RESOURCE_KEY).n_unique().cast(pl.Int64).alias("resources")
    return merged_spans(spans, _GAP, resources, first).unnest("example")


@cache
def _sql() -> str:
    return files("hourtally.stages").joinpath("sql/unrated_pieces.sql").read_text()
