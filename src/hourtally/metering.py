"""Slices of an hour to usage: each identity counted once, quantities times milliseconds summed.

Duplicates and conflicts are rare, and to look for them in whole rows would take most of a
build. So only the identities' 64-bit digests are compared, for all slices of the hour; those
that share one are compared by identity, numbers and usage key, and only where one identity has
several contents are they read whole and decided. Usage is summed by usage key over the slices
that count, and the texts of each key are read from one slice that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from hourtally.components import CLUSTER_EVENT, QUANTITIES
from hourtally.hours import format_instant
from hourtally.schemas import (
    CONTENT,
    RESOURCE_ORDER,
    SLICES,
    STORED_SLICES,
    USAGE,
    USAGE_KEY,
    USAGE_TEXTS,
    Schema,
    conform,
)

_IDENTITY: Final = ("event_source", "event_id")
_EXTENT: Final = ("slice_start_ms", "slice_end_ms")
# What is equal in these, beside the identity, is equal in `CONTENT`: the key stands for all texts.
_SHORT_CONTENT: Final = (*USAGE_KEY, "start_ms", "end_ms", *QUANTITIES)
# What `sql/usage.sql` reads of a slice.
_TAKEN_BACK: Final[Schema] = {
    "slice_row": pl.Int64,
    **{column: STORED_SLICES[column] for column in (*USAGE_KEY, *_EXTENT, *QUANTITIES)},
}
# The sums of `sql/usage.sql` that are of one quantity for resources, of another for clusters.
_PARTS: Final = (
    ("cpu_or_vcpu", False, "cpu_millicores"),
    ("cpu_or_vcpu", True, "vcpu_millicores"),
    ("storage_or_gpu_memory", False, "storage_mib"),
    ("storage_or_gpu_memory", True, "gpu_memory_mib"),
    ("gpu_or_cluster", False, "gpu_milli"),
    ("gpu_or_cluster", True, "cluster_count"),
)
# Of a conflict's contents the manifest tells these of the one that counts.
_TOLD: Final = ("event_type", "customer_id", "project_id", "resource_id")

CONFLICTS: Final[Schema] = {
    **dict.fromkeys(_IDENTITY, pl.String),
    "contents": pl.UInt32,
    **dict.fromkeys(_TOLD, pl.String),
    "event_time_us": pl.Int64,
}
"""Grain: one identity with several contents in the hour; the columns tell the one that counts."""


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


@dataclass(frozen=True)
class Decided:
    """The slices that stand of those that share an identity; each with its `slice_row`."""

    slices: pl.DataFrame
    conflicts: pl.DataFrame


@dataclass(frozen=True)
class _Shared:
    """Of slices that share a digest, those that do not count, and why.

    contradicted: rows of identities with several contents. taken_back: `_TAKEN_BACK`, slices that
    equal one that counts, each with its quantities below zero. duplicates: how many slices equal
    another, in both.
    """

    contradicted: pl.Series
    taken_back: pl.DataFrame
    duplicates: int
    conflicts: pl.DataFrame

    def __len__(self) -> int:
        """How many slices do not count."""
        return len(self.contradicted) + len(self.taken_back)


_NOTHING_SHARED: Final = _Shared(
    contradicted=pl.Series(dtype=pl.Int64),
    taken_back=pl.DataFrame(schema=_TAKEN_BACK),
    duplicates=0,
    conflicts=pl.DataFrame(schema=CONFLICTS),
)


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
    identities = pl.collect_all([_scan([path]).select("identity") for path in paths])
    first_rows = [0, *accumulate(map(len, identities))]
    if not first_rows[-1]:
        return Metered(pl.DataFrame(schema=USAGE), 0, 0, pl.DataFrame(schema=CONFLICTS))
    # In one piece, as many take a sixth longer.
    sorted_identities = pl.concat(identities).to_series().rechunk().sort()
    suspects = sorted_identities.filter(sorted_identities == sorted_identities.shift()).unique()
    del identities, sorted_identities
    hour = (periods[0][0], periods[-1][1])
    shared = _compare(paths, suspects, hour) if len(suspects) else _NOTHING_SHARED
    query = _usage_query(connection, paths, first_rows, periods, shared)
    summed = pl.DataFrame(connection.sql(query).to_arrow_table())
    return Metered(
        usage=_as_usage(_with_texts(summed, paths, first_rows)),
        slices=first_rows[-1] - len(shared),
        duplicates=shared.duplicates,
        conflicts=shared.conflicts,
    )


def _scan(paths: list[Path]) -> pl.LazyFrame:
    """Slices files, their rows numbered through all of them."""
    return pl.scan_parquet(
        paths,
        glob=False,
        hive_partitioning=False,
        include_file_paths="path",
        row_index_name="slice_row",
    )


def _slices_with(paths: list[Path], digests: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
    shares = pl.col("identity").is_in(digests.implode())
    return _scan(paths).filter(shares).select(*columns, "slice_row").collect()


def slices_with(paths: list[Path], digests: pl.Series) -> pl.DataFrame:
    """The slices of these identities' digests, `schemas.SLICES` and `slice_row`, their number.

    `path` says of which file.
    """
    if not len(digests):
        return pl.DataFrame(schema={**SLICES, "path": pl.String, "slice_row": pl.UInt32})
    return _slices_with(paths, digests, (*SLICES, "path"))


def _compare(paths: list[Path], suspects: pl.Series, hour: tuple[int, int]) -> _Shared:
    """Find what is said again, or contradicted, among the slices of digests that several have.

    hour: where it starts and ends, in milliseconds.
    """
    columns = (*_IDENTITY, "identity", *_SHORT_CONTENT)
    slices = _slices_with(paths, suspects, columns)
    contents = slices.group_by(columns).agg(pl.col("slice_row").min())
    several = contents.group_by(*_IDENTITY, "identity").len().filter(pl.col("len") > 1)
    contested = several["identity"].unique()
    is_contested = pl.col("identity").is_in(contested.implode())
    contradicted, conflicts = _NOTHING_SHARED.contradicted, _NOTHING_SHARED.conflicts
    if len(contested):
        decided = decide(slices_with(paths, contested))
        contested_rows = slices.filter(is_contested)["slice_row"]
        stands = contested_rows.is_in(decided.slices["slice_row"].implode())
        contradicted, conflicts = contested_rows.filter(~stands), decided.conflicts
    repeats = ~is_contested & ~pl.col("slice_row").is_in(contents["slice_row"].implode())
    return _Shared(
        contradicted=contradicted.cast(pl.Int64),
        taken_back=_taken_back(slices.filter(repeats), hour),
        duplicates=len(slices) - len(contents),
        conflicts=conflicts,
    )


def _taken_back(repeats: pl.DataFrame, hour: tuple[int, int]) -> pl.DataFrame:
    """`_TAKEN_BACK` of slices of this hour."""
    start_ms, end_ms = hour
    return repeats.with_columns(
        *(-pl.col(quantity) for quantity in QUANTITIES),
        slice_start_ms=pl.max_horizontal("start_ms", pl.lit(start_ms, pl.Int64)),
        slice_end_ms=pl.min_horizontal("end_ms", pl.lit(end_ms, pl.Int64)),
    ).select(pl.col(column).cast(of) for column, of in _TAKEN_BACK.items())


def decide(shared: pl.DataFrame) -> Decided:
    """Decide between slices of the same identity; all of an identity's have to be there.

    Equal contents are one, with the earliest time; of several contents the one with the
    earliest time counts, absent last, then the smallest (contract, section 2).
    """
    contents = shared.group_by(*_IDENTITY, *CONTENT, *_EXTENT, "identity").agg(
        pl.col("event_time_us").min(), pl.col("slice_row").min()
    )
    ranked = contents.sort(
        *_IDENTITY,
        "event_time_us",
        *CONTENT,
        nulls_last=[False, False, True, *(False for _ in CONTENT)],
    )
    standing = ranked.unique(_IDENTITY, keep="first", maintain_order=True)
    counts = contents.group_by(_IDENTITY).agg(pl.len().cast(pl.UInt32).alias("contents"))
    conflicts = (
        standing.join(counts, on=_IDENTITY, validate="1:1")
        .filter(pl.col("contents") > 1)
        .select(CONFLICTS.keys())
        .sort(_IDENTITY)
    )
    return Decided(
        slices=standing.select(*SLICES, "slice_row"),
        conflicts=conform(conflicts, CONFLICTS),
    )


def describe_conflicts(conflicts: pl.DataFrame, most: int) -> list[dict[str, Any]]:
    """The first conflicts as a manifest lists them."""
    listed = []
    for row in conflicts.head(most).iter_rows(named=True):
        time_us = row.pop("event_time_us")
        time = None if time_us is None else format_instant(time_us // 1_000)
        listed.append(row | {"time": time})
    return listed


def _usage_query(
    connection: duckdb.DuckDBPyConnection,
    paths: list[Path],
    first_rows: list[int],
    periods: Sequence[tuple[int, int]],
    shared: _Shared,
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
        columns = ", ".join(_TAKEN_BACK)
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
            of_files.append(_scan([path]).filter(here).select(first_row, *USAGE_KEY, *USAGE_TEXTS))
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
