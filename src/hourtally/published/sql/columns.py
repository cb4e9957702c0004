"""The columns of the views, and how each comes from a table of a revision.

Every view has `hour`, a TIMESTAMP in UTC. Money in int64 nanocents becomes `*_cents` and usage in
int64 nano-hours `*_hours`, both DECIMAL(38, 9), exact: sums of them are exact too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import polars as pl

from hourtally.model.schemas import (
    CHARGES,
    CLUSTERS,
    CUSTOMERS,
    HELD,
    PROJECTS,
    TEAMS,
    TYPES,
    Schema,
)
from hourtally.stages.deduplication import CONFLICTS

EXACT: Final = "DECIMAL(38, 9)"
_TYPES: Final = {
    pl.String: "VARCHAR",
    pl.Int64: "BIGINT",
    pl.UInt32: "UINTEGER",
    pl.Boolean: "BOOLEAN",
    pl.Decimal: "DECIMAL(38, 0)",
}
# Where a customer's bytes lie in files that SQL does not read.
_PLACES: Final = (
    *("offset", "length", "sha256"),
    *("usage_offset", "usage_length", "usage_sha256"),
)
_RENAMED: Final = {"from_ms": "starts_at", "until_ms": "ends_at", "event_time_us": "event_time"}


class Column(NamedTuple):
    """A column of a view: its name and type, and the SQL that makes it.

    needs: the columns of the source that it is made from; without one of them it is null.
    """

    name: str
    type: str
    sql: str
    needs: tuple[str, ...]

    def selected(self, there: Collection[str]) -> str:
        """The item of a SELECT, of a source that has these columns."""
        sql = self.sql if set(self.needs) <= set(there) else "NULL"
        return f'CAST({sql} AS {self.type}) AS "{self.name}"'


# `hour` and `revision` of a row, from the name of its file, which is a constant to DuckDB: it
# reads only files that a condition on `hour` lets through. A database's empty tables have none.
_FROM_FILE: Final = (
    Column(
        "hour",
        "TIMESTAMP",
        r"try_strptime(regexp_extract(filename, '([^/]+)/rev-[^/]+/[^/]+$', 1), '%Y-%m-%dT%H')",
        ("filename",),
    ),
    Column(
        "revision",
        "BIGINT",
        r"nullif(regexp_extract(filename, '/rev-(\d+)-[^/]+/[^/]+$', 1), '')",
        ("filename",),
    ),
)
_CURRENCY: Final = Column("currency", "VARCHAR", "currency", ("currency",))
_PAAS_AND_BYOC: Final = ("paas_total_nanocents", "byoc_total_nanocents")


def _column(name: str, dtype: pl.DataType | type[pl.DataType]) -> Column:
    if name.endswith("_nanocents"):
        return Column(f"{name.removesuffix('_nanocents')}_cents", EXACT, exact(name), (name,))
    if name.endswith("_nanohours"):
        return Column(f"{name.removesuffix('_nanohours')}_hours", EXACT, exact(name), (name,))
    if name in _RENAMED:
        scale = " * 1000" if name.endswith("_ms") else ""
        return Column(_RENAMED[name], "TIMESTAMP", f"make_timestamp({name}{scale})", (name,))
    of = dtype if isinstance(dtype, type) else type(dtype)
    return Column(name, _TYPES[of], f'"{name}"', (name,))


def exact(name: str) -> str:
    """A whole number of billionths as a decimal."""
    return f"{name} * CAST(0.000000001 AS DECIMAL(9, 9))"


def _columns(schema: Schema, *, priced: bool) -> tuple[Column, ...]:
    own = [_column(name, dtype) for name, dtype in schema.items() if name not in _PLACES]
    if schema is CUSTOMERS:
        both = " + ".join(f"CAST({exact(name)} AS {EXACT})" for name in _PAAS_AND_BYOC)
        own.insert(1, Column("total_cents", EXACT, both, _PAAS_AND_BYOC))
    return (*_FROM_FILE, *([_CURRENCY] if priced else []), *own)


TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "charges": _columns(CHARGES, priced=True),
    "clusters": _columns(CLUSTERS, priced=True),
    "types": _columns(TYPES, priced=True),
    "projects": _columns(PROJECTS, priced=True),
    "teams": _columns(TEAMS, priced=True),
    "customers": _columns(CUSTOMERS, priced=True),
    "held": _columns(HELD, priced=False),
    "conflicts": _columns(CONFLICTS, priced=False),
}
"""The views over tables of revisions, each with its columns in order."""
