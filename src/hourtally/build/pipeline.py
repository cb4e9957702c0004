"""Run the stages of a build in order, from slices to the files of revisions.

Clock, disk and settings enter here; the stages know none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.build.metered_hours import metered_hours
from hourtally.build.rates.asked_rates import AskedRates, ask_rates
from hourtally.build.rates.held_customers import held_of_hours, store_inputs
from hourtally.model.components import BYOC_COMPONENTS, PAAS_PRICES
from hourtally.model.schemas import CUSTOMERS, HOUR, of_hours
from hourtally.published.diff import summarize_changes, void_changes
from hourtally.published.document_index import DOCUMENTS_FILE, USAGE_FILE
from hourtally.ratecard import RateCard
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings
from hourtally.stages.deduplication import describe_conflicts
from hourtally.stages.documents import DocumentBlock, documents
from hourtally.stages.metering import SliceCounts
from hourtally.stages.rating import rate
from hourtally.stages.rollup import BYOC_COLUMNS, PAAS_COLUMNS, roll_up
from hourtally.stages.voiding import describe_voids
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import PendingRevision

MOST_LISTED_CONFLICTS: Final = 1_000
_ROW_GROUP_ROWS: Final = 131_072
# Even if the build may use only one core, as one of several workers.
_LEAST_WRITERS: Final = 2


def write_revisions(
    home: Home, card: RateCard, revisions: Sequence[PendingRevision], settings: Settings, stop: Stop
) -> list[dict[str, Any]]:
    """Run the stages for several hours together and write the files of their revisions.

    Small hours spend most of their time in starting queries, so the rows of all hours go through
    the stages in the same frames.

    Args:
        home: the home folder.
        card: the rate card.
        revisions: what to build, in the order of hours.
        settings: threads and memory.
        stop: checked between the stages.

    Returns:
        For each revision the part of its manifest that comes from the stages.

    Raises:
        OSError: the system refused a read or a write.
        The other errors of `publish.build_together`.
    """
    asked = _asked_rates(home, card, revisions, settings, stop)
    stop.check()
    rated = rate(asked.lookups)
    # While one writer waits for an fsync, others work: a third of the time of small hours.
    with ThreadPoolExecutor(max(_LEAST_WRITERS, settings.threads)) as writers:
        files = [_Files(one.folder, writers) for one in revisions]
        timestamps = [one.hour.timestamp for one in revisions]

        def write(**tables: pl.DataFrame) -> None:
            for name, table in tables.items():
                for of_hour, rows in zip(files, of_hours(table, timestamps), strict=True):
                    of_hour.write(name, rows)

        write(charges=rated.charges, clusters=rated.clusters)
        resources, asked = asked.resources, asked.without_usage()
        rollup = roll_up(rated.charges, rated.clusters, resources)
        stop.check()
        write(types=rollup.types, projects=rollup.projects, teams=rollup.teams)
        for of_hour, counts in zip(files, asked.counts, strict=True):
            if len(counts.conflicts):
                of_hour.write("conflicts", counts.conflicts)
        folders = {one.hour.timestamp: one.folder for one in revisions}
        blocks = documents(rated, rollup, card.currency, settings.threads)
        held = held_of_hours(asked, revisions)
        for of_hour, written, of_held in zip(
            files, _write_documents(folders, blocks, stop), held, strict=True
        ):
            of_hour.write("customers", of_held.added_to(written.customers))
            for path, sha256 in written.digests.items():
                of_hour.finish(path, sha256)
            if len(of_held.rows):
                of_hour.write("held", of_held.rows)
        store_inputs(home, card, asked, revisions)
        return [
            _stages_record(home, one, counts, of_hour, totals)
            | {"held": of_held.described(), "inputs": one.inputs | inputs}
            for one, counts, of_hour, totals, of_held, inputs in zip(
                revisions,
                asked.counts,
                files,
                _totals(rollup.customers, timestamps),
                held,
                asked.inputs,
                strict=True,
            )
        ]


def _asked_rates(
    home: Home, card: RateCard, revisions: Sequence[PendingRevision], settings: Settings, stop: Stop
) -> AskedRates:
    """The prices of the usage of hours; arguments as of `write_revisions`."""
    spill = revisions[0].folder / "spill"
    with metered_hours(home, card, revisions, spill, settings, stop) as metered:
        return ask_rates(metered, card, [one.hour for one in revisions])


def _stages_record(
    home: Home,
    one: PendingRevision,
    counts: SliceCounts,
    files: _Files,
    totals: dict[str, Any],
) -> dict[str, Any]:
    """What the manifest of a revision says of its files and sums, once all files are durable."""
    not_counted = _not_counted(counts)
    changes = one.parent and (
        summarize_changes(home, one.parent, one.inputs, files.tables, totals["total"])
        | void_changes(one.parent.record, not_counted)
    )
    return {
        "files": files.described(),
        "rows": {"slices": counts.counted, **files.rows},
        "totals": totals,
        **not_counted,
        "changes": changes,
    }


class _Files:
    """The files of a revision, written in the background. tables: what was written, by name."""

    def __init__(self, folder: Path, writers: ThreadPoolExecutor) -> None:
        self.tables: dict[str, pl.DataFrame] = {}
        self._folder = folder
        self._writers = writers
        self._written: list[Future[tuple[str, dict[str, Any]]]] = []

    def write(self, name: str, table: pl.DataFrame) -> None:
        """Write a table durably."""
        self.tables[name] = table
        path = self._folder / f"{name}.parquet"
        self._written.append(self._writers.submit(_write_table, path, table))

    def finish(self, path: Path, sha256: str) -> None:
        """Make a file durable that is already written."""
        self._written.append(self._writers.submit(_finish_file, path, sha256))

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows of each table."""
        return {name: len(table) for name, table in self.tables.items()}

    def described(self) -> dict[str, Any]:
        """The manifest entry of each file, once all of them are durable."""
        return dict(sorted(future.result() for future in self._written))


