"""What has been ingested, quarantined and taken back, from the ingest records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hourtally.errors import Damaged
from hourtally.model.hours import parse_instant_ms
from hourtally.store import durable
from hourtally.store.batches import Batches, is_withdrawn
from hourtally.store.layout import Home


@dataclass(frozen=True)
class FutureEvents:
    """The batch whose events start latest, where that is after now."""

    batch: str
    file: str
    latest_start: str


@dataclass(frozen=True)
class BatchSummary:
    """All committed batches: how many, their quarantined lines, and the one ingested last.

    withdrawn: how many more were taken back. with_quarantine: those with quarantined lines, newest
    first: name of the record, event file, lines by rule. damaged: how many records are damaged.
    """

    count: int
    withdrawn: int
    quarantined: int
    damaged: int
    with_quarantine: tuple[tuple[str, str, dict[str, int]], ...]
    last_file: str
    last_ingested_at: str
    future: FutureEvents | None = None


def read_record(home: Home, name: str) -> dict[str, Any]:
    """The record of a batch by its name, without what it says of each hour.

    A year of hours in the record of each of many batches would fill the memory.

    Raises:
        Damaged: it is not what was written.
    """
    record = durable.read_sealed_json(home.batch_record(name))
    hours = sorted(record.pop("hours", None) or ())
    return record | {"hour_count": len(hours), "first_hour": hours[:1], "last_hour": hours[-1:]}


@durable.at_one_moment
def summarize_batches(
    home: Home, now_ms: int, read: Callable[[Home, str], dict[str, Any]] = read_record
) -> BatchSummary:
    """Summarize the deciding records; damaged ones are counted and left to `verify`.

    Lines of withdrawn or superseded records count nowhere. `read` reads one of them.
    """
    records, withdrawn, damaged = [], 0, 0
    names = Batches(home).names()
    durable.fetch([home.batch_record(name) for name in names])
    for name in names:
        try:
            record = read(home, name)
        except Damaged:
            damaged += 1
            continue
        if is_withdrawn(record):
            withdrawn += 1
        else:
            records.append((name, record))
    records.sort(key=lambda one: str(one[1]["ingested_at"]), reverse=True)
    last = records[0][1] if records else {}
    starts = [
        (parse_instant_ms(record["latest_start"]), name, record)
        for name, record in records
        if record.get("latest_start")
    ]
    latest_ms, name, record = max(starts, key=lambda one: one[:2], default=(now_ms, "", {}))
    return BatchSummary(
        count=len(records),
        withdrawn=withdrawn,
        quarantined=sum(record["quarantined"] for _, record in records),
        damaged=damaged,
        with_quarantine=tuple(
            (name, str(record["file"]), dict(record["rules"]))
            for name, record in records
            if record["quarantined"]
        ),
        last_file=str(last.get("file", "")),
        last_ingested_at=str(last.get("ingested_at", "")),
        future=FutureEvents(name, str(record["file"]), record["latest_start"])
        if latest_ms > now_ms
        else None,
    )
