"""Slices of an hour to usage: each identity counted once, quantities times milliseconds summed.

Of all slices of the hour only the identities' 64-bit digests are compared; what shares one is
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

from hourtally.components import CLUSTER_EVENT
from hourtally.identities import CONFLICTS, NOTHING_SHARED, TAKEN_BACK, Shared, compare, scan
from hourtally.schemas import RESOURCE_ORDER, USAGE, USAGE_KEY, USAGE_TEXTS, conform

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
class Metered:
    """The usage of an hour, and what was left out on the way to it.

    usage: `schemas.USAGE`, sorted by `RESOURCE_ORDER`. slices: how many count. duplicates: how
    many equal one that is kept. conflicts: `CONFLICTS`, sorted by identity.
    """

    usage: pl.DataFrame
    slices: int
    duplicates: int
    conflicts: pl.DataFrame


def meter(
    connection: duckdb.DuckDBPyConnection,
    paths: list[Path],
    periods: Sequence[tuple[int, int]],
) -> Metered:
    """The usage of an hour.

    Args:
        connection: where DuckDB works.
        paths: the slices files of the hour's committed batches.
        periods: the hour cut where a rate starts or ends, `(start_ms, end_ms)` each.
    """
    identities = pl.collect_all([scan([path]).select("identity") for path in paths])
    first_rows = [0, *accumulate(map(len, identities))]
    if not first_rows[-1]:
        return Metered(pl.DataFrame(schema=USAGE), 0, 0, pl.DataFrame(schema=CONFLICTS))
    # In one piece, as many take a sixth longer.
    sorted_identities = pl.concat(identities).to_series().rechunk().sort()
    suspects = sorted_identities.filter(sorted_identities == sorted_identities.shift()).unique()
    del identities, sorted_identities
    hour = (periods[0][0], periods[-1][1])
    shared = compare(paths, suspects, hour) if len(suspects) else NOTHING_SHARED
    query = _usage_query(connection, paths, first_rows, periods, shared)
    summed = pl.DataFrame(connection.sql(query).to_arrow_table())
    return Metered(
        usage=_as_usage(_with_texts(summed, paths, first_rows)),
        slices=first_rows[-1] - len(shared),
        duplicates=shared.duplicates,
        conflicts=shared.conflicts,
    )


def _usage_query(
    connection: duckdb.DuckDBPyConnection,
    paths: list[Path],
    first_rows: list[int],
    periods: Sequence[tuple[int, int]],
    shared: Shared,
) -> str:
    """`sql/usage.sql` over the slices that count and the periods there are.

    Each has a plain form, for hours without a shared identity and without a rate that changes:
    the general one would cost half as much again on every hour.
    """
    quoted = ", ".join(quoted_path(path) for path in paths)
    slices = _sql("slices_all").format(files=f"[{quoted}]", first_rows=first_rows)
    if len(shared.contradicted):
        rows = shared.contradicted.alias("slice_row").to_frame()
        connection.register("contradicted", rows.to_arrow())
        slices = _sql("slices_standing").format(slices=slices)
    if len(shared.taken_back):
        connection.register("taken_back", shared.taken_back.to_arrow())
        columns = ", ".join(TAKEN_BACK)
        slices = _sql("slices_once").format(slices=slices, columns=columns)
    if len(periods) > 1:
        numbered = [(number, *period) for number, period in enumerate(periods)]
        names = ["period", "period_start_ms", "period_end_ms"]
        connection.register("periods", pl.DataFrame(numbered, names, orient="row").to_arrow())
    pieces = _sql("pieces_cut" if len(periods) > 1 else "pieces_whole")
    return _sql("usage").format(slices=slices, pieces=pieces)


def _with_texts(summed: pl.DataFrame, paths: list[Path], first_rows: list[int]) -> pl.DataFrame:
    """Rows of `sql/usage.sql` with the texts that their keys stand for, sorted by `first_row`."""
    summed = summed.sort("first_row")
    row = pl.col("first_row")
    of_files = []
    for path, (begins, ends) in zip(paths, pairwise(first_rows), strict=True):
        wanted = summed.filter(row.is_between(begins, ends - 1)).select(row - begins).to_series()
        if len(wanted):
            here = pl.col("slice_row").is_in(wanted.cast(pl.get_index_type()).implode())
            first_row = (pl.col("slice_row") + pl.lit(begins, pl.Int64)).alias("first_row")
            of_files.append(scan([path]).filter(here).select(first_row, *USAGE_KEY, *USAGE_TEXTS))
    # The texts come in the order of their rows, each row once; usage has it once a period.
    numbers = summed.select((row != row.shift()).fill_null(value=False).cum_sum()).to_series()
    texts = pl.concat(pl.collect_all(of_files)).rechunk()
    key = ("first_row", *USAGE_KEY)
    is_complete = len(texts) == numbers[-1] + 1
    if not is_complete or not (texts := texts[numbers]).select(key).equals(summed.select(key)):
        message = "rows of usage have a slice with another key"
        raise AssertionError(message)
    return summed.hstack(texts.drop(key))


@cache
def _sql(name: str) -> str:
    return files("hourtally").joinpath(f"sql/{name}.sql").read_text()


def quoted_path(path: Path) -> str:
    """A path as an SQL text that names this one file: without quotes or wildcards in force."""
    literal = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return "'" + literal.replace("'", "''") + "'"


def _as_usage(usage: pl.DataFrame) -> pl.DataFrame:
    """`schemas.USAGE`, sorted, from rows of `sql/usage.sql` and their texts.

    DuckDB's HUGEINT arrives as a decimal of 38 digits, which holds every sum there can be.
    """
    exact = usage.with_columns(_quantities()).select(_exact())
    return conform(exact.sort(RESOURCE_ORDER), USAGE)


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
