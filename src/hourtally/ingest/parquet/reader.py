"""Events from Parquet files: the same fields as flat columns, and the same rules for each row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from hourtally.errors import FileRejected
from hourtally.events.event_types import EVENT_TYPES, Event, Void
from hourtally.events.strict_json import RuleViolation
from hourtally.ingest.parquet.columns import QUANTITIES, batch_rows
from hourtally.ingest.parquet.layout import FileLayout, find_layout
from hourtally.ingest.parquet.opening import CONNECTIONS, UNREADABLE, open_parquet
from hourtally.ingest.parquet.probe import ColumnProbe
from hourtally.ingest.parquet.rows import check_row, complete_rows, is_valid, raw_row
from hourtally.ingest.parquet.small_file import read_small
from hourtally.ingest.parsed import ParsedBlock, QuarantinedLine, events_frame, voids_frame
from hourtally.model.components import CLUSTER_EVENT, ON_DEMAND, RESOURCE_EVENT
from hourtally.model.schemas import EVENTS

# Several batches are parsed at a time, while the next ones are read.
_BATCH_ROWS: Final = 50_000


@dataclass(frozen=True)
class RowBatch:
    """Rows of a Parquet file, to be parsed by any thread.

    first_row: its number, from 1. unknown: how many rows of the file have each ignored column; with
    its first batch only. is_small: the whole of a small file, to be parsed together with others.
    """

    path: Path
    table: pa.Table
    layout: FileLayout
    first_row: int
    unknown: Counter[str]
    is_small: bool = False


def parse_together(batches: Sequence[RowBatch]) -> list[ParsedBlock | FileRejected]:
    """What each batch has, or why it is damaged; small ones of equal columns are parsed as one."""
    parsed: dict[int, ParsedBlock | FileRejected] = {}
    alike: defaultdict[pa.Schema | int, list[int]] = defaultdict(list)
    for number, batch in enumerate(batches):
        alike[batch.table.schema if batch.is_small else number].append(number)
    for numbers in alike.values():
        parsed.update(zip(numbers, _parse_alike([batches[n] for n in numbers]), strict=True))
    return [parsed[number] for number in range(len(batches))]


def _parse_alike(batches: Sequence[RowBatch]) -> list[ParsedBlock | FileRejected]:
    try:
        for batch in batches:
            batch.table.validate(full=True)
        return [*_parse(batches)]
    except UNREADABLE as error:
        if len(batches) == 1:
            return [_rejected(batches[0].path, error)]
        # Which of them it is shows one by one.
        return [one for batch in batches for one in _parse_alike([batch])]


def read_parquet(path: Path) -> Iterator[RowBatch]:
    """The rows of a Parquet file, at most 50,000 at a time. A row's number is its line.

    Raises:
        FileRejected: the file is incomplete or damaged, or its columns are not those of events.
    """
    try:
        with open_parquet(path) as file:
            with CONNECTIONS.one() as connection:
                probe = ColumnProbe(connection, path, file)
                small = read_small(probe)
                if small is None:
                    layout = find_layout(probe)
                    rows = batch_rows(connection, path, file, layout.columns, _BATCH_ROWS)
            if small is not None:
                table, layout = small
                yield RowBatch(path, table, layout, 1, Counter(layout.unknown), is_small=True)
                return
            columns = list(dict.fromkeys([*layout.columns, *(one.unknown for one in layout.near)]))
            first_row = 1
            unknown = Counter(layout.unknown)
            for batch in file.iter_batches(rows, columns=columns):
                yield RowBatch(path, pa.table(batch), layout, first_row, unknown)
                first_row += batch.num_rows
                unknown = Counter()
            # pyarrow takes a damaged page header for the end of the rows.
            if first_row - 1 != file.metadata.num_rows:
                reason = f"only {first_row - 1} of its {file.metadata.num_rows} rows can be read"
                raise FileRejected(path, reason)
    except UNREADABLE as error:
        raise _rejected(path, error) from error


def _rejected(path: Path, error: Exception) -> FileRejected:
    return FileRejected(path, f"it cannot be read to its end as Parquet: {error}")


def _identities(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> pl.Series:
    """The `identity_hash` of each row, in DuckDB, as Python takes longer than all other reading."""
    connection.register("rows", rows.select("event_source", "event_id").to_arrow())
    # Equal to md5_number_lower, in a fifth of its time.
    digest = "md5_number(event_source || chr(0) || event_id)"
    query = f"SELECT ({digest} >> 64)::UBIGINT AS identity FROM rows"
    try:
        return pl.DataFrame(connection.sql(query).to_arrow_table()).get_column("identity")
    finally:
        connection.unregister("rows")


def _parse(batches: Sequence[RowBatch]) -> Iterator[ParsedBlock]:
    """What each batch has. All have columns of the same names and types."""
    layout = batches[0].layout
    rows = complete_rows(pa.concat_tables(batch.table for batch in batches), layout)
    keeps_rules = rows.select(is_valid(layout).fill_null(value=False)).to_series()
    with CONNECTIONS.one() as connection:
        events = _as_events(connection, rows.filter(keeps_rules))
    row = event = 0
    for batch in batches:
        size = batch.table.num_rows
        keep_rules = keeps_rules.slice(row, size)
        accepted = int(keep_rules.sum())
        of_batch = events.slice(event, accepted)
        if accepted == size:
            yield ParsedBlock(of_batch, size, 0, unknown=batch.unknown)
        else:
            yield _validate_rest(batch, of_batch, rows.slice(row, size), keep_rules)
        row, event = row + size, event + accepted


def _validate_rest(
    batch: RowBatch, events: pl.DataFrame, rows: pl.DataFrame, keeps_rules: pl.Series
) -> ParsedBlock:
    """Send every row of a batch that is not among its events through the strict validator."""
    validated: list[Event] = []
    voids: list[Void] = []
    quarantined: list[QuarantinedLine] = []
    numbers = (~keeps_rules).arg_true()
    for number, row in zip(numbers, rows.filter(~keeps_rules).iter_rows(named=True), strict=True):
        try:
            accepted = check_row(row, batch.layout)
        except RuleViolation as violation:
            at = batch.first_row + number
            quarantined.append(QuarantinedLine(at, violation.rule, violation.message, raw_row(row)))
            continue
        if isinstance(accepted, Void):
            voids.append(accepted)
        else:
            validated.append(accepted)
    events = pl.concat([events, events_frame(validated)]) if validated else events
    return ParsedBlock(events, len(rows), 0, quarantined, voids_frame(voids), batch.unknown)


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
