"""One hour, built: the stages in their order, from committed batches to a published manifest."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from hourtally import home as storage
from hourtally.batches import check_slices
from hourtally.concurrency import loaded_beside
from hourtally.home import Home
from hourtally.hours import Hour, format_instant
from hourtally.links import refuse_links
from hourtally.locking import locked_folder
from hourtally.ratecard import RateCard
from hourtally.revisions import Manifest, commit, current_manifest, remove_unpublished
from hourtally.settings import Settings
from hourtally.staleness import FORCED, inputs_of, reasons_of


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


def build_hour(
    home: Home,
    card: RateCard,
    hour: Hour,
    now_ms: int,
    settings: Settings,
    *,
    force: bool = False,
) -> BuildReceipt | None:
    """Build an hour and publish the result as its next revision; None if it is current.

    A pure function of the committed batches that touch the hour and the rates in force in it,
    but for the time of publication and a nonce.

    Raises:
        UnratedUsage, BoundExceeded: nothing is published; the last revision stays.
        Damaged: a file of events or a manifest is not what its record says.
        StorageFault: the system refused a read or a write.
    """
    folder = home.hour(hour)
    refuse_links(home, folder, home.statements)
    with storage.storage_faults(folder, f"building hour {hour}"), locked_folder(folder):
        while True:
            parent = current_manifest(home, hour)
            committed = home.batches_with_slices(hour)
            batches = [batch for batch in committed if home.batch_record(batch).exists()]
            inputs = inputs_of(card, hour, batches)
            reasons = reasons_of(parent, inputs) or ((FORCED,) if force else ())
            if not reasons:
                return None
            remove_unpublished(home, hour)
            if batches:
                # One that is named in memory only, its ingest just killed, is no input yet.
                storage.fsync_folder(home.batches)
            receipt = _publish(home, card, hour, now_ms, settings, parent, inputs, reasons)
            if receipt is not None:
                return receipt


def _publish(
    home: Home,
    card: RateCard,
    hour: Hour,
    now_ms: int,
    settings: Settings,
    parent: Manifest | None,
    inputs: dict[str, Any],
    reasons: tuple[str, ...],
) -> BuildReceipt | None:
    """Build and commit; None if another build took the revision's number meanwhile."""
    began_ns = time.perf_counter_ns()
    revision = 1 if parent is None else parent.revision + 1
    folder = home.hour(hour) / f"rev-{revision:06d}-{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        with loaded_beside("hourtally.revision_files"):
            check_slices(home, hour, inputs["batches"], settings.threads)
        from hourtally.revision_files import write_revision

        facts = write_revision(home, card, hour, settings, parent, inputs, folder)
        storage.fsync_folder(folder)
        storage.fsync_folder(folder.parent)
    except BaseException:
        storage.remove_folder(folder)
        raise
    record = {
        "hour": hour.name,
        "timestamp": hour.timestamp,
        "revision": revision,
        "parent": None if parent is None else parent.revision,
        "published_at": format_instant(now_ms),
        "build_ms": (time.perf_counter_ns() - began_ns) // 1_000_000,
        "reasons": list(reasons),
        "folder": folder.name,
        "currency": card.currency,
        "inputs": inputs,
        **facts,
    }
    # Where this fails the folder stays until the next build, as the manifest might be on the disk.
    if not commit(home, hour, revision, record):
        storage.remove_folder(folder)
        return None
    return BuildReceipt(
        hour=hour.name,
        revision=revision,
        reasons=reasons,
        customers=record["rows"]["customers"],
        resources=record["rows"]["charges"],
        slices=record["rows"]["slices"],
        duplicates=record["duplicates"],
        conflicts=record["conflicts"]["count"],
        total_nanocents=record["totals"]["total"],
    )
