"""Metering: the slices of hours to usage, each identity counted once, voided ones never.

Most hours have no identity twice, so only the identities' 64-bit digests are compared; slices
that share one are looked at more closely (`deduplication`). Usage is summed by usage key, and the
texts that a key stands for are read from one slice that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

import duckdb
import polars as pl

from hourtally.model.hours import HOUR_MS, Hour
from hourtally.model.schemas import (
    HOUR,
    RESOURCE_ORDER,
    STORED_VOIDS,
    USAGE,
    USAGE_KEY,
    USAGE_TEXTS,
    conform,
)
from hourtally.stages.deduplication import find_not_counted
from hourtally.stages.identities import (
    Identities,
    identities_of,
    repeated_digests,
    shared_digests,
)
from hourtally.stages.voiding import VoidCounts, find_voided

_KEYS: Final = (*USAGE_KEY, "first_start_ms")


@dataclass(frozen=True)
class HourSlices:
    """What the usage of an hour is made from.

    slices: `schemas.STORED_SLICES` of its committed batches, and `slice_row`, which numbers the
    slices of all hours that are metered together. rows: how many slices. periods: the hour cut
    where a rate starts or ends, `(start_ms, end_ms)` each. voids: those that touch the hour,
    `schemas.STORED_VOIDS`.
    """

    hour: Hour
    slices: pl.LazyFrame
    rows: int
    periods: Sequence[tuple[int, int]]
    voids: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STORED_VOIDS))


@dataclass(frozen=True)
class SliceCounts:
    """How many slices of an hour count, and why the others do not.

    duplicates: slices that equal another one. conflicts: `CONFLICTS`, sorted by identity. losers:
    slices that do not count because of a conflict. voids: what its voids did.
    """

    counted: int
    duplicates: int
    conflicts: pl.DataFrame
    losers: int
    voids: VoidCounts


@dataclass(frozen=True)
class Metered:
    """The usage of hours. usage: `schemas.USAGE`, sorted by hour and `RESOURCE_ORDER`.

    keys: of each of its rows the usage key and `first_start_ms`, the earliest start of its slices.
    not_counted: the `slice_row` of slices that do not count. counts: one for each hour.
    """

    usage: pl.DataFrame
    keys: pl.DataFrame
    not_counted: pl.Series
    counts: list[SliceCounts]


def meter(
    connection: duckdb.DuckDBPyConnection,
    slices: duckdb.DuckDBPyRelation,
    hours: Sequence[HourSlices],
) -> Metered:
    """The usage of hours.

    Args:
        connection: of `slices`.
        slices: the slices of all the hours again, as a relation, for the sums.
        hours: in order.
    """
    not_counted, counts = [], []
    identities = identities_of([(hour.slices, hour.rows) for hour in hours])
    for hour, of_hour in zip(hours, identities, strict=True):
        named = shared_digests(of_hour, hour.voids["identity"])
        voided = find_voided(hour.slices, named, hour.voids)
        slices_left = hour.slices
        if len(voided.rows):
            is_voided = pl.col("slice_row").cast(pl.Int64).is_in(voided.rows.implode())
            slices_left = slices_left.filter(~is_voided)
        found = find_not_counted(slices_left, repeated_digests(of_hour))
        not_counted += [voided.rows, found.rows]
        counts.append(
            SliceCounts(
                counted=hour.rows - len(voided.rows) - len(found.rows),
                duplicates=found.duplicates,
                conflicts=found.conflicts,
                losers=len(found.rows) - found.duplicates,
                voids=voided.counts,
            )
        )
    left_out = pl.concat(not_counted)
    _register(connection, "not_counted", left_out.to_frame("slice_row"))
    periods = _periods(hours)
    _register(connection, "periods", periods)
    # Most hours have a single rate period; without the join a large hour takes a tenth less.
    pieces = "pieces_whole" if len(periods) == 1 else "pieces_cut"
    summed = slices.query("slices", _sql("usage").format(pieces=_sql(pieces)))
    assert summed is not None, "a SELECT has rows"
    # Nested, so that no frame outlives its use: each of a million resources takes 0.3 GB.
    by_resource = _sorted(
        _with_texts(pl.DataFrame(summed.to_arrow_table()), hours, identities), hours
    )
    return Metered(
        usage=conform(by_resource.drop(_KEYS), USAGE),
        keys=by_resource.select(_KEYS),
        not_counted=left_out,
        counts=counts,
    )


def _register(connection: duckdb.DuckDBPyConnection, name: str, table: pl.DataFrame) -> None:
    connection.register(name, table.to_arrow())


def _periods(hours: Sequence[HourSlices]) -> pl.DataFrame:
    """The rate periods, numbered through all hours."""
    rows = [
        (hour.hour.start_ms // HOUR_MS, start_ms, end_ms)
        for hour in hours
        for start_ms, end_ms in hour.periods
    ]
    schema = dict.fromkeys(("hour_number", "period_start_ms", "period_end_ms"), pl.Int64)
    return pl.DataFrame(rows, schema, orient="row").with_row_index("period")


@cache
def _sql(name: str) -> str:
    return files("hourtally.stages").joinpath(f"sql/{name}.sql").read_text()


def _with_texts(
    summed: pl.DataFrame, hours: Sequence[HourSlices], identities: Sequence[Identities]
) -> pl.DataFrame:
    """Rows of `sql/usage.sql` with their texts; identities: of each hour."""
    wanted = summed["first_row"].cast(pl.Int64).unique().sort()
    texts, first = [], 0
    for hour, of_hour in zip(hours, identities, strict=True):
        end = first + hour.rows
        texts.append(
            _texts(hour, of_hour, wanted.filter(wanted.is_between(first, end - 1)) - first)
        )
        first = end
    found = pl.concat(pl.collect_all(texts))
    usage = summed.with_columns(pl.col("first_row").cast(pl.Int64)).join(
        found, on="first_row", how="inner", validate="m:1", suffix="_of_texts"
    )
    agrees = [pl.col(name) == pl.col(f"{name}_of_texts") for name in USAGE_KEY]
    if len(usage) != len(summed) or not usage.select(pl.all_horizontal(agrees).all()).item():
        message = "rows of usage have a slice with another key"
        raise AssertionError(message)
    return usage


def _texts(hour: HourSlices, identities: Identities, wanted: pl.Series) -> pl.LazyFrame:
    """The usage keys and texts of some of an hour's slices, by their place in the hour from 0.

    Rows are chosen by a stored column, as Polars then decodes the texts of these rows only: half
    the time. A few more slices may have the same digest. The first slices of all keys lie in the
    first of many files: the others are not read.
    """
    begun = hour.slices.head(0 if wanted.is_empty() else wanted[-1] + 1)
    digests = identities.of_slices(wanted)
    return begun.filter(pl.col("identity").is_in(digests.implode())).select(
        pl.col("slice_row").cast(pl.Int64).alias("first_row"), *USAGE_KEY, *USAGE_TEXTS
    )


def _sorted(usage: pl.DataFrame, hours: Sequence[HourSlices]) -> pl.DataFrame:
    """`schemas.USAGE` and `Metered.keys`, sorted, from rows of `sql/usage.sql` with texts.

    DuckDB's HUGEINT arrives as a decimal of 38 digits, which holds every sum there can be.
    """
    of_periods = pl.Series(HOUR, [one.hour.timestamp for one in hours for _ in one.periods])
    usage = usage.with_columns(of_periods.gather(usage["period"]))
    columns = (pl.col(column).cast(dtype) for column, dtype in USAGE.items())
    usage = usage.select(*columns, *_KEYS)
    return usage.sort(HOUR, *RESOURCE_ORDER)
