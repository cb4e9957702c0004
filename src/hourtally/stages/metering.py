"""Slices of hours to usage: each identity counted once, quantities times milliseconds summed.

Of all slices of an hour only the identities' 64-bit digests are compared; what shares one is
looked at more closely (`identities.py`). Usage is summed by usage key; repeats are taken back from
the sums, and what contradicts the slice that counts is left out of them. The texts of each key
are read from one slice that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from hourtally.model.components import CLUSTER_EVENT
from hourtally.model.hours import HOUR_MS, Hour
from hourtally.model.schemas import HOUR, RESOURCE_ORDER, USAGE, USAGE_KEY, USAGE_TEXTS, conform
from hourtally.runtime.sql_text import quoted_path
from hourtally.stages.deduplication import NOTHING_SHARED, TAKEN_BACK, Shared, compare, scan

# The sums of `sql/usage.sql` that are of one quantity for resources, of another for clusters.
_PARTS: Final = (
    ("cpu_or_vcpu", False, "cpu_millicores"),
    ("cpu_or_vcpu", True, "vcpu_millicores"),
    ("storage_or_gpu_memory", False, "storage_mib"),
    ("storage_or_gpu_memory", True, "gpu_memory_mib"),
    ("gpu_or_cluster", False, "gpu_milli"),
    ("gpu_or_cluster", True, "cluster_count"),
)


@dataclass(frozen=True)
class HourInputs:
    """What the usage of an hour comes from.

    paths: the slices files of its committed batches. periods: the hour cut where a rate starts or
    ends, `(start_ms, end_ms)` each.
    """

    hour: Hour
    paths: Sequence[Path]
    periods: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Counted:
    """Of an hour's slices how many count, and what was left out.

    duplicates: how many equal one that is kept. conflicts: `CONFLICTS`, sorted by identity.
    """

    slices: int
    duplicates: int
    conflicts: pl.DataFrame


@dataclass(frozen=True)
class Metered:
    """The usage of hours, and what was left out on the way to it.

    usage: `schemas.USAGE`, sorted by hour and `RESOURCE_ORDER`. counted: one for each hour.
    """

    usage: pl.DataFrame
    counted: list[Counted]


def meter(connection: duckdb.DuckDBPyConnection, hours: Sequence[HourInputs]) -> Metered:
    """The usage of hours.

    Args:
        connection: where DuckDB works.
        hours: in order. Rows are numbered through all files of them.
    """
    paths = [path for hour in hours for path in hour.paths]
    identities = pl.collect_all([scan([path]).select("identity") for path in paths])
    first_rows = [0, *accumulate(map(len, identities))]
    counted, shared = [], []
    first_paths = [0, *accumulate(len(hour.paths) for hour in hours)]
    for hour, (first, end) in zip(hours, pairwise(first_paths), strict=True):
        begins, ends = first_rows[first], first_rows[end]
        here = _shared(hour, identities[first:end], begins)
        counted.append(Counted(ends - begins - len(here), here.duplicates, here.conflicts))
        shared.append(here)
    del identities
    if not first_rows[-1]:
        return Metered(pl.DataFrame(schema=USAGE), counted)
    query = _usage_query(connection, paths, first_rows, hours, shared)
    summed = pl.DataFrame(connection.sql(query).to_arrow_table())
    texts = _with_texts(summed, paths, first_rows)
    return Metered(_as_usage(texts, hours), counted)


def _shared(hour: HourInputs, identities: Sequence[pl.DataFrame], first_row: int) -> Shared:
    """Which slices of an hour do not count. An event of several hours is in each of them."""
    if not identities:
        return NOTHING_SHARED
    # In one piece, as many take a sixth longer.
    in_order = pl.concat(identities).to_series().rechunk().sort()
    suspects = in_order.filter(in_order == in_order.shift()).unique()
    return compare(hour.paths, suspects, hour.hour, first_row) if len(suspects) else NOTHING_SHARED


def _usage_query(
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    first_rows: Sequence[int],
    hours: Sequence[HourInputs],
    shared: Sequence[Shared],
) -> str:
    """`sql/usage.sql` over the slices that count and the periods there are.

    Each has a plain form, for slices without a shared identity and a single period: the general
    one would cost half as much again on every hour.
    """
    quoted = ", ".join(quoted_path(path) for path in paths)
    slices = _sql("slices_all").format(files=f"[{quoted}]", first_rows=list(first_rows))
    contradicted = pl.concat(one.contradicted for one in shared)
    if len(contradicted):
        rows = contradicted.alias("slice_row").to_frame()
        connection.register("contradicted", rows.to_arrow())
        slices = _sql("slices_standing").format(slices=slices)
    taken_back = pl.concat(one.taken_back for one in shared)
    if len(taken_back):
        connection.register("taken_back", taken_back.to_arrow())
        columns = ", ".join(TAKEN_BACK)
        slices = _sql("slices_once").format(slices=slices, columns=columns)
    periods = [(hour.hour, *period) for hour in hours for period in hour.periods]
    if len(periods) > 1:
        numbered = [
            (number, hour.start_ms // HOUR_MS, start_ms, end_ms)
            for number, (hour, start_ms, end_ms) in enumerate(periods)
        ]
        names = ["period", "hour_number", "period_start_ms", "period_end_ms"]
        connection.register("periods", pl.DataFrame(numbered, names, orient="row").to_arrow())
    pieces = _sql("pieces_cut" if len(periods) > 1 else "pieces_whole")
    return _sql("usage").format(slices=slices, pieces=pieces.format(hour_ms=HOUR_MS))


def _with_texts(
    summed: pl.DataFrame, paths: Sequence[Path], first_rows: Sequence[int]
) -> pl.DataFrame:
    """Rows of `sql/usage.sql` with the texts that their keys stand for, sorted by `first_row`."""
    summed = summed.sort("first_row")
    rows = summed["first_row"]
    number = pl.col("slice_row").cast(pl.Int64).alias("first_row")
    of_files = []
    of_paths = pairwise(rows.search_sorted(pl.Series(first_rows)))
    for path, first_row, (begins, ends) in zip(paths, first_rows, of_paths, strict=False):
        if begins < ends:
            wanted = rows[begins:ends].cast(pl.get_index_type())
            here = scan([path], first_row).filter(pl.col("slice_row").is_in(wanted.implode()))
            of_files.append(here.select(number, *USAGE_KEY, *USAGE_TEXTS))
    # The texts come in the order of their rows, each row once; usage has it once a period.
    numbers = (rows != rows.shift()).fill_null(value=False).cum_sum()
    texts = pl.concat(pl.collect_all(of_files)).rechunk()
    key = ("first_row", *USAGE_KEY)
    is_complete = len(texts) == numbers[-1] + 1
    if not is_complete or not (texts := texts[numbers]).select(key).equals(summed.select(key)):
        message = "rows of usage have a slice with another key"
        raise AssertionError(message)
    return summed.hstack(texts.drop(key))


@cache
def _sql(name: str) -> str:
    return files("hourtally.stages").joinpath(f"sql/{name}.sql").read_text()


def _as_usage(usage: pl.DataFrame, hours: Sequence[HourInputs]) -> pl.DataFrame:
    """`schemas.USAGE`, sorted, from rows of `sql/usage.sql` and their texts.

    DuckDB's HUGEINT arrives as a decimal of 38 digits, which holds every sum there can be.
    """
    of_periods = pl.Series(HOUR, [one.hour.timestamp for one in hours for _ in one.periods])
    timestamps = of_periods.gather(usage["period"])
    exact = usage.with_columns(timestamps, *_quantities()).select(_exact())
    return conform(exact.sort(HOUR, *RESOURCE_ORDER), USAGE)


@cache
def _quantities() -> tuple[pl.Expr, ...]:
    is_cluster = pl.col("event_type") == CLUSTER_EVENT
    parts = {
        f"{quantity}_ms": pl.when(is_cluster if of_clusters else ~is_cluster).then(column)
        for column, of_clusters, quantity in _PARTS
    }
    return (
        pl.col("memory").alias("memory_mib_ms"),
        *(part.otherwise(0).alias(name) for name, part in parts.items()),
    )


@cache
def _exact() -> tuple[pl.Expr, ...]:
    return tuple(pl.col(column).cast(of) for column, of in USAGE.items())
