"""The usage of hours, from their stored slices."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import polars.selectors as cs

from hourtally.build.duckdb_session import connected
from hourtally.errors import Damaged
from hourtally.model.schemas import USAGE_KEY
from hourtally.ratecard import RatesByHour
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings
from hourtally.stages.metering import HourSlices, Metered, meter
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import PendingRevision
from hourtally.store.slice_files import (
    best_read_at_once,
    count_rows,
    has_usage_keys,
    scan_slices,
    slices_relation,
)
from hourtally.store.void_files import read_voids


class MeteredHours(NamedTuple):
    """Metered hours whose slices are still open: `slices`, of `connection`."""

    metered: Metered
    hours: list[HourSlices]
    connection: duckdb.DuckDBPyConnection
    slices: duckdb.DuckDBPyRelation


@contextmanager
def metered_hours(
    home: Home,
    rates: RatesByHour,
    revisions: Sequence[PendingRevision],
    spill: Path,
    settings: Settings,
    stop: Stop,
) -> Iterator[MeteredHours]:
    """Meter hours together, cut where a rate starts or ends.

    Args:
        home: the home folder.
        rates: those of the hours.
        revisions: of the hours, in order, with the files of their inputs.
        spill: folder for DuckDB to spill to; removed afterwards.
        settings: threads and memory.
        stop: an abort ends the work.

    Raises:
        Damaged: a version that stored no usage keys wrote some slices.
        OSError: the system refused a read or a write.
        KeyboardInterrupt: `stop` aborted the work.
    """
    paths = [path for one in revisions for path in one.files.slices]
    at_once = best_read_at_once(paths)
    hours: list[HourSlices] = []
    read: list[pl.DataFrame] = []
    first_row = 0
    for one in revisions:
        slices = scan_slices(one.files.slices, first_row)
        if at_once:
            read.append(slices.drop("path").collect())
            slices, rows = read[-1].lazy(), len(read[-1])
            has_keys = not any(read[-1].select(pl.col(USAGE_KEY).null_count()).row(0))
        else:
            rows = count_rows(one.files.slices)
            has_keys = all(map(has_usage_keys, one.files.slices))
        if not has_keys:
            raise _without_keys(home, one.files.slices)
        voids = read_voids(one.files.voids)
        hours.append(HourSlices(one.hour, slices, rows, rates.periods(one.hour), voids))
        first_row += rows
    with _engine_faults(spill), connected(spill, settings, stop) as connection:
        # No query of a build asks DuckDB for a text.
        relation = (
            connection.from_arrow(pl.concat(read).select(~cs.string()).to_arrow())
            if at_once
            else slices_relation(connection, paths)
        )
        yield MeteredHours(meter(connection, relation, hours), hours, connection, relation)


def _without_keys(home: Home, slices: Iterable[Path]) -> Damaged:
    """The error for slices without the usage keys that a build groups by."""
    path = next(path for path in slices if not has_usage_keys(path))
    file = durable.read_sealed_json(home.batch_record(path.stem)).get("file")
    reason = (
        "it has no usage keys, which this version needs: an earlier version ingested it; "
        f"`hourtally ingest --again {file}` writes it anew"
    )
    return Damaged(path, reason)


@contextmanager
def _engine_faults(spill: Path) -> Iterator[None]:
    """Turn DuckDB's faults into those of the system.

    Raises:
        OSError: memory, or the disk that it spills to, is full.
    """
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise OSError(errno.EIO, str(error), str(spill.parent)) from error
