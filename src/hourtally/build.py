"""One hour, built: the stages in their order, from committed batches to a published manifest."""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from hourtally import home as storage
from hourtally.batches import check_keys, check_slices
from hourtally.changes import in_short
from hourtally.components import BYOC_COMPONENTS, PAAS_PRICES
from hourtally.documents import DocumentBlock, documents
from hourtally.engine import connected
from hourtally.home import Home
from hourtally.hours import Hour, format_instant
from hourtally.links import refuse_links
from hourtally.locking import locked_folder
from hourtally.metering import Metered, describe_conflicts, meter
from hourtally.ratecard import RateCard, keep_statement
from hourtally.rating import rate
from hourtally.revisions import Manifest, commit, current_manifest, remove_unpublished
from hourtally.rollup import BYOC_COLUMNS, PAAS_COLUMNS, roll_up
from hourtally.schemas import CUSTOMERS
from hourtally.settings import Settings
from hourtally.staleness import FORCED, inputs_of, reasons_of

MOST_LISTED_CONFLICTS: Final = 1_000
# What DuckDB says where memory, or the disk that it spills to, does not suffice.
_ENGINE_FAULTS: Final = (duckdb.IOException, duckdb.OutOfMemoryException)
_ROW_GROUP_ROWS: Final = 131_072


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
        check_slices(home, hour, inputs["batches"], settings.threads)
        check_keys(home, hour, inputs["batches"])
        try:
            facts = _write_revision(home, card, hour, settings, parent, inputs, folder)
        except _ENGINE_FAULTS as error:
            raise OSError(errno.EIO, str(error), str(folder)) from error
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


def _write_revision(
    home: Home,
    card: RateCard,
    hour: Hour,
    settings: Settings,
    parent: Manifest | None,
    inputs: dict[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Run the stages and write the revision's files; what its manifest says of them."""
    periods = card.periods(hour)
    paths = [home.slices(hour, batch) for batch in inputs["batches"]]
    with connected(folder / "spill", settings) as connection:
        metered = meter(connection, paths, periods)
    rated = rate(hour, metered.usage, card.in_force(hour), periods)
    rollup = roll_up(rated.charges, rated.clusters, metered.usage)
    tables = {
        "charges": rated.charges,
        "clusters": rated.clusters,
        "types": rollup.types,
        "projects": rollup.projects,
        "teams": rollup.teams,
    }
    if len(metered.conflicts):
        tables["conflicts"] = metered.conflicts
    # Writing and fsyncing wait for the disk; the documents' text has what is left of the cores.
    with ThreadPoolExecutor(1) as writer:
        written = [
            writer.submit(_write_table, folder / f"{name}.parquet", table)
            for name, table in tables.items()
        ]
        path = folder / "documents.ndjson"
        blocks = documents(hour, rated.charges, rollup, settings.threads)
        tables["customers"] = _write_documents(path, blocks)
        written += [
            writer.submit(_write_table, folder / "customers.parquet", tables["customers"]),
            writer.submit(_finish_file, path),
        ]
        keep_statement(home, card, hour, folder)
        totals = _totals(rollup.customers)
        changes = parent and in_short(home, parent, inputs, tables, totals["total"])
        files = dict(sorted(future.result() for future in written))
    return {
        "files": files,
        "rows": {"slices": metered.slices, **{name: len(table) for name, table in tables.items()}},
        "totals": totals,
        **_left_out(metered),
        "changes": changes,
    }


def _write_documents(path: Path, blocks: Iterable[DocumentBlock]) -> pl.DataFrame:
    """Write the documents' lines; `schemas.CUSTOMERS`."""
    located = [pl.DataFrame(schema=CUSTOMERS)]
    with path.open("xb") as file:
        for block in blocks:
            file.write(block.lines)
            located.append(block.customers)
    return pl.concat(located)


def _write_table(path: Path, table: pl.DataFrame) -> tuple[str, dict[str, Any]]:
    """Write a table durably; its file's name and what the manifest says of it."""
    try:
        table.rechunk().write_parquet(
            path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP_ROWS
        )
    except pl.exceptions.ComputeError as error:
        # Polars says so of a full disk.
        raise OSError(errno.EIO, str(error), str(path)) from error
    return _finish_file(path)


def _finish_file(path: Path) -> tuple[str, dict[str, Any]]:
    storage.fsync_file(path)
    return path.name, storage.describe_file(path)


def _left_out(metered: Metered) -> dict[str, Any]:
    return {
        "duplicates": metered.duplicates,
        "conflicts": {
            "count": len(metered.conflicts),
            "listed": describe_conflicts(metered.conflicts, MOST_LISTED_CONFLICTS),
        },
    }


def _totals(customers: pl.DataFrame) -> dict[str, Any]:
    """Exact sums over the hour's customers, in nanocents; they may pass 64 bits."""

    def total(column: str) -> int:
        return int(customers[column].cast(pl.Int128).sum())

    paas = {key: total(f"paas_{c}") for key, c in zip(PAAS_PRICES, PAAS_COLUMNS, strict=True)}
    byoc_keys = ("total", *BYOC_COMPONENTS)
    byoc = {key: total(f"byoc_{c}") for key, c in zip(byoc_keys, BYOC_COLUMNS, strict=True)}
    return {"total": paas["total"] + byoc["total"], "paas": paas, "byoc": byoc}
