"""The voids files of one batch: its voids in each hour that they touch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from hourtally.events.event_types import identity_hash
from hourtally.model.hours import HOUR_MS, HOUR_SECONDS, Hour
from hourtally.model.schemas import STORED_VOIDS, VOID_CONTENT, VOIDS, conform
from hourtally.runtime.concurrency import ordered_map
from hourtally.store import durable
from hourtally.store.void_files import write_voids


def voids_by_hour(voids: pl.DataFrame) -> Iterator[tuple[Hour, pl.DataFrame]]:
    """Each hour that voids touch, in order, with these voids, sorted.

    A void touches up to 745 hours, so only the voids of one hour are held beside all of them.

    Args:
        voids: `schemas.VOIDS`, without duplicates.

    Yields:
        An hour, and `schemas.STORED_VOIDS`.
    """
    waiting = (
        _with_identities(conform(voids, VOIDS))
        .with_columns(first=pl.col("start_ms") // HOUR_MS, last=(pl.col("end_ms") - 1) // HOUR_MS)
        .sort("first", *VOID_CONTENT)
    )
    active = waiting.clear()
    begun = hour = 0
    while True:
        if active.is_empty():
            if begun == len(waiting):
                return
            hour = waiting["first"][begun]
        begin, begun = begun, waiting["first"].search_sorted(hour, "right")
        active = pl.concat([active, waiting[begin:begun]])
        touching = active.sort(VOID_CONTENT)
        yield Hour(hour * HOUR_SECONDS), touching.select(STORED_VOIDS.keys())
        hour += 1
        active = active.filter(pl.col("last") >= hour)


def _with_identities(voids: pl.DataFrame) -> pl.DataFrame:
    identities = [
        identity_hash(source, event_id)
        for source, event_id in voids.select("voided_source", "voided_id").iter_rows()
    ]
    return voids.with_columns(pl.Series("identity", identities, dtype=pl.UInt64))


def stage_voids(staging: Path, voids: pl.DataFrame, threads: int) -> dict[str, dict[str, Any]]:
    """Write the voids of one file (`schemas.VOIDS`) to a staged voids file for each hour.

    Returns:
        By the hour's name, the entry of its voids file in the ingest record.
    """
    if voids.is_empty():
        return {}

    def write(hour: Hour, touching: pl.DataFrame) -> tuple[str, dict[str, Any]]:
        staged = staging / staged_voids_name(hour.name)
        write_voids(staged, touching)
        durable.fsync_file(staged)
        return hour.name, {"rows": len(touching), **durable.describe_file(staged)}

    return dict(ordered_map(threads, write, voids_by_hour(voids)))


def staged_voids_name(hour_name: str) -> str:
    """The name of an hour's voids file before it is moved into place."""
    return f"{hour_name}.voids.parquet"
