"""Hours, built: the stages in their order, from committed batches to published manifests."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from hourtally.build.staleness import FORCED, inputs_of, reasons_of
from hourtally.model.hours import Hour, format_instant
from hourtally.ratecard import RateCard
from hourtally.runtime.concurrency import import_in_background
from hourtally.runtime.interrupts import Stop, load_polars
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.batches import check_slices
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder
from hourtally.store.manifests import PendingRevision, commit, current_manifest, remove_unpublished
from hourtally.store.symlinks import refuse_links


@dataclass(frozen=True)
class BuildReceipt:
    """A published revision. total_nanocents: of all its documents."""

    hour: str
    revision: int
    reasons: tuple[str, ...]
    customers: int
    resources: int
    slices: int
    duplicates: int
    conflicts: int
    total_nanocents: int


Done = Callable[[Hour, BuildReceipt | None], None]
"""Told of every hour once it is published; without a receipt where it is current already."""


def build_together(
    home: Home,
    card: RateCard,
    hours: Sequence[Hour],
    now_ms: int,
    settings: Settings,
    done: Done,
    stop: Stop,
    *,
    force: bool = False,
) -> None:
    """Build hours together, and publish for each of them what came out as its next revision.

    A pure function of the committed batches that touch the hours and the rates in force in them,
    but for the time of publication and a nonce; an hour comes out as it would alone.

    Args:
        home, card, now_ms, settings: as their names say.
        hours: in order; some that are small together, or one (`hour_groups.py`).
        done: told of each of them.
        stop: whether they are abandoned.
        force: whether those that are current are built too.

    Raises:
        UnratedUsage, BoundExceeded: of any of the hours; nothing is published, and their last
            revisions stay.
        Damaged: a file of events or a manifest is not what its record says.
        StorageFault: the system refused a read or a write; some hours may be published.
        KeyboardInterrupt: they are abandoned.
    """
    what = f"hour {hours[0]}" if len(hours) == 1 else f"hours {hours[0]} to {hours[-1]}"
    with durable.storage_faults(home.hour(hours[0]), f"building {what}"), ExitStack() as locks:
        for hour in hours:
            refuse_links(home, home.hour(hour), home.statements)
            locks.enter_context(locked_folder(home.hour(hour), stop.check))
        left = list(hours)
        while left:
            begun = []
            for hour in left:
                one = _begin(home, card, hour, force=force)
                if one is None:
                    done(hour, None)
                else:
                    begun.append(one)
            left = _publish(home, card, begun, now_ms, settings, done, stop) if begun else []


def _begin(home: Home, card: RateCard, hour: Hour, *, force: bool) -> PendingRevision | None:
    """What is to be built of an hour whose lock is held; None if it is current."""
    parent = current_manifest(home, hour)
    committed = home.batches_with_slices(hour)
    batches = [batch for batch in committed if home.batch_record(batch).exists()]
    inputs = inputs_of(card, hour, batches)
    reasons = reasons_of(parent, inputs) or ((FORCED,) if force else ())
    if not reasons:
        return None
    remove_unpublished(home, hour)
    revision = 1 if parent is None else parent.revision + 1
    folder = home.hour(hour) / f"rev-{revision:06d}-{secrets.token_hex(8)}"
    return PendingRevision(hour, revision, parent, reasons, inputs, folder)


def _publish(
    home: Home,
    card: RateCard,
    begun: Sequence[PendingRevision],
    now_ms: int,
    settings: Settings,
    done: Done,
    stop: Stop,
) -> list[Hour]:
    """Build and commit; the hours of which another build took the revision's number meanwhile."""
    began_ns = time.perf_counter_ns()
    if any(one.inputs["batches"] for one in begun):
        # One that is named in memory only, its ingest just killed, is no input yet.
        durable.fsync_folder(home.batches)
    taken = []
    uncommitted = deque(begun)
    try:
        for one in begun:
            one.folder.mkdir()
        with import_in_background("hourtally.build.pipeline"):
            batches_of = {one.hour: one.inputs["batches"] for one in begun}
            check_slices(home, batches_of, settings.threads)
        # A thread has loaded it; the rest of it is for this one.
        load_polars()
        stop.check()
        from hourtally.build.pipeline import write_revisions

        facts = write_revisions(home, card, begun, settings, stop)
        for one in begun:
            durable.fsync_folder(one.folder)
            durable.fsync_folder(one.folder.parent)
        # What one of them took cannot be told, as they were built together.
        build_ms = (time.perf_counter_ns() - began_ns) // 1_000_000 // len(begun)
        for of_hour in facts:
            # Where this fails its folder stays until the next build, as the manifest might be on
            # the disk.
            one = uncommitted.popleft()
            record = _record(one, card, now_ms, build_ms) | of_hour
            if commit(home, one.hour, one.revision, record):
                done(one.hour, _receipt(one, record))
            else:
                durable.remove_folder(one.folder)
                taken.append(one.hour)
    except BaseException:
        for one in uncommitted:
            durable.remove_folder(one.folder)
        raise
    return taken


def _record(one: PendingRevision, card: RateCard, now_ms: int, build_ms: int) -> dict[str, Any]:
    """What a manifest says beside what came out of the build."""
    return {
        "hour": one.hour.name,
        "timestamp": one.hour.timestamp,
        "revision": one.revision,
        "parent": None if one.parent is None else one.parent.revision,
        "published_at": format_instant(now_ms),
        "build_ms": build_ms,
        "reasons": list(one.reasons),
        "folder": one.folder.name,
        "currency": card.currency,
        "inputs": one.inputs,
    }


def _receipt(one: PendingRevision, record: dict[str, Any]) -> BuildReceipt:
    return BuildReceipt(
        hour=one.hour.name,
        revision=one.revision,
        reasons=one.reasons,
        customers=record["rows"]["customers"],
        resources=record["rows"]["charges"],
        slices=record["rows"]["slices"],
        duplicates=record["duplicates"],
        conflicts=record["conflicts"]["count"],
        total_nanocents=record["totals"]["total"],
    )
