"""The slices of an hour, read anew: which of them count, and the usage that they come to.

Identities are compared by source and id themselves, and conflicts are decided in SQL; the
column `identity`, on which a build relies, is not looked at.
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

_ROWS_A_FETCH: Final = 10_000
_COUNTED: Final = (
    "event_type, customer_id, team_id, project_id, resource_id, team_name, project_name, "
    "resource_name, resource_type, region, gpu_model, slice_start_ms, slice_end_ms, "
    "cpu_millicores, memory_mib, storage_mib, gpu_milli, vcpu_millicores, gpu_memory_mib, "
    "cluster_count"
)


class Usage(NamedTuple):
    """Usage of a resource or cluster in one stretch of an hour; a row of `verify_usage.sql`."""

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
    from_ms: int
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

    Attributes: misfits (how many are none of this hour, or break a rule of events), counted,
    duplicates (how many say what a counted one, or a loser of a conflict, says).
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, hour: Hour, paths: Sequence[Path]
    ) -> None:
        self._connection = connection
        held = ", ".join(_one_file(path) for path in paths)
        source = f"read_parquet([{held}], hive_partitioning = false)"
        if not paths:
            source = "no_slices"
            connection.register(source, pl.DataFrame(schema=SLICES).to_arrow())
        connection.execute(_sql("held").format(source=source))
        bounds = {"hour_start_ms": hour.start_ms, "hour_end_ms": hour.end_ms}
        self.misfits = self._number(_sql("misfits").format(**bounds))
        connection.execute(_sql("repeated"))
        connection.execute(_sql("standing"))
        connection.execute(_sql("counted").format(columns=_COUNTED))
        self.counted = self._number("SELECT count(*) FROM counted")
        self.duplicates = self._number("SELECT coalesce(sum(duplicates), 0) FROM standing")

    def conflicts(self) -> Iterator[tuple[Any, ...]]:
        """Rows of `verify_conflicts.sql`."""
        return self._rows(_sql("conflicts"))

    def usage(self, stretches: Sequence[tuple[int, int]]) -> Iterator[Usage]:
        """The usage in each stretch of the hour, by customer."""
        query = _sql("usage")
        parts = (query.format(from_ms=start, until_ms=end) for start, end in stretches)
        together = "\nUNION ALL\n".join(f"({part})" for part in parts)
        return map(Usage._make, self._rows(f"{together}\nORDER BY customer_id"))

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.execute(query)
        while rows := cursor.fetchmany(_ROWS_A_FETCH):
            yield from rows

    def _number(self, query: str) -> int:
        [[number]] = self._connection.execute(query).fetchall()
        return int(number)


def _sql(name: str) -> str:
    return files("hourtally.verify").joinpath(f"sql/{name}.sql").read_text()


def _one_file(path: Path) -> str:
    """A path as SQL text that stands for this file alone, whatever is in its name."""
    plain = str(path).translate({ord(mark): f"[{mark}]" for mark in "*?["})
    return "'" + plain.replace("'", "''") + "'"
