"""The columns of Parquet files of events, and how much text they expand to.

A dictionary holds a text once, however many rows refer to it: a file of 230 KB can expand to 100
GiB, which a reader would load 100,000 rows at a time. DuckDB measures it without expanding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.errors import FileRejected
from hourtally.events.event_types import EVENT_TYPES, EventType
from hourtally.ingest.ndjson.blocks import MAX_EXPANSION, MIN_EXPANDED_BYTES
from hourtally.runtime.sql_text import quoted_path

# Text in one batch of rows, of which several are in memory; and in one row.
_BATCH_BYTES: Final = 1 << 26
_MOST_ROW_BYTES: Final = 1 << 28
# Columns of the file, each with the event's field.
TEXTS: Final = {
    "event_id": "id",
    "event_source": "source",
    "event_type": "type",
    "customer_id": "customerId",
    "team_id": "teamId",
    "project_id": "projectId",
    "resource_id": "resourceId",
    "team_name": "teamName",
    "project_name": "projectName",
    "resource_name": "resourceName",
    "resource_type": "resourceType",
    "region": "region",
    "gpu_model": "gpuModel",
    "gpu_capacity": "gpuCapacity",
    "cluster_id": "clusterId",
    "cluster_name": "clusterName",
    "voided_source": "voidedSource",
    "voided_id": "voidedId",
    "reason": "reason",
}
QUANTITIES: Final = {
    "cpu_millicores": "cpuMillicores",
    "memory_mib": "memoryMiB",
    "storage_mib": "storageMiB",
    "gpu_milli": "gpuMilli",
    "vcpu_millicores": "vcpuMillicores",
    "gpu_memory_mib": "gpuMemoryMiB",
    "cluster_count": "clusterCount",
}
INSTANTS: Final = ("event_time", "start", "end")
# Of every event, whatever its type.
REQUIRED: Final = ("event_id", "event_source", "event_type", "start", "end")
_COLUMN_OF: Final = {field: column for column, field in (TEXTS | QUANTITIES).items()}


@dataclass(frozen=True)
class TypeColumns:
    """The columns of one type of event, beside those of every event."""

    known: frozenset[str]
    required: tuple[str, ...]
    quantities: tuple[str, ...]


def _type_columns(event_type: EventType) -> TypeColumns:
    def columns(fields: Iterable[str]) -> tuple[str, ...]:
        return tuple(_COLUMN_OF[field] for field in fields if field not in INSTANTS)

    return TypeColumns(
        frozenset(columns(event_type.known)),
        columns(event_type.required),
        columns(event_type.quantities),
    )


TYPE_COLUMNS: Final = {name: _type_columns(one) for name, one in EVENT_TYPES.items()}


def batch_rows(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    file: pq.ParquetFile,
    columns: Iterable[str],
    most: int,
) -> int:
    """How many rows of these columns to read at a time.

    At most `most`, fewer if they have long texts.

    Raises:
        FileRejected: the file expands as no file of events does, or a row may not fit a batch.
    """
    texts = [
        name
        for name in columns
        if name in TEXTS and not is_uuid(file.schema_arrow.field(name).type)
    ]
    measured = _measure(connection, path, file.schema_arrow.names, texts)
    if measured is None:
        # However it is encoded, its row group holds a text at least once.
        longest = max(_largest_group(file.metadata), path.stat().st_size)
        return max(1, min(most, _BATCH_BYTES // longest))
    longest, total = measured
    if total > max(MIN_EXPANDED_BYTES, MAX_EXPANSION * path.stat().st_size):
        reason = (
            f"its texts expand to {total} bytes, over {MIN_EXPANDED_BYTES} and over "
            f"{MAX_EXPANSION} times its size: it is not a file of events"
        )
        raise FileRejected(path, reason)
    if longest > _MOST_ROW_BYTES:
        reason = f"its longest texts have {longest} bytes in all; the limit is {_MOST_ROW_BYTES}"
        raise FileRejected(path, reason)
    return max(1, min(most, _BATCH_BYTES // max(longest, 1)))


def _measure(
    connection: duckdb.DuckDBPyConnection, path: Path, names: list[str], columns: list[str]
) -> tuple[int, int] | None:
    """Bytes of all columns' longest texts, and of all texts; None if DuckDB cannot tell."""
    if len({name.lower() for name in names}) < len(names):
        # DuckDB ignores case, so it would take two of them for one.
        return None
    sizes = [f'max(strlen("{name}")), sum(strlen("{name}"))' for name in columns]
    query = f"SELECT {', '.join(sizes)} FROM read_parquet({quoted_path(path)})"
    try:
        [found] = connection.sql(query).fetchall()
    except duckdb.Error:
        # pyarrow may be able to read it, or its message says better what is wrong.
        return None
    return sum(size or 0 for size in found[::2]), sum(size or 0 for size in found[1::2])


def _largest_group(metadata: pq.FileMetaData) -> int:
    """Bytes of the largest row group, decompressed but still encoded.

    Do not ask for the sizes of columns: pyarrow aborts the process if they are encrypted.
    """
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return max((group.total_byte_size for group in groups), default=0)


def is_uuid(dtype: pa.DataType) -> bool:
    """Whether a column holds UUIDs, which are read as text."""
    return isinstance(dtype, pa.UuidType)


def is_text(dtype: pa.DataType) -> bool:
    """Whether a column holds text."""
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(dtype) for check in checks)


def value_type(dtype: pa.DataType) -> pa.DataType:
    """The type of a column's values, which may lie in a dictionary."""
    return dtype.value_type if pa.types.is_dictionary(dtype) else dtype
