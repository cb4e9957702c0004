"""Cases: what the usage of hours asks of a rate card, and when (`ratecard.cases`).

To look at all slices takes as long as to sum them. So those of a few resources are tried first:
mostly they are used all the time in which any resource is, as their events follow each other, and
then no other slice can add an instant. Where they are half of all resources or more, all are
looked at, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Final, NamedTuple

import duckdb
import polars as pl

from hourtally.model.components import QUANTITIES
from hourtally.model.hours import HOUR_MS
from hourtally.model.schemas import HOUR, USAGE_KEY
from hourtally.ratecard.cases import Case, Span
from hourtally.stages.metering import HourSlices
from hourtally.stages.rate_lookup import COMPONENTS, SELECTED_BY, Lookup
from hourtally.stages.spans import merged_spans

# Usage keys tried first, of each case and quantity: even with events of a minute each, at random
# times and five of a resource, they leave next to nothing out.
_TRIED: Final = 400
# Tried are those that last nearly as long as any of the case.
_NEARLY: Final = 0.9
_WANTED: Final = ("case_number", "hour_number", *USAGE_KEY)


class UsedSlices(NamedTuple):
    """The slices of metered hours, in order; those in `not_counted` do not count.

    As frames, which find the slices of a few keys fast, and as a relation, which takes bounded
    memory for all.
    """

    hours: Sequence[HourSlices]
    not_counted: pl.Series
    connection: duckdb.DuckDBPyConnection
    relation: duckdb.DuckDBPyRelation


def find_cases(slices: UsedSlices, lookups: Iterable[Lookup]) -> dict[int, list[Case]]:
    """The cases of hours, by timestamp; hours without usage above zero have none.

    Args:
        slices: of the hours.
        lookups: of their usage, whose rows have `metering.Metered.keys` too.
    """
    numbered = []
    cases: list[pl.DataFrame] = []
    for lookup in lookups:
        of_type, rows = _numbered(lookup, first=sum(map(len, cases)))
        cases.append(of_type)
        numbered.append(rows)
    spans = _spans(slices, pl.concat(numbered))
    return _cases(spans.join(pl.concat(cases), on="case_number", how="left", validate="m:1"))


def _numbered(lookup: Lookup, first: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cases of a lookup, numbered from `first`, and its rows with the numbers of their cases.

    A case of rates also tells one rate period of the hour from another; a case here does not.
    """
    hours = lookup.rows.select("case", HOUR).unique("case")
    of_periods = lookup.cases.with_row_index("case").join(
        hours, on="case", how="left", validate="1:1", maintain_order="left"
    )
    cases = of_periods.select(HOUR, *SELECTED_BY).unique(maintain_order=True)
    cases = cases.with_row_index("case_number", offset=first)
    numbers = of_periods.join(
        cases, on=[HOUR, *SELECTED_BY], how="left", nulls_equal=True, maintain_order="left"
    )["case_number"]
    rows = lookup.rows.select(
        numbers.gather(lookup.rows["case"]).alias("case_number"),
        (pl.col(HOUR) * 1_000 // HOUR_MS).alias("hour_number"),
        *USAGE_KEY,
        "first_start_ms",
        "last_end_ms",
        *((pl.col(f"{quantity}_ms") > 0).alias(quantity) for quantity in QUANTITIES),
    )
    return cases.with_columns(pl.lit(lookup.event_type).alias("event_type")), rows


def _spans(slices: UsedSlices, rows: pl.DataFrame) -> pl.DataFrame:
    """When each case uses each quantity: `case_number`, `quantity`, spans; merged."""
    if len(rows) <= _TRIED:
        return _spans_of_few(slices, rows.select(_WANTED).unique())
    tried = _long_lasting(rows)
    if 2 * len(tried) >= len(rows):
        return _spans_of_many(slices, rows.select(_WANTED).unique())
    extents = _extents(rows)
    spans = _spans_of_few(slices, tried)
    left = _unfilled(extents, spans)
    if len(left):
        # Most often only the first or last moment is left.
        at_ends = _spans_of_few(slices, _at_ends(rows, left))
        spans = merged_spans(pl.concat([spans, at_ends]), ("case_number", "quantity"))
        left = _unfilled(extents, spans)
    if len(left):
        is_left = pl.col("case_number").is_in(left["case_number"].unique().implode())
        of_left = _spans_of_many(slices, rows.filter(is_left).select(_WANTED).unique())
        spans = pl.concat([spans.filter(~is_left), of_left])
    return spans


def _extents(rows: pl.DataFrame) -> pl.DataFrame:
    """The span outside of which a case does not use a quantity, of those that it uses."""
    extents = [
        rows.filter(quantity)
        .group_by("case_number")
        .agg(
            pl.lit(quantity).alias("quantity"),
            pl.col("first_start_ms").min().alias("from_ms"),
            pl.col("last_end_ms").max().alias("until_ms"),
        )
        for quantity in QUANTITIES
    ]
    return pl.concat(extents)


def _unfilled(extents: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The extents that no span fills: other slices may add instants."""
    return extents.join(spans, on=extents.columns, how="anti")


def _long_lasting(rows: pl.DataFrame) -> pl.DataFrame:
    """The keys of a few rows of each case and quantity that last nearly as long as any."""
    length = pl.col("last_end_ms") - pl.col("first_start_ms")
    long = rows.filter(length >= _NEARLY * length.max().over("case_number"))
    few = [
        long.filter(quantity).group_by("case_number").head(_TRIED).select(_WANTED)
        for quantity in QUANTITIES
    ]
    return pl.concat(few).unique()


def _at_ends(rows: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame:
    """The keys of the rows of these cases and quantities that begin first or end last."""
    few = []
    for case_number, quantity in left.select("case_number", "quantity").iter_rows():
        of_case = rows.filter((pl.col("case_number") == case_number) & pl.col(quantity))
        few += [
            of_case.bottom_k(_TRIED, by="first_start_ms").select(_WANTED),
            of_case.top_k(_TRIED, by="last_end_ms").select(_WANTED),
        ]
    return pl.concat(few).unique()


def _spans_of_few(slices: UsedSlices, wanted: pl.DataFrame) -> pl.DataFrame:
    """When a few usage keys, each once, are used: `case_number`, `quantity`, spans; merged."""
    found = []
    for hour in slices.hours:
        number = hour.hour.start_ms // HOUR_MS
        keys = wanted.filter(pl.col("hour_number") == number)["usage_key_low"].unique()
        found.append(
            hour.slices.filter(pl.col("usage_key_low").is_in(keys.implode())).select(
                pl.lit(number, pl.Int64).alias("hour_number"),
                pl.col("slice_row").cast(pl.Int64),
                *USAGE_KEY,
                pl.col("slice_start_ms").alias("from_ms"),
                pl.col("slice_end_ms").alias("until_ms"),
                *(pl.col(quantity) > 0 for quantity in QUANTITIES),
            )
        )
    counted = pl.concat(pl.collect_all(found)).filter(
        ~pl.col("slice_row").is_in(slices.not_counted.cast(pl.Int64).implode())
    )
    return _merged(counted.join(wanted, on=["hour_number", *USAGE_KEY], how="inner"))


def _spans_of_many(slices: UsedSlices, wanted: pl.DataFrame) -> pl.DataFrame:
    """As `_spans_of_few`, for any number of usage keys."""
    slices.connection.register("wanted", wanted.to_arrow())
    found = slices.relation.query("slices", _sql())
    assert found is not None, "a SELECT has rows"
    return _merged(pl.DataFrame(found.to_arrow_table()))


def _merged(used: pl.DataFrame) -> pl.DataFrame:
    """The spans of each case and quantity, of slices with whether each quantity is above zero.

    Sorted once for all quantities: the slices of each are in order then, which a sort of them
    notices (a quarter of the time).
    """
    in_order = used.with_columns(pl.col("case_number").cast(pl.UInt32))
    in_order = in_order.sort("case_number", "from_ms")
    key = ("case_number", "quantity")
    spans = [
        merged_spans(in_order.filter(quantity).with_columns(quantity=pl.lit(quantity)), key)
        for quantity in QUANTITIES
    ]
    return pl.concat(spans)


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
