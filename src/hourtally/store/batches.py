"""Committed batches: check their slices against the ingest records."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.store import durable
from hourtally.store.layout import Home


def check_slices(
    home: Home, batches_by_hour: Mapping[Hour, Iterable[str]], threads: int = 1
) -> None:
    """Compare slices files of some hours with the digests in their ingest records.

    Do this before reading any of them: a flipped bit can make a Parquet reader do anything, a
    panic included. One thread checks 1.8 GB/s.

    Args:
        home: the home folder.
        batches_by_hour: for each hour the batches that have slices in it.
        threads: how many batches to check at a time.

    Raises:
        Damaged: a file differs from its record, or the record does not list it.
    """
    hours_of = defaultdict(list)
    for hour, batches in batches_by_hour.items():
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
            raise Damaged(home.batch_record(batch), f"it does not list {path}")
        if expected["sha256"] != durable.sha256_of(path):
            reason = (
                f"its SHA-256 does not match its ingest record; remove {home.batch_record(batch)} "
                f"and ingest {record.get('file')} again"
            )
            raise Damaged(path, reason)


def slices_bytes(home: Home, hour: Hour) -> int:
    """The total size of the slices files of an hour."""
    size = 0
    for batch in home.batches_with_slices(hour):
        # An aborted ingest removes what it has not committed.
        with contextlib.suppress(FileNotFoundError):
            size += home.slices(hour, batch).stat().st_size
    return size


def event_file_names(home: Home, batches: Iterable[str]) -> dict[str, str]:
    """The event file of each batch, from its record; batches without a record are left out."""
    files = {}
    for batch in batches:
        try:
            files[batch] = str(durable.read_sealed_json(home.batch_record(batch))["file"])
        except FileNotFoundError:
            continue
    return files
