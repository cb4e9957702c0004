"""Which columns of a Parquet file are read, and why a file is rejected for its columns.

A file is rejected whole where a row of it could be counted as nothing for a column's name or type.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from hourtally.errors import FileRejected
from hourtally.events.field_names import NearMiss, find_near_misses, folded
from hourtally.ingest.parquet.columns import (
    INSTANTS,
    QUANTITIES,
    REQUIRED,
    TEXTS,
    TYPE_COLUMNS,
    is_text,
    is_uuid,
    value_type,
)
from hourtally.ingest.parquet.probe import ColumnProbe
from hourtally.model.components import RESOURCE_EVENT

_ZONES: Final = (
    "write instants with a time zone: pandas `df[name].dt.tz_localize('UTC')`, Polars "
    "`pl.col(name).dt.replace_time_zone('UTC')`, Spark a TIMESTAMP (not TIMESTAMP_NTZ) column"
)
_ALIKE: Final = 0.6


@dataclass(frozen=True)
class FileLayout:
    """What is read of a file.

    Attributes:
        columns: those that count.
        near: ignored columns that nearly have the name of one that counts, which has values too:
            a row with the one and without the other breaks `misspelt_field`.
        unknown: ignored columns, each with how many rows have a value.
    """

    columns: list[str]
    near: list[NearMiss]
    unknown: dict[str, int]


def find_layout(probe: ColumnProbe) -> FileLayout:
    """The columns to read.

    Raises:
        FileRejected: a required column is missing, a column occurs twice, is misspelt or has a
            wrong type, or resource events have no column of a quantity.
    """
    path, schema = probe.path, probe.schema
    named = [name for name in schema.names if name in {*TEXTS, *QUANTITIES, *INSTANTS}]
    if repeated := {name for name in named if named.count(name) > 1}:
        raise FileRejected(path, f"column {', '.join(sorted(repeated))} appears twice")
    types = _event_types(probe)
    of_types = [TYPE_COLUMNS[name] for name in types]
    known = {*REQUIRED, "event_time"}.union(*(own.known for own in of_types))
    one_edit = [*REQUIRED]
    for own in of_types:
        one_edit += [*own.required, *own.quantities]
    found = list(find_near_misses(schema.names, known, dict.fromkeys(one_edit)))
    near = [one for one in found if _may_be_misspelt(probe, one)]
    _check_spelling(probe, near)
    _check_required(probe, types)
    required = set(REQUIRED).union(*(own.required for own in of_types))
    columns = [
        name
        for name in named
        if name in known and _has_right_type(probe, name, is_required=name in required)
    ]
    if RESOURCE_EVENT in types:
        _check_quantities(path, schema.names)
    ignored = [name for name in schema.names if name not in known]
    unknown = {name: count for name, count in probe.count_rows_with(ignored).items() if count}
    return FileLayout(columns, near, unknown)


def _event_types(probe: ColumnProbe) -> list[str]:
    """The known types of event in the file; all of them where nobody can tell."""
    schema = probe.schema
    if "event_type" not in schema.names or not is_text(value_type(schema.field("event_type").type)):
        return list(TYPE_COLUMNS)
    found = probe.texts_among("event_type", TYPE_COLUMNS)
    return [name for name in TYPE_COLUMNS if name in found]


def _may_be_misspelt(probe: ColumnProbe, near: NearMiss) -> bool:
    """Whether an ignored column has values that may be meant for a column that counts."""
    dtype = value_type(probe.schema.field(near.unknown).type)
    if near.known in QUANTITIES and not near.is_respelt and not _is_number(dtype):
        return False
    return probe.has_values(near.unknown)


def _check_spelling(probe: ColumnProbe, near: Iterable[NearMiss]) -> None:
    names = probe.schema.names
    for one in near:
        if one.known not in names or not probe.has_values(one.known):
            reason = (
                f"the column {one.unknown} is unknown and {one.known} is absent: rename it to "
                f"{one.known}"
            )
            raise FileRejected(probe.path, reason)


def _check_required(probe: ColumnProbe, types: list[str]) -> None:
    names = probe.schema.names
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        reason = f"missing column {', '.join(missing)}{_hint(probe.path, missing)}"
        raise FileRejected(probe.path, reason)
    required = {name: columns.required for name, columns in TYPE_COLUMNS.items()}
    if not types and not any(set(columns).issubset(names) for columns in required.values()):
        needed = " or ".join(", ".join(columns) for columns in required.values())
        raise FileRejected(probe.path, f"missing column: it needs {needed}")
    for name in types:
        if missing := [column for column in required[name] if column not in names]:
            reason = f"missing column {', '.join(missing)}, which {name} events need"
            raise FileRejected(probe.path, reason + _hint(probe.path, missing))


def _hint(path: Path, missing: Iterable[str]) -> str:
    """Where the values of missing columns seem to be: in the names of Hive's folders."""
    for name in missing:
        for folder in path.absolute().parent.parts:
            if folder.lower().startswith(f"{name}="):
                return (
                    f"; the folder's name {folder} seems to hold {name}, but names of folders are "
                    f"not read: write {name} as a column too"
                )
    return ""


def _has_right_type(probe: ColumnProbe, name: str, *, is_required: bool) -> bool:
    """Whether a column can be read; one of a wrong type without any value counts as absent.

    Raises:
        FileRejected: it has a wrong type.
    """
    expected = _expected(probe, name)
    if expected is None:
        return True
    if is_required or probe.has_values(name):
        dtype = probe.schema.field(name).type
        raise FileRejected(probe.path, f"column {name} is {dtype}, not {expected}")
    return False


def _expected(probe: ColumnProbe, name: str) -> str | None:
    """What a column must hold; None if it does."""
    dtype = value_type(probe.schema.field(name).type)
    if name in TEXTS:
        return None if is_text(dtype) or is_uuid(dtype) else "text"
    if name in QUANTITIES:
        return None if _is_number(dtype) else "an integer"
    if not pa.types.is_timestamp(dtype):
        return "a timestamp with a time zone (UTC)"
    if dtype.tz is not None or is_int96(probe, name):
        return None
    return f"a timestamp with a time zone; {_ZONES}"


def is_int96(probe: ColumnProbe, name: str) -> bool:
    """Whether a column holds INT96, which Spark and Impala write for instants in UTC."""
    columns = (probe.file.schema.column(n) for n in range(len(probe.file.schema.names)))
    return any(column.path == name and column.physical_type == "INT96" for column in columns)


def _check_quantities(path: Path, names: list[str]) -> None:
    """Refuse resource events without any column of a quantity."""
    quantities = TYPE_COLUMNS[RESOURCE_EVENT].quantities
    if any(name in names for name in quantities):
        return
    reason = f"it has resource events, but none of the columns {', '.join(quantities)}"
    if near := list(_alike(names, quantities)):
        reason += f"; {', '.join(near)} {'looks' if len(near) == 1 else 'look'} like one"
    raise FileRejected(path, reason)


def _alike(names: Iterable[str], quantities: Iterable[str]) -> Iterator[str]:
    wanted = [folded(name) for name in quantities]
    kinds = ("cpu", "memory", "storage", "gpu")
    for name in names:
        key = folded(name)
        if name in {*TEXTS, *INSTANTS, *QUANTITIES}:
            continue
        if difflib.get_close_matches(key, wanted, 1, _ALIKE) or any(kind in key for kind in kinds):
            yield name


def _is_number(dtype: pa.DataType) -> bool:
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(check(dtype) for check in checks)