@dataclass(frozen=True)
class _Documents:
    """The written documents of an hour. customers: `schemas.CUSTOMERS`. digests: of their files."""

    customers: pl.DataFrame
    digests: dict[Path, str]


def _write_documents(
    folders: dict[int, Path], blocks: Iterable[DocumentBlock], stop: Stop
) -> Iterator[_Documents]:
    """Write the documents of hours into their files; folders are by timestamp."""
    located = {timestamp: [pl.DataFrame(schema=CUSTOMERS)] for timestamp in folders}
    names = (DOCUMENTS_FILE, USAGE_FILE)
    paths = {of: [folder / name for name in names] for of, folder in folders.items()}
    digests = {path: hashlib.sha256() for of_hour in paths.values() for path in of_hour}
    with ExitStack() as closing:
        files = {path: closing.enter_context(path.open("xb")) for path in digests}
        for block in blocks:
            stop.check()
            lines = (block.lines, block.usage_lines)
            for path, content in zip(paths[block.timestamp], lines, strict=True):
                files[path].write(content)
                digests[path].update(content)
            located[block.timestamp].append(block.customers)
    for of, of_hour in paths.items():
        written = {path: digests[path].hexdigest() for path in of_hour}
        yield _Documents(pl.concat(located[of]), written)


def _write_table(path: Path, table: pl.DataFrame) -> tuple[str, dict[str, Any]]:
    """Write a table durably; return its file's name and manifest entry.

    pyarrow without dictionaries takes half the time of Polars for small tables, as Polars tries a
    dictionary for every column, and the same for large ones; the files are as large. Zstandard
    files would be a quarter to a half smaller than Snappy's, but starting Zstandard for each of an
    hour's 103 columns takes 30 us, a tenth of the time of a small hour.
    """
    content = pa.BufferOutputStream()
    pq.write_table(
        pa.table(table),
        content,
        compression="snappy",
        use_dictionary=False,
        row_group_size=_ROW_GROUP_ROWS,
        store_schema=False,
    )
    written = memoryview(content.getvalue())
    with path.open("xb") as file:
        file.write(written)
    return _finish_file(path, hashlib.sha256(written).hexdigest())


def _finish_file(path: Path, sha256: str) -> tuple[str, dict[str, Any]]:
    durable.fsync_file(path)
    return path.name, {"size": path.stat().st_size, "sha256": sha256}


def _not_counted(counts: SliceCounts) -> dict[str, Any]:
    return {
        "duplicates": counts.duplicates,
        "conflicts": {
            "count": len(counts.conflicts),
            "slices_not_counted": counts.losers,
            "listed": describe_conflicts(counts.conflicts, MOST_LISTED_CONFLICTS),
        },
        "voids": describe_voids(counts.voids),
    }


def _totals(customers: pl.DataFrame, timestamps: Sequence[int]) -> list[dict[str, Any]]:
    """Exact sums over the customers of each hour, in nanocents; they may pass 64 bits."""
    sums = customers.group_by(HOUR).agg(cs.ends_with("_nanocents").cast(pl.Int128).sum())
    by_hour = {row[HOUR]: row for row in sums.iter_rows(named=True)}
    nothing = dict.fromkeys(sums.columns, 0)
    return [_totals_of(by_hour.get(timestamp, nothing)) for timestamp in timestamps]


def _totals_of(sums: dict[str, int]) -> dict[str, Any]:
    paas = {key: sums[f"paas_{c}"] for key, c in zip(PAAS_PRICES, PAAS_COLUMNS, strict=True)}
    byoc_keys = ("total", *BYOC_COMPONENTS)
    byoc = {key: sums[f"byoc_{c}"] for key, c in zip(byoc_keys, BYOC_COLUMNS, strict=True)}
    return {"total": paas["total"] + byoc["total"], "paas": paas, "byoc": byoc}
