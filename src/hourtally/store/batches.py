"""Committed batches as what is built on them sees them: their slices, held to their records."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.store import durable
from hourtally.store.layout import Home


def check_slices(home: Home, batches_of: Mapping[Hour, Iterable[str]], threads: int = 1) -> None:
    """Compare slices files of some hours with the digests in their ingest records.

    To be done before one of them is read: what a flipped bit makes of a reader of Parquet is
    anything, a panic too. 1.8 GB/s and thread.

    Args:
        home: where they are.
        batches_of: for each hour those of which it has slices.
        threads: how many batches are looked at at a time.

    Raises:
        Damaged: a file differs, or its record does not know it.
    """
    hours_of = defaultdict(list)
    for hour, batches in batches_of.items():
        for batch in batches:
            hours_of[batch].append(hour)
    work = ((home, batch, hours) for batch, hours in hours_of.items())
    for _ in ordered_map(threads, _check, work):
        pass


def _check(home: Home, batch: str, hours: Iterable[Hour]) -> None:
    record = durable.read_sealed_json(home.batch_record(batch))
    for hour in hours:
        path = home.slices(hour, batch)
        expected = record.get("hours", {}).get(hour.name)
        if expected is None:
            raise Damaged(home.batch_record(batch), f"it does not name {path}")
        if expected["sha256"] != durable.sha256_of(path):
            reason = (
                f"its SHA-256 is not that of its ingest record; remove {home.batch_record(batch)} "
                f"and ingest {record.get('file')} again"
            )
            raise Damaged(path, reason)


def slices_bytes(home: Home, hour: Hour) -> int:
    """How large the slices files of an hour are together."""
    size = 0
    for batch in home.batches_with_slices(hour):
        # An ingest that is given up removes what it has not committed.
        with contextlib.suppress(FileNotFoundError):
            size += home.slices(hour, batch).stat().st_size
    return size


def files_of(home: Home, batches: Iterable[str]) -> dict[str, str]:
    """By batch the event file that it was, as its record names it; a lost record names none."""
    files = {}
    for batch in batches:
        try:
            files[batch] = str(durable.read_sealed_json(home.batch_record(batch))["file"])
        except FileNotFoundError:
            continue
    return files
