"""The state of every hour of a range, and what has been ingested and quarantined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hourtally.build.staleness import (
    DAMAGED_MANIFEST,
    batches_by_hour,
    build_inputs,
    known_hours,
    stale_reasons,
)
from hourtally.errors import Damaged
from hourtally.model.hours import ALL_HOURS, HOUR_SECONDS, Hour, HourRange, hours_between
from hourtally.ratecard import RateCard
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest

OPEN: Final = "open"
MISSING: Final = "missing"
CURRENT: Final = "current"
STALE: Final = "stale"
STATES: Final = (OPEN, MISSING, CURRENT, STALE)

NO_EVENTS: Final = "no events"
NOT_BUILT_YET: Final = "never built"


@dataclass(frozen=True)
class HourStatus:
    """One hour. why: why it is missing or stale. The rest is about its newest revision, if any.

    conflicts: events of one identity with several contents. total_nanocents: of all customers.
    """

    hour: Hour
    state: str
    why: tuple[str, ...] = ()
    revision: int | None = None
    customers: int = 0
    total_nanocents: int = 0
    currency: str = ""
    conflicts: int = 0
    published_at: str = ""


@dataclass(frozen=True)
class Batches:
    """All committed batches: how many, their quarantined lines, and the one ingested last.

    with_quarantine: those with quarantined lines, newest first: batch, event file, lines by rule.
    damaged: how many records are damaged.
    """

    count: int
    quarantined: int
    damaged: int
    with_quarantine: tuple[tuple[str, str, dict[str, int]], ...]
    last_file: str
    last_ingested_at: str


def hour_statuses(
    home: Home,
    card: RateCard,
    now_ms: int,
    settle_ms: int,
    within: HourRange = ALL_HOURS,
) -> list[HourStatus]:
    """Every hour of a range, in order.

    A missing bound is taken from the hours that have events or a revision.
    """
    known = known_hours(home)
    start = within.first or (known[0] if known else None)
    stop = within.end or (known[-1].following if known else None)
    if start is None or stop is None:
        return []
    hours = list(hours_between(start, stop))
    return [
        _status(home, card, hour, batches, closed=hour.is_closed(now_ms, settle_ms))
        for hour, batches in batches_by_hour(home, hours)
    ]


def _status(
    home: Home, card: RateCard, hour: Hour, batches: list[str], *, closed: bool
) -> HourStatus:
    try:
        manifest = current_manifest(home, hour)
    except Damaged:
        return HourStatus(hour, STALE, (DAMAGED_MANIFEST,))
    if manifest is None:
        if not closed:
            return HourStatus(hour, OPEN)
        return HourStatus(hour, MISSING, (NOT_BUILT_YET if batches else NO_EVENTS,))
    reasons = stale_reasons(manifest, build_inputs(card, hour, batches))
    record = manifest.record
    return HourStatus(
        hour=hour,
        state=STALE if reasons else CURRENT,
        why=reasons,
        revision=manifest.revision,
        customers=record["rows"]["customers"],
        total_nanocents=record["totals"]["total"],
        currency=record["currency"],
        conflicts=record["conflicts"]["count"],
        published_at=record["published_at"],
    )


def closed_hours_after(hours: list[HourStatus], now_ms: int, settle_ms: int) -> int:
    """How many closed hours come after the last of these; none of them has events."""
    last_closed = Hour.containing(now_ms - settle_ms).timestamp
    return max(0, last_closed - hours[-1].hour.following.timestamp) // HOUR_SECONDS if hours else 0


def summarize_batches(home: Home) -> Batches:
    """Summarize the ingest records; damaged ones are counted and left to `verify`."""
    records, damaged = [], 0
    for path in durable.list_folder(home.batches):
        if path.suffix == ".json":
            try:
                records.append(durable.read_sealed_json(path))
            except Damaged:
                damaged += 1
    records.sort(key=lambda record: str(record["ingested_at"]), reverse=True)
    last = records[0] if records else {}
    return Batches(
        count=len(records),
        quarantined=sum(record["quarantined"] for record in records),
        damaged=damaged,
        with_quarantine=tuple(
            (str(record["batch"]), str(record["file"]), dict(record["rules"]))
            for record in records
            if record["quarantined"]
        ),
        last_file=str(last.get("file", "")),
        last_ingested_at=str(last.get("ingested_at", "")),
    )
