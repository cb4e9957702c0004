"""Slices of an hour to usage: each identity counted once, quantities times milliseconds summed.

Duplicates and conflicts are rare, and to look for them in whole rows would take most of a
build. So only the identities' 64-bit digests are compared, for all slices of the hour; the
slices that share one are read whole and decided, and usage is summed over the others and
over those that stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from hourtally.hours import format_instant
from hourtally.schemas import CONTENT, SLICES, USAGE, Schema, conform

_IDENTITY: Final = ("event_source", "event_id")
_EXTENT: Final = ("slice_start_ms", "slice_end_ms")
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

    usage: `schemas.USAGE`, in no order. slices: how many count. duplicates: how many equal one
    that is kept. conflicts: `CONFLICTS`, sorted by identity.
    """

    usage: pl.DataFrame
    slices: int
    duplicates: int
    conflicts: pl.DataFrame


@dataclass(frozen=True)
class Decided:
    """The slices that stand of those that share an identity. read: how many there were."""

    slices: pl.DataFrame
    read: int
    duplicates: int
    conflicts: pl.DataFrame


_NOTHING_DECIDED: Final = Decided(pl.DataFrame(schema=SLICES), 0, 0, pl.DataFrame(schema=CONFLICTS))


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
    if not paths:
        return Metered(pl.DataFrame(schema=USAGE), 0, 0, pl.DataFrame(schema=CONFLICTS))
    identities = pl.scan_parquet(paths, glob=False, hive_partitioning=False).select("identity")
    sorted_identities = identities.collect().to_series().sort()
    rows = len(sorted_identities)
    suspects = sorted_identities.filter(sorted_identities == sorted_identities.shift()).unique()
    del sorted_identities
    decided = decide(slices_with(paths, suspects)) if len(suspects) else _NOTHING_DECIDED
    usage = connection.sql(_usage_query(connection, paths, periods, suspects, decided))
    return Metered(
        usage=_as_usage(pl.DataFrame(usage.to_arrow_table())),
        slices=rows - decided.read + len(decided.slices),
        duplicates=decided.duplicates,
        conflicts=decided.conflicts,
    )


def slices_with(paths: list[Path], suspects: pl.Series) -> pl.DataFrame:
    """The slices of these identities' digests, `schemas.SLICES`; `path` says of which file."""
    if not len(suspects):
        return pl.DataFrame(schema={**SLICES, "path": pl.String})
    return (
        pl.scan_parquet(paths, glob=False, hive_partitioning=False, include_file_paths="path")
        .filter(pl.col("identity").is_in(suspects.implode()))
        .select(*SLICES, "path")
        .collect()
    )


def decide(shared: pl.DataFrame) -> Decided:
    """Decide between slices of the same identity; all of an identity's have to be there.

    Equal contents are one, with the earliest time; of several contents the one with the
    earliest time counts, absent last, then the smallest (contract, section 2).
    """
    contents = shared.group_by(*_IDENTITY, *CONTENT, *_EXTENT, "identity").agg(
        pl.col("event_time_us").min()
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
        slices=standing.select(SLICES.keys()),
        read=len(shared),
        duplicates=len(shared) - len(contents),
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
    periods: Sequence[tuple[int, int]],
    suspects: pl.Series,
    decided: Decided,
) -> str:
    """`sql/usage.sql` over the slices that count and the periods there are.

    Both have a plain form, for hours without a shared identity and without a rate that
    changes: the general one would cost half as much again on every hour.
    """
    quoted = ", ".join(quoted_path(path) for path in paths)
    if len(suspects):
        connection.register("suspects", pl.DataFrame({"identity": suspects}).to_arrow())
        connection.register("decided", decided.slices.to_arrow())
    slices = _sql("slices_once" if len(suspects) else "slices_all").format(
        files=f"[{quoted}]", columns=", ".join(SLICES)
    )
    if len(periods) > 1:
        rows = [(number, *period) for number, period in enumerate(periods)]
        names = ["period", "period_start_ms", "period_end_ms"]
        connection.register("periods", pl.DataFrame(rows, names, orient="row").to_arrow())
    pieces = _sql("pieces_cut" if len(periods) > 1 else "pieces_whole")
    return _sql("usage").format(slices=slices, pieces=pieces)


def _sql(name: str) -> str:
    return files("hourtally").joinpath(f"sql/{name}.sql").read_text()


def quoted_path(path: Path) -> str:
    """A path as an SQL text that names this one file: without quotes or wildcards in force."""
    literal = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return "'" + literal.replace("'", "''") + "'"


def _as_usage(usage: pl.DataFrame) -> pl.DataFrame:
    """DuckDB's HUGEINT arrives as a decimal of 38 digits, which holds every sum there can be."""
    return conform(usage.select(pl.col(c).cast(t) for c, t in USAGE.items()), USAGE)
