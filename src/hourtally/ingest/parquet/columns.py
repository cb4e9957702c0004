"""Checks the columns of a Parquet file of events: names, types, and how much text they expand to.

A dictionary holds a text once, however many rows refer to it: a file of 230 KB can expand to 100
GiB, which a reader would load 100,000 rows at a time. DuckDB measures it without expanding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.errors import FileRejected
from hourtally.ingest.ndjson.blocks import MAX_EXPANSION, MIN_EXPANDED_BYTES
from hourtally.model.components import CLUSTER_EVENT, RESOURCE_EVENT
from hourtally.runtime.sql_text import quoted_path

# Text in one batch of rows.
_BATCH_BYTES: Final = 1 << 28
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
    "cluster_id": "clusterId",
    "cluster_name": "clusterName",
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
REQUIRED: Final = ("event_id", "event_source", "event_type", "customer_id", "start", "end")
REQUIRED_BY_TYPE: Final = {
    RESOURCE_EVENT: ("team_id", "project_id", "resource_id", "resource_type"),
    CLUSTER_EVENT: ("cluster_id",),
}


def checked_columns(path: Path, schema: pa.Schema) -> list[str]:
    """The columns to read.

    Raises:
        FileRejected: a required column is missing, or one occurs twice or has a wrong type.
    """
    missing = [name for name in REQUIRED if name not in schema.names]
    if missing:
        raise FileRejected(path, f"missing column {', '.join(missing)}")
    if not any(all(name in schema.names for name in names) for names in REQUIRED_BY_TYPE.values()):
        needed = " or ".join(", ".join(names) for names in REQUIRED_BY_TYPE.values())
        raise FileRejected(path, f"missing column: it needs {needed}")
    known = [name for name in schema.names if name in (*TEXTS, *QUANTITIES, *INSTANTS)]
    if repeated := {name for name in known if known.count(name) > 1}:
        raise FileRejected(path, f"column {', '.join(sorted(repeated))} appears twice")
    for name in known:
        dtype = schema.field(name).type
        if pa.types.is_dictionary(dtype):
            dtype = dtype.value_type
        if name in TEXTS:
            right, expected = _is_text(dtype), "text"
        elif name in QUANTITIES:
            right, expected = pa.types.is_integer(dtype), "an integer"
        else:
            right = pa.types.is_timestamp(dtype) and dtype.tz is not None
            expected = "a timestamp with a time zone (UTC)"
        if not right and not (pa.types.is_null(dtype) and name not in REQUIRED):
            raise FileRejected(path, f"column {name} is {dtype}, not {expected}")
    return known


def batch_rows(
    connection: duckdb.DuckDBPyConnection, path: Path, file: pq.ParquetFile, most: int
) -> int:
    """How many rows to read at a time: at most `most`, fewer if they have long texts.

    Raises:
        FileRejected: the file expands as no file of events does, or a row may not fit a batch.
    """
    columns = [
        field.name
        for field in file.schema_arrow
        if field.name in TEXTS and not pa.types.is_null(field.type)
    ]
    measured = _measure(connection, path, file.schema_arrow.names, columns)
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
    if longest > _BATCH_BYTES:
        reason = f"its longest texts have {longest} bytes in all; the limit is {_BATCH_BYTES}"
        raise FileRejected(path, reason)
    return min(most, _BATCH_BYTES // max(longest, 1))


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


def _is_text(dtype: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(dtype) for check in checks)
