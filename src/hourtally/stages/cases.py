"""Cases: what the usage of hours asks of a rate card, and when (`ratecard.cases`).

To look at all slices takes as long as to sum them. So those of a few resources are tried first:
mostly they fill the hour already, as their events follow each other, and then no other slice can
add an instant.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Final

import duckdb
import polars as pl

from hourtally.model.components import QUANTITIES
from hourtally.model.hours import HOUR_MS
from hourtally.model.schemas import HOUR, USAGE_KEY
from hourtally.ratecard.cases import Case, Span
from hourtally.stages.rate_lookup import COMPONENTS, SELECTED_BY
from hourtally.stages.spans import merged_spans

# Resources tried first, of each case and quantity; with events of a minute each at random times
# 400 leave a millisecond of the hour out once in 10^9.
_TRIED: Final = 400


def find_cases(
    connection: duckdb.DuckDBPyConnection,
    slices: duckdb.DuckDBPyRelation,
    usage: pl.DataFrame,
    keys: pl.DataFrame,
) -> dict[int, list[Case]]:
    """The cases of hours, by timestamp; hours without usage above zero have none.

    Args:
        connection: of `slices`; metering has registered `not_counted` with it.
        slices: of the hours.
        usage: `schemas.USAGE` of the hours with `rate_customer`.
        keys: the usage key of each row.
    """
    case = (HOUR, "event_type", *SELECTED_BY)
    cases = usage.select(case).unique().sort(case).with_row_index("case_number")
    rows = usage.join(
        cases, on=case, how="left", nulls_equal=True, validate="m:1", maintain_order="left"
    ).hstack(keys)
    wanted = rows.select(
        "case_number", (pl.col(HOUR) * 1_000 // HOUR_MS).alias("hour_number"), *USAGE_KEY
    )
    tried = pl.concat(
        wanted.filter(rows[f"{quantity}_ms"] > 0).group_by("case_number").head(_TRIED)
        for quantity in QUANTITIES
    )
    spans = _used_spans(connection, slices, tried)
    if len(tried) < len(wanted):
        asked = _asked(rows)
        filled = spans.filter(pl.col("until_ms") - pl.col("from_ms") == HOUR_MS)
        left = asked.join(filled, on=["case_number", "quantity"], how="anti")["case_number"]
        if len(left):
            rest = wanted.filter(pl.col("case_number").is_in(left.unique().implode()))
            of_rest = _used_spans(connection, slices, rest)
            done = ~pl.col("case_number").is_in(left.unique().implode())
            spans = pl.concat([spans.filter(done), of_rest])
    return _cases(spans.join(cases, on="case_number", how="left", validate="m:1"))


def _asked(rows: pl.DataFrame) -> pl.DataFrame:
    """The quantities of each case that are used: `case_number`, `quantity`."""
    used = rows.group_by("case_number").agg(
        (pl.col(f"{quantity}_ms") > 0).any().alias(quantity) for quantity in QUANTITIES
    )
    return (
        used.unpivot(index="case_number", variable_name="quantity", value_name="used")
        .filter("used")
        .select("case_number", "quantity")
    )


def _used_spans(
    connection: duckdb.DuckDBPyConnection, slices: duckdb.DuckDBPyRelation, wanted: pl.DataFrame
) -> pl.DataFrame:
    """When each quantity of some cases is used: `case_number`, `quantity`, spans; merged."""
    connection.register("wanted", wanted.unique().to_arrow())
    found = slices.query("slices", _sql())
    assert found is not None, "a SELECT has rows"
    used = pl.DataFrame(found.to_arrow_table()).rename(
        {"slice_start_ms": "from_ms", "slice_end_ms": "until_ms"}
    )
    spans = pl.concat(
        used.filter(pl.col("quantities") & (1 << bit) > 0).select(
            "case_number", pl.lit(quantity).alias("quantity"), "from_ms", "until_ms"
        )
        for bit, quantity in enumerate(QUANTITIES)
    )
    return merged_spans(spans, ("case_number", "quantity"))


@cache
def _sql() -> str:
    return files("hourtally.stages").joinpath("sql/used_spans.sql").read_text()


def _cases(spans: pl.DataFrame) -> dict[int, list[Case]]:
    meters = {
        (event_type, component.usage.removesuffix("_ms")): component.meter
        for event_type, components in COMPONENTS.items()
        for component in components
    }
    cases: dict[int, list[Case]] = {}
    rows = spans.sort("case_number", "quantity", "from_ms").select(
        HOUR, "event_type", "quantity", *SELECTED_BY, "from_ms", "until_ms"
    )
    for (timestamp, event_type, quantity, *selected_by), of_case in groupby(
        rows.iter_rows(), lambda row: row[: len(SELECTED_BY) + 3]
    ):
        used: list[Span] = [
            (row[-2] - timestamp * 1_000, row[-1] - timestamp * 1_000) for row in of_case
        ]
        case = Case._make([meters[event_type, quantity], *selected_by, tuple(used)])
        cases.setdefault(timestamp, []).append(case)
    return cases
