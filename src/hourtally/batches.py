"""Committed batches as what is built on them sees them: their slices, held to their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hourtally import home as storage
from hourtally.concurrency import in_turn
from hourtally.errors import Damaged
from hourtally.home import Home
from hourtally.hours import Hour


def check_slices(home: Home, hour: Hour, batches: Sequence[str], threads: int = 1) -> None:
    """Compare the slices files with the digests in their ingest records.

    To be done before one of them is read: what a flipped bit makes of a reader of Parquet is
    anything, a panic too. 1.8 GB/s and thread.

    Raises:
        Damaged: a file differs, or its record does not know it.
    """
    work = ((home, hour, batch) for batch in batches)
    for _ in in_turn(threads, _check, work):
        pass


def _check(home: Home, hour: Hour, batch: str) -> None:
    path = home.slices(hour, batch)
    record = storage.read_sealed_json(home.batch_record(batch))
    expected = record.get("hours", {}).get(hour.name)
    if expected is None:
        raise Damaged(home.batch_record(batch), f"it does not name {path}")
    if expected["sha256"] != storage.sha256_of(path):
        reason = (
            f"its SHA-256 is not that of its ingest record; remove {home.batch_record(batch)} "
            f"and ingest {record.get('file')} again"
        )
        raise Damaged(path, reason)


def files_of(home: Home, batches: Iterable[str]) -> dict[str, str]:
    """By batch the event file that it was, as its record names it; a lost record names none."""
    files = {}
    for batch in batches:
        try:
            files[batch] = str(storage.read_sealed_json(home.batch_record(batch))["file"])
        except FileNotFoundError:
            continue
    return files
