"""One schema a table: its columns, types and units, and the grain of a row.

A frame that crosses a module has one of these; `conform` checks that it does, by names and
types, which costs nothing per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import polars as pl

from hourtally.model.components import (
    BYOC_HOURS,
    BYOC_PRICES,
    PAAS_HOURS,
    PAAS_PRICES,
    QUANTITIES,
)

Schema = dict[str, pl.DataType | type[pl.DataType]]

# Grain: one event. Quantities are what is allocated during [start_ms, end_ms), absent ones 0
# (cluster_count 1 in a cluster's event, 0 elsewhere). A cluster is named by the columns
# resource_id and resource_name; columns of the other type of event are null.
# gpu_capacity: "spot", or null for on-demand, said or not.
# event_time_us: microseconds, null where absent; it orders conflicts and nothing else.
# identity: first 64 bits of the MD5 of source, NUL, id: equal identities have equal ones.
EVENTS: Final[Schema] = {
    "event_type": pl.String,
    "customer_id": pl.String,
    "team_id": pl.String,
    "project_id": pl.String,
    "resource_id": pl.String,
    "team_name": pl.String,
    "project_name": pl.String,
    "resource_name": pl.String,
    "resource_type": pl.String,
    "region": pl.String,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "cpu_millicores": pl.Int64,
    "memory_mib": pl.Int64,
    "storage_mib": pl.Int64,
    "gpu_milli": pl.Int64,
    "gpu_model": pl.String,
    "gpu_capacity": pl.String,
    "vcpu_millicores": pl.Int64,
    "gpu_memory_mib": pl.Int64,
    "cluster_count": pl.Int64,
    "event_source": pl.String,
    "event_id": pl.String,
    "event_time_us": pl.Int64,
    "identity": pl.UInt64,
}

# What makes two events of one identity the same: everything but the time of the statement.
# In the order in which the smallest of two conflicting events is found (contract, section 2).
CONTENT: Final = (
    "event_type",
    "customer_id",
    "team_id",
    "project_id",
    "resource_id",
    "team_name",
    "project_name",
    "resource_name",
    "resource_type",
    "region",
    "start_ms",
    "end_ms",
    "cpu_millicores",
    "vcpu_millicores",
    "memory_mib",
    "storage_mib",
    "gpu_memory_mib",
    "cluster_count",
    "gpu_milli",
    "gpu_model",
    "gpu_capacity",
)

# Grain: one void, which cancels the event `voided_source`, `voided_id` in every hour that
# [start_ms, end_ms) touches. source and id are the void's own; reason is no content.
VOIDS: Final[Schema] = {
    "source": pl.String,
    "id": pl.String,
    "voided_source": pl.String,
    "voided_id": pl.String,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "reason": pl.String,
}
# What makes two voids of a file duplicates.
VOID_CONTENT: Final = tuple(name for name in VOIDS if name != "reason")
# Grain: one void as a voids file holds it, in each hour that it touches. identity: of the event
# that it cancels, as in `EVENTS`.
STORED_VOIDS: Final[Schema] = {**VOIDS, "identity": pl.UInt64}

# Grain: one slice, the part of an event inside one hour: [slice_start_ms, slice_end_ms).
# start_ms and end_ms stay the event's own. Batches of build version 1 lack gpu_capacity in their
# files: `store/slice_files.py` reads it as null.
SLICES: Final[Schema] = {**EVENTS, "slice_start_ms": pl.Int64, "slice_end_ms": pl.Int64}
# The order of rows in a slices file: a resource's rows lie together, which halves the file
# and takes the grouping from 2.7 s to 0.6 s for 10 million rows.
RESOURCE_ORDER: Final = (
    "event_type",
    "customer_id",
    "team_id",
    "project_id",
    "resource_type",
    "resource_id",
)
SLICE_ORDER: Final = (*RESOURCE_ORDER, "slice_start_ms", "slice_end_ms")

RESOURCE_KEY: Final = ("customer_id", "team_id", "project_id", "resource_type", "resource_id")

# What tells one row of usage from another, beside the rate period.
USAGE_TEXTS: Final = (
    "event_type",
    *RESOURCE_KEY,
    "team_name",
    "project_name",
    "resource_name",
    "region",
    "gpu_model",
    "gpu_capacity",
)
# The texts of a slice. There are few resources, so these repeat; all other columns differ.
DIMENSIONS: Final = (*USAGE_TEXTS, "event_source")
# The usage's texts as a number of 128 bits in two halves; `usage_keys.py` makes it.
USAGE_KEY: Final = ("usage_key_high", "usage_key_low")

# Grain: one slice as a slices file holds it.
STORED_SLICES: Final[Schema] = {**SLICES, **dict.fromkeys(USAGE_KEY, pl.UInt64)}

# The hour of a row, by its first second in Unix time. Several hours may be built at a time: while
# they are, their rows are in the same frames, sorted by this column, which no stored table has.
HOUR: Final = "timestamp"
CUSTOMER_KEY: Final = (HOUR, "customer_id")


def hourly(schema: Schema) -> Schema:
    """The schema of a table with the rows of several hours."""
    return {HOUR: pl.Int64, **schema}


def of_hours(table: pl.DataFrame, timestamps: Sequence[int]) -> Iterator[pl.DataFrame]:
    """The rows of each of these hours, without their column; both are sorted by hour."""
    wanted = pl.Series(timestamps, dtype=pl.Int64)
    begins = table[HOUR].search_sorted(wanted, "left")
    ends = table[HOUR].search_sorted(wanted, "right")
    rest = table.drop(HOUR)
    for begin, end in zip(begins, ends, strict=True):
        yield rest[begin:end]


# Grain: one resource or cluster (event_type tells) x names x region x gpu_model x gpu_capacity
# x rate period (counted from 0 through all the hours). Usage: sum of quantity x milliseconds;
# exact, 128 bits.
# last_end_ms: the latest end of the slices in it, which decides between names.
USAGE: Final[Schema] = {
    HOUR: pl.Int64,
    **dict.fromkeys(USAGE_TEXTS, pl.String),
    "period": pl.Int32,
    "last_end_ms": pl.Int64,
    **{quantity + "_ms": pl.Int128 for quantity in QUANTITIES},
}


# The end of the columns of reported quantities.
NANOHOURS: Final = "_nanohours"


def _prices(names: tuple[str, ...]) -> Schema:
    return {f"{name}_nanocents": pl.Int64() for name in names}


def _hours(names: Iterable[str]) -> Schema:
    return {f"{name}{NANOHOURS}": pl.Int64() for name in names}


# The charges and the reported quantities of the two kinds, in each table above slices.
_PAAS: Final[Schema] = {**_prices(PAAS_PRICES), **_hours(PAAS_HOURS)}
_BYOC: Final[Schema] = {**_prices(BYOC_PRICES), **_hours(BYOC_HOURS)}
# Grain: one resource of the hour. Sorted by its key. Exact usage as 38-digit decimals: Parquet has
# no 128-bit integer. Revisions before build version 3 lack `*_nanohours`, here and above.
CHARGES: Final[Schema] = {
    **dict.fromkeys(RESOURCE_KEY, pl.String),
    "resource_name": pl.String,
    **_PAAS,
    **{
        f"{q}_ms": pl.Decimal(38, 0)
        for q in ("cpu_millicores", "memory_mib", "storage_mib", "gpu_milli")
    },
}
# Grain: one BYOC cluster of the hour. Sorted by its key.
CLUSTERS: Final[Schema] = {
    "customer_id": pl.String,
    "cluster_id": pl.String,
    "cluster_name": pl.String,
    **_BYOC,
    **{
        f"{q}_ms": pl.Decimal(38, 0)
        for q in ("vcpu_millicores", "memory_mib", "gpu_memory_mib", "cluster_count")
    },
}
TYPES: Final[Schema] = {
    **dict.fromkeys(RESOURCE_KEY[:4], pl.String),
    **_PAAS,
}
PROJECTS: Final[Schema] = {
    **dict.fromkeys(RESOURCE_KEY[:3], pl.String),
    "project_name": pl.String,
    **_PAAS,
}
TEAMS: Final[Schema] = {
    **dict.fromkeys(RESOURCE_KEY[:2], pl.String),
    "team_name": pl.String,
    **_PAAS,
}
# Where a document lies in its file: offset and length delimit the document {"data":...} itself, in
# bytes; sha256 is its digest.
PLACE: Final[Schema] = {"offset": pl.Int64, "length": pl.Int64, "sha256": pl.String}
USAGE_PLACE: Final[Schema] = {f"usage_{name}": dtype for name, dtype in PLACE.items()}
# Grain: one customer with events in the hour; where its line lies in documents.ndjson and, from
# build version 3 on, in usage.ndjson. held: the hour has usage of the customer without a rate; it
# has no document, and its prices, quantities, places and digests are null. Revisions of build
# version 1 lack this column: they hold nobody.
CUSTOMERS: Final[Schema] = {
    "customer_id": pl.String,
    **{f"paas_{name}": dtype for name, dtype in _prices(PAAS_PRICES).items()},
    **{f"byoc_{name}": dtype for name, dtype in _prices(BYOC_PRICES).items()},
    **{f"paas_{name}": dtype for name, dtype in _hours(PAAS_HOURS).items()},
    **{f"byoc_{name}": dtype for name, dtype in _hours(BYOC_HOURS).items()},
    **PLACE,
    **USAGE_PLACE,
    "held": pl.Boolean,
}
# Grain: one customer x meter x selectors of its usage without a rate x span of that usage.
# [from_ms, until_ms): no rate at any instant of it at which there is usage; spans of one customer,
# meter and selectors lie apart. resources: how many have usage in it; the ids after it are those
# of one of them, and batch names an ingest record with a slice of it. gpu_capacity: of paas.gpu
# only, "on-demand" or "spot". Sorted by its columns, in this order, nulls first.
HELD: Final[Schema] = {
    "customer_id": pl.String,
    "meter": pl.String,
    "resource_type": pl.String,
    "region": pl.String,
    "gpu_model": pl.String,
    "gpu_capacity": pl.String,
    "from_ms": pl.Int64,
    "until_ms": pl.Int64,
    "resources": pl.Int64,
    "team_id": pl.String,
    "project_id": pl.String,
    "resource_id": pl.String,
    "batch": pl.String,
}


def conform(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The frame itself, if it has exactly these columns and types, in this order."""
    if list(frame.schema.items()) != list(schema.items()):
        message = f"a frame has the schema {frame.schema}, not {pl.Schema(schema)}"
        raise AssertionError(message)
    return frame
