"""The rows of a Parquet file of events, judged one by one as lines are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.events.envelope import Envelope, check_attribute_bytes, find_event_type
from hourtally.events.event_types import EVENT_TYPES, Event, EventType, Void
from hourtally.events.field_names import check_spelling, find_near_misses, folded
from hourtally.events.instants import ColumnInstant
from hourtally.events.strict_json import RuleViolation
from hourtally.events.validation import check_data

_ROWS: Final = 4_096
_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# Floats from here on are not exact.
_WHOLE_BELOW: Final = 2**53
_INSTANTS: Final = frozenset(("event_time", "start", "end"))
_ATTRIBUTES: Final = frozenset(("event_id", "event_source", "event_type", "event_time"))

Row = dict[str, Any]


def check_rows(path: Path) -> Iterator[tuple[int, Event | Void | str]]:
    """The number of each row, from 1, and its fact or the rule that it breaks.

    Raises:
        OSError, pa.ArrowException: the file cannot be read to its end.
    """
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        types = _types_in(file)
        columns = _columns_to_read(file, types)
        others = {kind.type: _fields(types) - _fields([kind]) for kind in types}
        number = 0
        for batch in file.iter_batches(_ROWS, columns=columns):
            values = [_values(name, batch.column(name)) for name in batch.schema.names]
            for row in zip(*values, strict=True):
                number += 1
                yield number, _judge(dict(zip(batch.schema.names, row, strict=True)), others)


def _types_in(file: pq.ParquetFile) -> list[EventType]:
    """The known types of the file's events."""
    found: set[Any] = set()
    for batch in file.iter_batches(_ROWS, columns=["event_type"]):
        found.update(batch.column(0).unique().to_pylist())
    return [kind for name, kind in EVENT_TYPES.items() if name in found]


def _fields(types: list[EventType]) -> set[str]:
    """The columns of the fields of some types of event."""
    return {_column(field) for kind in types for field in kind.known}


def _column(field: str) -> str:
    """The column of a field: `memoryMiB` is in `memory_mib`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field.replace("MiB", "Mib")).lower()


def _columns_to_read(file: pq.ParquetFile, types: list[EventType]) -> list[str]:
    """The columns that count, and ignored ones with nearly the name of one that does."""
    names = file.schema_arrow.names
    known = _fields(types) | _ATTRIBUTES
    near = {one.unknown for one in find_near_misses(names, known, sorted(known))}
    return [name for name in names if name in known or name in near]


def _values(name: str, column: pa.Array) -> list[Any]:
    """The values of a column; NaN is null, an instant a `ColumnInstant`."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if name in _INSTANTS and pa.types.is_timestamp(column.type):
        ns = _NS[column.type.unit]
        counts = column.cast(pa.int64()).to_pylist()
        return [None if count is None else ColumnInstant(count * ns) for count in counts]
    return [_plain(value) for value in column.to_pylist()]


def _plain(value: Any) -> Any:
    """A value as a line would have it: whole numbers are integers, other types are texts."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        is_whole = math.isfinite(value) and int(value) == value
        return int(value) if is_whole and abs(int(value)) < _WHOLE_BELOW else float(value)
    return str(value)


def _judge(row: Row, others: dict[str, set[str]]) -> Event | Void | str:
    try:
        return _check(row, others)
    except RuleViolation as violation:
        return violation.rule


def _check(row: Row, others: dict[str, set[str]]) -> Event | Void:
    """The fact of a row.

    Args:
        row: by column.
        others: by type of event, the columns of the file's other types.

    Raises:
        RuleViolation: the first rule that it breaks.
    """
    source, event_id = row["event_source"], row["event_id"]
    for value in (source, event_id, row["event_type"]):
        if not value:
            raise RuleViolation("not_cloudevent", "")
    check_attribute_bytes("id", event_id)
    check_attribute_bytes("source", source)
    kind = find_event_type(row["event_type"])
    fields = {_column(field): field for field in kind.known}
    data = {
        fields.get(name, name): value
        for name, value in row.items()
        if name not in _ATTRIBUTES and name not in others[kind.type]
    }
    time = row.get("event_time")
    if time is None and any(folded(n) == "eventtime" and v is not None for n, v in data.items()):
        raise RuleViolation("misspelt_field", "")
    check_spelling(data, kind)
    return check_data(Envelope(source, event_id, kind, time, data))
