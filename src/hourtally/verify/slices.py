"""The slices of an hour, read independently: which of them count, and the usage they add up to.

Identities are compared by source and id, and conflicts are decided in SQL; the `identity` column,
which builds rely on, is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from hourtally.model.hours import Hour
from hourtally.model.schemas import SLICES

_ROWS_PER_FETCH: Final = 10_000
_COUNTED_COLUMNS: Final = (
    "event_type, customer_id, team_id, project_id, resource_id, team_name, project_name, "
    "resource_name, resource_type, region, gpu_model, slice_start_ms, slice_end_ms, "
    "cpu_millicores, memory_mib, storage_mib, gpu_milli, vcpu_millicores, gpu_memory_mib, "
    "cluster_count"
)


class Usage(NamedTuple):
    """Usage of a resource or cluster in one rate period; a row of `usage.sql`."""

    customer_id: str
    event_type: str
    team_id: str | None
    project_id: str | None
    resource_type: str | None
    resource_id: str
    team_name: str | None
    project_name: str | None
    resource_name: str | None
    region: str | None
    gpu_model: str | None
    period_start_ms: int
    last_end_ms: int
    cpu_millicores_ms: int
    memory_mib_ms: int
    storage_mib_ms: int
    gpu_milli_ms: int
    vcpu_millicores_ms: int
    gpu_memory_mib_ms: int
    cluster_count_ms: int


class Slices:
    """The slices of one hour in DuckDB.

    Attributes: violations (slices outside the hour, or that break a rule of events), counted,
    duplicates (slices with the same content as a counted one or as a loser of a conflict).
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, hour: Hour, paths: Sequence[Path]
    ) -> None:
        self._connection = connection
        literals = ", ".join(_path_literal(path) for path in paths)
        source = f"read_parquet([{literals}], hive_partitioning = false)"
        if not paths:
            source = "no_slices"
            connection.register(source, pl.DataFrame(schema=SLICES).to_arrow())
        connection.execute(_sql("stored_slices").format(source=source))
        bounds = {"hour_start_ms": hour.start_ms, "hour_end_ms": hour.end_ms}
        self.violations = self._number(_sql("violations").format(**bounds))
        connection.execute(_sql("shared_hashes"))
        connection.execute(_sql("winners"))
        connection.execute(_sql("counted_slices").format(columns=_COUNTED_COLUMNS))
        self.counted = self._number("SELECT count(*) FROM counted_slices")
        self.duplicates = self._number("SELECT coalesce(sum(duplicates), 0) FROM winners")

    def conflicts(self) -> Iterator[tuple[Any, ...]]:
        """Rows of `conflicts.sql`, in order of identity."""
        return self._rows(_sql("conflicts"))

    def usage(self, rate_periods: Sequence[tuple[int, int]]) -> Iterator[Usage]:
        """The usage in each rate period of the hour, in order of customers."""
        query = _sql("usage")
        parts = (
            query.format(period_start_ms=start, period_end_ms=end) for start, end in rate_periods
        )
        union = "\nUNION ALL\n".join(f"({part})" for part in parts)
        return map(Usage._make, self._rows(f"{union}\nORDER BY customer_id"))

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.execute(query)
        while rows := cursor.fetchmany(_ROWS_PER_FETCH):
            yield from rows

    def _number(self, query: str) -> int:
        [[number]] = self._connection.execute(query).fetchall()
        return int(number)


def _sql(name: str) -> str:
    return files("hourtally.verify").joinpath(f"sql/{name}.sql").read_text()


def _path_literal(path: Path) -> str:
    """A path as a SQL literal that matches this file only, with its wildcards escaped."""
    escaped = str(path).translate({ord(mark): f"[{mark}]" for mark in "*?["})
    return "'" + escaped.replace("'", "''") + "'"
