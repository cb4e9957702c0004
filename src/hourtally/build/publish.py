"""Publish hours: from committed batches to the manifests of new revisions."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

from hourtally.build.rates.rate_changes import RateChanges
from hourtally.build.staleness import FORCED, WAS_HELD, build_inputs, stale_reasons
from hourtally.model.hours import Hour, format_instant
from hourtally.ratecard import RateCard
from hourtally.runtime.interrupts import Stop, load_polars
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.batches import Batches
from hourtally.store.input_files import check_inputs
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder
from hourtally.store.manifests import (
    Manifest,
    PendingRevision,
    commit_manifest,
    current_manifest,
    fetch_current,
    remove_unfinished,
)
from hourtally.store.symlinks import reject_symlinks


@dataclass(frozen=True)
class BuildContext:
    """What every hour of a job is built with.

    Attributes:
        now_ms: the time of publication; None: the clock when a revision is committed.
        settings: threads and memory of one process.
        force: also build hours that are current.
        reason: why, in the words of whoever forces it; empty if nobody said.
    """

    home: Home
    card: RateCard
    now_ms: int | None
    settings: Settings
    force: bool = False
    reason: str = ""


@dataclass(frozen=True)
class BuildReceipt:
    """A published revision. total_nanocents: the sum over all its documents.

    customers: published ones. held: customers without figures. conflicts: identities.
    conflict_losers: slices that do not count because of a conflict. voids: as in the manifest.
    changed: whether a restatement differs from the revision before. delta_nanocents: how much more
    its total is; None for a first revision, or where the currency changed.
    """

    hour: str
    revision: int
    reasons: tuple[str, ...]
    customers: int
    resources: int
    slices: int
    duplicates: int
    conflicts: int
    conflict_losers: int
    voids: dict[str, Any]
    total_nanocents: int
    currency: str = ""
    changed: bool = False
    delta_nanocents: int | None = None
    held: int = 0


OnDone = Callable[[Hour, BuildReceipt | None], None]
"""Called for every hour once it is published; without a receipt if it was current already."""


def build_together(
    context: BuildContext, hours: Sequence[Hour], on_done: OnDone, stop: Stop
) -> None:
    """Build hours together and publish the next revision of each.

    A pure function of the committed batches that touch the hours and the rates in force in them,
    except for the time of publication and a nonce. Each hour comes out as if built alone.

    Args:
        context: what they are built with.
        hours: in order; several small ones (`grouping`) or a single one.
        on_done: called for each of them.
        stop: checked between stages; an abort ends the build.

    Raises:
        BoundExceeded: in any of the hours. Nothing is published, and their last revisions stay.
        Damaged: a slices file or a manifest differs from its record.
        StorageFault: the system refused a read or a write; some hours may be published.
        KeyboardInterrupt: the build was aborted.
    """
    home = context.home
    what = f"hour {hours[0]}" if len(hours) == 1 else f"hours {hours[0]} to {hours[-1]}"
    with durable.storage_faults(home.hour(hours[0]), f"building {what}"), ExitStack() as locks:
        for hour in hours:
            reject_symlinks(home, home.hour(hour), home.rates_snapshots)
            what = f"hour {hour}, which another process is building"
            locks.enter_context(locked_folder(home.hour(hour), stop.check, what=what))
        left = list(hours)
        while left:
            revisions = []
            batches, rates = Batches(home), RateChanges(home, context.card)
            folders = [one for hour in left for one in (home.hour(hour), home.slices_of(hour))]
            with durable.one_listing(home.root, folders):
                fetch_current(home, left)
                for hour in left:
                    revision = _next_revision(context, hour, batches, rates)
                    if revision is None:
                        on_done(hour, None)
                    else:
                        revisions.append(revision)
            left = _publish(context, revisions, on_done, stop) if revisions else []


def _next_revision(
    context: BuildContext, hour: Hour, batches: Batches, rates: RateChanges
) -> PendingRevision | None:
    """The revision to build of an hour whose lock is held; None if the hour is current."""
    home = context.home
    parent = current_manifest(home, hour)
    inputs = build_inputs(context.card, hour, batches)
    reasons = stale_reasons(parent, inputs, batches, rates)
    if not reasons and context.force:
        reasons = (FORCED,)
    if not reasons:
        return None
    if parent is not None and parent.held_customers:
        reasons = (*reasons, WAS_HELD)
    remove_unfinished(home, hour)
    number = 1 if parent is None else parent.revision + 1
    folder = home.hour(hour) / f"rev-{number:06d}-{secrets.token_hex(8)}"
    return PendingRevision(hour, number, parent, reasons, inputs, folder)


def _publish(
    context: BuildContext,
    revisions: Sequence[PendingRevision],
    on_done: OnDone,
    stop: Stop,
) -> list[Hour]:
    """Build and commit; return the hours whose revision number another build took meanwhile."""
    started_ns = time.perf_counter_ns()
    home, card, settings = context.home, context.card, context.settings
    with suppress(FileNotFoundError):
        # The record of an ingest or a withdrawal that was just killed may not be on disk yet.
        durable.fsync_folder(home.batches)
    lost_race = []
    uncommitted = deque(revisions)
    try:
        for one in revisions:
            durable.begin_folder(one.folder)
        inputs_by_hour = {one.hour: one.inputs["batches"] for one in revisions}
        files = check_inputs(home, inputs_by_hour, settings.threads)
        load_polars()
        stop.check()
        # Imported here, as it loads the engines (0.3 s), which commands without builds do not need.
        from hourtally.build.pipeline import write_revisions

        checked = [replace(one, files=files[one.hour]) for one in revisions]
        results = write_revisions(home, card, checked, settings, stop)
        for one in revisions:
            durable.publish_folder(one.folder)
        # Hours that are built together share the time evenly.
        build_ms = (time.perf_counter_ns() - started_ns) // 1_000_000 // len(revisions)
        for result in results:
            # If the commit fails, the folder stays until the next build: the manifest may have
            # reached the disk.
            one = uncommitted.popleft()
            durable.check_in_time(one.folder, str(one.folder))
            record = _record(one, context, build_ms) | result
            if commit_manifest(home, one.hour, one.revision, record):
                on_done(one.hour, _receipt(one, record))
            else:
                durable.remove_folder(one.folder)
                lost_race.append(one.hour)
            durable.release([*files[one.hour].slices, *files[one.hour].voids, one.folder])
    except BaseException:
        for one in uncommitted:
            durable.remove_folder(one.folder)
        raise
    return lost_race


def _record(one: PendingRevision, context: BuildContext, build_ms: int) -> dict[str, Any]:
    """The part of a manifest that does not come from the stages, at the moment of its commit."""
    now_ms = time.time_ns() // 1_000_000 if context.now_ms is None else context.now_ms
    return {
        "hour": one.hour.name,
        "timestamp": one.hour.timestamp,
        "revision": one.revision,
        "parent": None if one.parent is None else one.parent.revision,
        "published_at": format_instant(now_ms),
        "build_ms": build_ms,
        "reasons": list(one.reasons),
        **({"reason": context.reason} if context.reason else {}),
        "folder": one.folder.name,
        "currency": context.card.currency,
        "inputs": one.inputs,
    }


def _receipt(one: PendingRevision, record: dict[str, Any]) -> BuildReceipt:
    return BuildReceipt(
        hour=one.hour.name,
        revision=one.revision,
        reasons=one.reasons,
        customers=record["rows"]["customers"] - record["held"]["customers"],
        held=record["held"]["customers"],
        resources=record["rows"]["charges"],
        slices=record["rows"]["slices"],
        duplicates=record["duplicates"],
        conflicts=record["conflicts"]["count"],
        conflict_losers=record["conflicts"]["slices_not_counted"],
        voids=record["voids"],
        total_nanocents=record["totals"]["total"],
        currency=record["currency"],
        changed=_is_changed(record["changes"]),
        delta_nanocents=_delta_nanocents(one.parent, record),
    )


def _is_changed(changes: dict[str, Any] | None) -> bool:
    """Whether a restatement changed anything, or it is not known because its parent is damaged."""
    if changes is None:
        return False
    # The numbers of changed rows, by level; batches and rates may change without them.
    return "unknown" in changes or any(rows for rows in changes.values() if isinstance(rows, int))


def _delta_nanocents(parent: Manifest | None, record: dict[str, Any]) -> int | None:
    if parent is None or parent.record["currency"] != record["currency"]:
        return None
    return int(record["totals"]["total"] - parent.record["totals"]["total"])
