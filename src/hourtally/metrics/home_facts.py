"""The facts of a home that are worth an alert or a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hourtally.build.batch_summary import read_record
from hourtally.build.status import ReadManifest, hour_spans
from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.published.document_index import read_customers
from hourtally.ratecard import RateCard
from hourtally.store.batches import Batches, is_withdrawn
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest

ReadRecord = Callable[[Home, str], Mapping[str, Any]]


@dataclass
class HomeFacts:
    """Sums over the current revisions and the batches that count.

    Attributes:
        now_ms: when they were gathered.
        states: hours by state.
        newest: the newest published hour.
        held_hours: that hold somebody, in whatever state. held_customers: ids of all of them.
        restatements: revisions after the first.
        conflicts: identities, by hour. slices_voided: likewise.
        build_ms, published_bytes: of the current revisions.
        accepted, duplicates: lines of batches. quarantined: by rule.
        batches, withdrawn, damaged: how many there are; damaged: of records and manifests.
    """

    now_ms: int
    states: Counter[str] = field(default_factory=Counter)
    newest: Hour | None = None
    held_hours: int = 0
    held_customers: set[str] = field(default_factory=set)
    restatements: int = 0
    conflicts: int = 0
    slices_voided: int = 0
    build_ms: int = 0
    published_bytes: int = 0
    accepted: int = 0
    duplicates: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    withdrawn: int = 0
    damaged: int = 0


def gather(
    home: Home,
    card: RateCard | None,
    now_ms: int,
    settle_ms: int,
    read: tuple[ReadManifest, ReadRecord] = (current_manifest, read_record),
) -> HomeFacts:
    """The facts of a home as it is now.

    Args:
        home: the home.
        card: by which hours are stale; without one, none is stale because of its rates.
        now_ms: the time.
        settle_ms: how long after its end an hour closes.
        read: how manifests and batch records are read; a server has read most of them before.
    """
    facts = HomeFacts(now_ms)
    read_manifest, read_batch = read

    def reading(of: Home, hour: Hour) -> Manifest | None:
        manifest = read_manifest(of, hour)
        if manifest is not None:
            _add_manifest(facts, manifest)
        return manifest

    for span in hour_spans(home, card, now_ms, settle_ms, read=reading):
        facts.states[span.status.state] += span.hours
        if span.status.revision is not None:
            facts.newest = span.first
        elif span.status.state == "stale":
            # Its manifest is damaged.
            facts.damaged += 1
    for name in Batches(home).names():
        try:
            _add_record(facts, read_batch(home, name))
        except Damaged:
            facts.damaged += 1
    return facts


def _add_manifest(facts: HomeFacts, manifest: Manifest) -> None:
    record = manifest.record
    facts.restatements += manifest.revision - 1
    facts.conflicts += record["conflicts"]["count"]
    facts.slices_voided += (record.get("voids") or {}).get("slices_voided", 0)
    facts.build_ms += record.get("build_ms", 0)
    facts.published_bytes += sum(file["size"] for file in record["files"].values())
    if manifest.held_customers:
        facts.held_hours += 1
        facts.held_customers.update(_held_ids(manifest))


def _held_ids(manifest: Manifest) -> list[str]:
    listed: list[str] = manifest.record["held"].get("customer_ids") or []
    if len(listed) == manifest.held_customers:
        return listed
    try:
        return read_customers(manifest).held_ids
    except Damaged:
        return listed


def _add_record(facts: HomeFacts, record: Mapping[str, Any]) -> None:
    if is_withdrawn(record):
        facts.withdrawn += 1
        return
    facts.batches += 1
    facts.accepted += record["accepted"]
    facts.duplicates += record["duplicates"]
    facts.quarantined.update(record["rules"])
