"""The stages of a build in their order, from slices to the files of a revision.

It brings the engines, so it is loaded while the slices are hashed.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from hourtally import home as storage
from hourtally.changes import in_short
from hourtally.components import BYOC_COMPONENTS, PAAS_PRICES
from hourtally.documents import DocumentBlock, documents
from hourtally.engine import connected
from hourtally.errors import Damaged
from hourtally.home import Home
from hourtally.hours import Hour
from hourtally.identities import describe_conflicts
from hourtally.metering import Metered, meter
from hourtally.ratecard import RateCard, keep_statement
from hourtally.rating import rate
from hourtally.revisions import Manifest
from hourtally.rollup import BYOC_COLUMNS, PAAS_COLUMNS, roll_up
from hourtally.schemas import CUSTOMERS, USAGE_KEY
from hourtally.settings import Settings

MOST_LISTED_CONFLICTS: Final = 1_000
_ROW_GROUP_ROWS: Final = 131_072


def write_revision(
    home: Home,
    card: RateCard,
    hour: Hour,
    settings: Settings,
    parent: Manifest | None,
    inputs: dict[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Run the stages and write the revision's files; what its manifest says of them.

    Raises:
        OSError: the system refused a read or a write.
        The other errors of `build.build_hour`.
    """
    _check_keys(home, hour, inputs["batches"])
    periods = card.periods(hour)
    paths = [home.slices(hour, batch) for batch in inputs["batches"]]
    with _engine_faults(folder), connected(folder / "spill", settings) as connection:
        metered = meter(connection, paths, periods)
    rated = rate(hour, metered.usage, card.in_force(hour), periods)
    tables: dict[str, pl.DataFrame] = {}
    written: list[Future[tuple[str, dict[str, Any]]]] = []
    # Writing and fsyncing wait for the disk; the other work has what is left of the cores.
    with ThreadPoolExecutor(1) as writer:

        def write(named: dict[str, pl.DataFrame]) -> None:
            for name, table in named.items():
                tables[name] = table
                written.append(writer.submit(_write_table, folder / f"{name}.parquet", table))

        write({"charges": rated.charges, "clusters": rated.clusters})
        rollup = roll_up(rated.charges, rated.clusters, metered.usage)
        write({"types": rollup.types, "projects": rollup.projects, "teams": rollup.teams})
        if len(metered.conflicts):
            write({"conflicts": metered.conflicts})
        path = folder / "documents.ndjson"
        blocks = documents(hour, rated.charges, rollup, settings.threads)
        customers, sha256 = _write_documents(path, blocks)
        write({"customers": customers})
        written.append(writer.submit(_finish_file, path, sha256))
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


def _check_keys(home: Home, hour: Hour, batches: Iterable[str]) -> None:
    """See that the slices, which are whole, have what a build groups by.

    Raises:
        Damaged: a file is of a version that stored no usage keys.
    """
    for batch in batches:
        path = home.slices(hour, batch)
        if not set(USAGE_KEY) <= pl.read_parquet_schema(path).keys():
            record = home.batch_record(batch)
            file = storage.read_sealed_json(record).get("file")
            reason = (
                "it has no usage keys, which this version builds with: an earlier one ingested it; "
                f"remove {record} and ingest {file} again"
            )
            raise Damaged(path, reason)


@contextmanager
def _engine_faults(folder: Path) -> Iterator[None]:
    """Around DuckDB's work.

    Raises:
        OSError: memory, or the disk that it spills to, does not suffice.
    """
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise OSError(errno.EIO, str(error), str(folder)) from error


def _write_documents(path: Path, blocks: Iterable[DocumentBlock]) -> tuple[pl.DataFrame, str]:
    """Write the documents' lines; `schemas.CUSTOMERS`, and the SHA-256 of the file."""
    located = [pl.DataFrame(schema=CUSTOMERS)]
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for block in blocks:
            file.write(block.lines)
            digest.update(block.lines)
            located.append(block.customers)
    return pl.concat(located), digest.hexdigest()


def _write_table(path: Path, table: pl.DataFrame) -> tuple[str, dict[str, Any]]:
    """Write a table durably; its file's name and what the manifest says of it."""
    try:
        table.rechunk().write_parquet(
            path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP_ROWS
        )
    except pl.exceptions.ComputeError as error:
        # Polars says so of a full disk.
        raise OSError(errno.EIO, str(error), str(path)) from error
    return _finish_file(path, storage.sha256_of(path))


def _finish_file(path: Path, sha256: str) -> tuple[str, dict[str, Any]]:
    storage.fsync_file(path)
    return path.name, {"size": path.stat().st_size, "sha256": sha256}


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
