"""The slices of an hour, read independently: which of them count, and the usage they add up to.

Identities are compared by source and id, and conflicts are decided in SQL; the `identity` column,
which builds rely on, is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from hourtally.model.hours import Hour, format_instant
from hourtally.model.schemas import SLICES
from hourtally.verify.engine import path_list, plain_values, sql

_ROWS_PER_FETCH: Final = 10_000
NO_VOIDS: Final[dict[str, Any]] = {
    "count": 0,
    "slices_voided": 0,
    "unmatched": 0,
    "unmatched_example": None,
    "other_intervals": 0,
    "other_interval_example": None,
}
_COUNTED_COLUMNS: Final = (
    "event_type, customer_id, team_id, project_id, resource_id, team_name, project_name, "
    "resource_name, resource_type, region, gpu_model, gpu_capacity, slice_start_ms, slice_end_ms, "
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
    gpu_capacity: str | None
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

    Attributes: violations (slices outside the hour, or that break a rule of events; voids outside
    the hour), counted, duplicates (slices with the same content as a counted one or as a loser of a
    conflict), losers (slices that lost a conflict), voids (what the manifest should say of them).
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        hour: Hour,
        paths: Sequence[Path],
        voids: Sequence[Path] = (),
    ) -> None:
        self._connection = connection
        source = (
            f"read_parquet({path_list(paths)}, hive_partitioning = false, union_by_name = true)"
        )
        if not paths:
            source = "no_slices"
            connection.register(source, pl.DataFrame(schema=SLICES).to_arrow())
        connection.execute(sql("stored_slices").format(source=source))
        bounds = {"hour_start_ms": hour.start_ms, "hour_end_ms": hour.end_ms}
        self.violations = self._number(sql("violations").format(**bounds))
        self.voids = dict(NO_VOIDS)
        if voids:
            self._leave_out_voided(voids, bounds)
        else:
            connection.execute("CREATE OR REPLACE TEMP VIEW unvoided_slices AS FROM stored_slices")
        connection.execute(sql("shared_hashes"))
        connection.execute(sql("winners"))
        connection.execute(sql("counted_slices").format(columns=_COUNTED_COLUMNS))
        self.counted = self._number("SELECT count(*) FROM counted_slices")
        self.duplicates = self._number("SELECT coalesce(sum(duplicates), 0) FROM winners")
        self.losers = self._number("SELECT coalesce(sum(contents - 1), 0) FROM winners")

    def _leave_out_voided(self, paths: Sequence[Path], bounds: Mapping[str, int]) -> None:
        """Split the stored slices into voided ones and others."""
        source = f"read_parquet({path_list(paths)}, hive_partitioning = false)"
        self._connection.execute(sql("voids").format(source=source))
        self._connection.execute(sql("voided_slices"))
        self._connection.execute(sql("unvoided_slices"))
        self.violations += self._number(sql("stray_voids").format(**bounds))
        unmatched = self._connection.execute(sql("unmatched_voids")).fetchall()
        others = self._connection.execute(sql("other_intervals")).fetchall()
        self.voids = {
            "count": self._number("SELECT count(*) FROM voids"),
            "slices_voided": self._number("SELECT count(*) FROM voided_slices"),
            "unmatched": len(unmatched),
            "unmatched_example": _void(unmatched[0]) if unmatched else None,
            "other_intervals": len(others),
            "other_interval_example": _other_interval(others[0]) if others else None,
        }

    def conflicts(self) -> Iterator[tuple[Any, ...]]:
        """Rows of `conflicts.sql`, in order of identity."""
        return self._rows(sql("conflicts"))

    def usage(self, rate_periods: Sequence[tuple[int, int]]) -> Iterator[Usage]:
        """The usage in each rate period of the hour, in order of customers."""
        query = sql("usage")
        parts = (
            query.format(period_start_ms=start, period_end_ms=end) for start, end in rate_periods
        )
        union = "\nUNION ALL\n".join(f"({part})" for part in parts)
        return map(Usage._make, self._rows(f"{union}\nORDER BY customer_id"))

    def of_customer(self, customer_id: str) -> Iterator[dict[str, Any]]:
        """The counted slices of one customer, by column."""
        cursor = self._connection.execute(
            "SELECT * FROM counted_slices WHERE customer_id = ?", [customer_id]
        )
        names = [column[0] for column in cursor.description or ()]
        return (dict(zip(names, row, strict=True)) for row in cursor.fetchall())

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        reader = self._connection.sql(query).to_arrow_reader(_ROWS_PER_FETCH)
        for batch in reader:
            yield from zip(*map(plain_values, batch.columns), strict=True)

    def _number(self, query: str) -> int:
        [[number]] = self._connection.execute(query).fetchall()
        return int(number)


def _void(row: tuple[Any, ...]) -> dict[str, Any]:
    """A void as a manifest shows it."""
    source, id_, voided_source, voided_id, start_ms, end_ms = row[:6]
    return {
        "source": source,
        "id": id_,
        "voided_source": voided_source,
        "voided_id": voided_id,
        "start": format_instant(start_ms),
        "end": format_instant(end_ms),
    }


def _other_interval(row: tuple[Any, ...]) -> dict[str, Any]:
    start, end = map(format_instant, row[6:])
    return {"event_start": start, "event_end": end, **_void(row)}
