"""Events from Parquet files: the same fields as flat columns, and the same rules for each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.errors import FileRejected
from hourtally.events.event_types import EVENT_TYPES, Event, Void
from hourtally.events.strict_json import RuleViolation
from hourtally.ingest.parquet.columns import QUANTITIES, batch_rows
from hourtally.ingest.parquet.layout import FileLayout, find_layout
from hourtally.ingest.parquet.probe import ColumnProbe
from hourtally.ingest.parquet.rows import check_row, complete_rows, is_valid, raw_row
from hourtally.ingest.parsed import ParsedBlock, QuarantinedLine, events_frame, voids_frame
from hourtally.model.components import CLUSTER_EVENT, ON_DEMAND, RESOURCE_EVENT
from hourtally.model.schemas import EVENTS

# Several batches are parsed at a time, while the next ones are read.
_BATCH_ROWS: Final = 50_000
_UNREADABLE: Final = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class RowBatch:
    """Rows of a Parquet file, to be parsed by any thread. connection: closed after that.

    first_row: its number, from 1. unknown: how many rows of the file have each ignored column; with
    its first batch only.
    """

    path: Path
    connection: duckdb.DuckDBPyConnection
    table: pa.Table
    layout: FileLayout
    first_row: int
    unknown: Counter[str]

    def parse(self) -> ParsedBlock:
        """The events and the quarantined rows.

        Raises:
            FileRejected: the file is damaged.
        """
        try:
            with self.connection:
                self.table.validate(full=True)
                return _parse(
                    self.connection, self.table, self.layout, self.first_row, self.unknown
                )
        except _UNREADABLE as error:
            raise _rejected(self.path, error) from error


def read_parquet(path: Path) -> Iterator[RowBatch]:
    """The rows of a Parquet file, at most 50,000 at a time. A row's number is its line.

    Raises:
        FileRejected: the file is incomplete or damaged, or its columns are not those of events.
    """
    try:
        # One thread, so that rows keep their order. Closing it would close the cursors of batches
        # that are not parsed yet: it ends with the last of them.
        connection = duckdb.connect(config={"threads": 1})
        with pq.ParquetFile(
            path,
            page_checksum_verification=True,
            pre_buffer=False,
            # INT96 reaches further than nanoseconds do.
            coerce_int96_timestamp_unit="us",
        ) as file:
            layout = find_layout(ColumnProbe(connection, path, file))
            rows = batch_rows(connection, path, file, layout.columns, _BATCH_ROWS)
            columns = list(dict.fromkeys([*layout.columns, *(one.unknown for one in layout.near)]))
            first_row = 1
            unknown = Counter(layout.unknown)
            for batch in file.iter_batches(rows, columns=columns):
                cursor = connection.cursor()
                yield RowBatch(path, cursor, pa.table(batch), layout, first_row, unknown)
                first_row += batch.num_rows
                unknown = Counter()
            # pyarrow takes a damaged page header for the end of the rows.
            if first_row - 1 != file.metadata.num_rows:
                reason = f"only {first_row - 1} of its {file.metadata.num_rows} rows can be read"
                raise FileRejected(path, reason)
    except _UNREADABLE as error:
        raise _rejected(path, error) from error


def _rejected(path: Path, error: Exception) -> FileRejected:
    return FileRejected(path, f"it cannot be read to its end as Parquet: {error}")


def _identities(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> pl.Series:
    """The `identity_hash` of each row, in DuckDB, as Python takes longer than all other reading."""
    connection.register("rows", rows.select("event_source", "event_id").to_arrow())
    # Equal to md5_number_lower, in a fifth of its time.
    digest = "md5_number(event_source || chr(0) || event_id)"
    query = f"SELECT ({digest} >> 64)::UBIGINT AS identity FROM rows"
    return pl.DataFrame(connection.sql(query).to_arrow_table()).get_column("identity")


def _parse(
    connection: duckdb.DuckDBPyConnection,
    table: pa.Table,
    layout: FileLayout,
    first_row: int,
    unknown: Counter[str],
) -> ParsedBlock:
    rows = complete_rows(table, layout)
    keeps_rules = rows.select(is_valid(layout).fill_null(value=False)).to_series()
    events = _as_events(connection, rows.filter(keeps_rules))
    validated: list[Event] = []
    voids: list[Void] = []
    quarantined: list[QuarantinedLine] = []
    numbers = (~keeps_rules).arg_true()
    for number, row in zip(numbers, rows.filter(~keeps_rules).iter_rows(named=True), strict=True):
        try:
            accepted = check_row(row, layout)
        except RuleViolation as violation:
            quarantined.append(
                QuarantinedLine(first_row + number, violation.rule, violation.message, raw_row(row))
            )
            continue
        if isinstance(accepted, Void):
            voids.append(accepted)
        else:
            validated.append(accepted)
    events = pl.concat([events, events_frame(validated)])
    return ParsedBlock(events, len(rows), 0, quarantined, voids_frame(voids), unknown)


def _as_events(connection: duckdb.DuckDBPyConnection, valid: pl.DataFrame) -> pl.DataFrame:
    """Rows that keep every rule as `schemas.EVENTS`."""
    cluster = pl.col("event_type") == CLUSTER_EVENT
    is_on_demand = pl.col("gpu_capacity") == ON_DEMAND
    absent = ("team_id", "project_id", "team_name", "project_name", "resource_type", "gpu_model")
    return valid.with_columns(
        pl.when(cluster).then("cluster_id").otherwise("resource_id").alias("resource_id"),
        pl.when(cluster).then("cluster_name").otherwise("resource_name").alias("resource_name"),
        *(pl.when(cluster).then(None).otherwise(name).alias(name) for name in absent),
        pl.when(cluster | is_on_demand.fill_null(value=False))
        .then(None)
        .otherwise("gpu_capacity")
        .alias("gpu_capacity"),
        pl.col("start_ms", "end_ms", "event_time_us").cast(pl.Int64),
        *(_quantity(name, cluster) for name in QUANTITIES),
        _identities(connection, valid),
    ).select(EVENTS.keys())


def _quantity(name: str, cluster: pl.Expr) -> pl.Expr:
    """A quantity of the row's event type; 0 where it is absent or belongs to the other type."""
    of_cluster = name in EVENT_TYPES[CLUSTER_EVENT].quantities.values()
    of_resource = name in EVENT_TYPES[RESOURCE_EVENT].quantities.values()
    value = pl.col(name).fill_null(1 if name == "cluster_count" else 0)
    own = pl.when(cluster).then(value if of_cluster else 0).otherwise(value if of_resource else 0)
    return own.cast(pl.Int64).alias(name)
