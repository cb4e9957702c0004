"""The fast reader: lines whose layout has been seen before, many at a time.

Producers write all their lines in one or a few layouts: the same keys in the same order.
From a line that `events.check_line` accepted, a regular expression is made that takes the
lines of its layout and of no other: the keys in this order, optional ones possibly left out,
every known field's value of its exact form, all of it strict JSON without a repeated key.
What matches can be read by DuckDB, which alone would be too lenient (a trailing comma, "12"
for 12, the last of two keys); lengths, instants and intervals are then checked on columns.
A line that does not get through is not refused: the strict judge decides about it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa

from hourtally.events import (
    MAX_AHEAD_MS,
    MAX_ATTRIBUTE_BYTES,
    MAX_ID_BYTES,
    MAX_INTERVAL_MS,
    MAX_NAME_BYTES,
)
from hourtally.jsonlines import MAX_LINE_BYTES, JsonObject
from hourtally.kinds import KINDS, RESOURCE_KIND, EventKind
from hourtally.schemas import EVENTS, RESOURCE_TYPES

_SPACE = r"[ \t]*"
# Text without control characters, and ids without any escape; no half surrogates, no NUL.
_PLAIN = r'"[^"\\\x00-\x1f\x7f-\x{9f}]+"'
_TEXT = (
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]'
    r"|\\u(?:[1-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
    r'|0[1-9a-fA-F][0-9a-fA-F]{2}|00[1-9a-fA-F][0-9a-fA-F]|000[1-9a-fA-F]))*"'
)
# Years 1000 to 2999, and UTC: DuckDB ignores another offset instead of applying it.
_SECOND = (
    r'"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
    r"(?:\.[0-9]{1,%d})?(?:Z|[+-]00:00)\""
)
_QUANTITY = r"(?:0|[1-9][0-9]{0,9}|10000000000)"
# Numbers of ignored fields: short enough that no reader of doubles stumbles over them.
_SCALAR = rf"(?:{_TEXT}|-?(?:0|[1-9][0-9]{{0,17}})(?:\.[0-9]{{1,17}})?|true|false|null)"
_IGNORED = (
    rf"(?:{_SCALAR}"
    rf"|\{{{_SPACE}(?:{_TEXT}{_SPACE}:{_SPACE}{_SCALAR}"
    rf"(?:{_SPACE},{_SPACE}{_TEXT}{_SPACE}:{_SPACE}{_SCALAR})*{_SPACE})?\}}"
    rf"|\[{_SPACE}(?:{_SCALAR}(?:{_SPACE},{_SPACE}{_SCALAR})*{_SPACE})?\])"
)
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_STRICT_DATA: Final = frozenset({"start", "end", "resourceType"})
_MOST_KEYS = 64


@dataclass(frozen=True)
class Layout:
    """One order of keys of one type of event: what its lines match, its type, how many keys."""

    pattern: str
    kind: EventKind
    keys: int


def layout_of(event: JsonObject) -> Layout | None:
    """The layout of a line that the judge accepted; None where it has an unusual one."""
    kind = KINDS[event["type"]]
    data: dict[str, Any] = event["data"]
    keys = [*event, *data]
    if len(keys) > _MOST_KEYS or not all(_SIMPLE_KEY.fullmatch(key) for key in keys):
        return None
    patterns = _data_patterns(kind)
    inner = _object_pattern(
        {key: patterns.get(key, _IGNORED) for key in data},
        required=_STRICT_DATA | kind.ids.keys(),
    )
    outer = {
        "specversion": r'"1\.0"',
        "id": _PLAIN,
        "source": _PLAIN,
        "type": f'"{re.escape(kind.type)}"',
        "time": rf"(?:{_SECOND % 9}|null)",
        "data": inner,
    }
    required = frozenset(outer) - {"time"}
    body = _object_pattern({key: outer.get(key, _IGNORED) for key in event}, required)
    return Layout(rf"^{_SPACE}{body}[ \t\r]*$", kind, len(keys))


def _data_patterns(kind: EventKind) -> dict[str, str]:
    optional_text = rf"(?:{_TEXT}|null)"
    patterns = dict.fromkeys(kind.ids, _PLAIN)
    patterns |= dict.fromkeys([*kind.names, "region"], optional_text)
    patterns |= dict.fromkeys(kind.quantities, rf"(?:{_QUANTITY}|null)")
    patterns |= {"start": _SECOND % 3, "end": _SECOND % 3}
    if kind is RESOURCE_KIND:
        patterns["resourceType"] = '"(?:' + "|".join(RESOURCE_TYPES) + ')"'
        patterns["gpuModel"] = optional_text
    return patterns


def _object_pattern(members: dict[str, str], required: frozenset[str] | set[str]) -> str:
    """A JSON object with these members in this order; those not required may be missing.

    The first one never may be: it has no comma before it. Lines without it have a layout of
    their own.
    """
    parts = []
    for number, (key, value) in enumerate(members.items()):
        member = rf'"{re.escape(key)}"{_SPACE}:{_SPACE}{value}'
        if number == 0:
            parts.append(member)
        elif key in required:
            parts.append(rf"{_SPACE},{_SPACE}{member}")
        else:
            parts.append(rf"(?:{_SPACE},{_SPACE}{member})?")
    return rf"\{{{_SPACE}{''.join(parts)}{_SPACE}\}}"


def matching(lines: pl.Series, layout: Layout) -> pl.Series:
    """Which lines have this layout, as Booleans."""
    return lines.str.contains(layout.pattern) & (lines.str.len_bytes() <= MAX_LINE_BYTES)


def read_lines(
    connection: duckdb.DuckDBPyConnection, lines: pl.DataFrame, layout: Layout, now_ms: int
) -> pl.DataFrame:
    """The events of lines (`row`, `line`) that match a layout.

    Returns:
        `schemas.EVENTS` after `row`; lines that pass the pattern and still break a rule (an
        id too long, a 30th of February, an end before its start) are left out of it.
    """
    connection.register("lines", pa.table({name: lines[name].to_arrow() for name in lines.columns}))
    table = connection.sql(_query(layout.kind, now_ms)).to_arrow_table()
    return pl.DataFrame(table).select("row", *(pl.col(c).cast(t) for c, t in EVENTS.items()))


@cache
def _query(kind: EventKind, now_ms: int) -> str:
    """The SQL that reads one kind of event; `sql/read_lines.sql` with its fields filled in."""
    texts = [*kind.ids, *kind.names, "region", "start", "end"]
    fields = {**kind.ids, **kind.names, "region": "region"}
    if kind is RESOURCE_KIND:
        texts += ["resourceType", "gpuModel"]
        fields |= {"resourceType": "resource_type", "gpuModel": "gpu_model"}
    columns = dict.fromkeys(EVENTS, "NULL")
    columns["event_type"] = f"'{kind.type}'"
    columns |= {column: f'data."{field}"' for field, column in fields.items()}
    numbers = [column for column, dtype in EVENTS.items() if dtype == pl.Int64]
    columns |= dict.fromkeys(numbers, "0")
    columns |= {
        column: f'coalesce(data."{field}", {kind.defaults.get(field, 0)})'
        for field, column in kind.quantities.items()
    }
    columns |= {name: name for name in ("start_ms", "end_ms", "event_source", "event_id")}
    columns |= {"event_time_us": "event_time_us", "identity": "identity"}
    structure = ", ".join(
        [f'"{field}": "VARCHAR"' for field in texts]
        + [f'"{field}": "BIGINT"' for field in kind.quantities]
    )
    rules = [f'strlen(data."{field}") <= {MAX_ID_BYTES}' for field in kind.ids]
    rules += [f'coalesce(strlen(data."{field}"), 0) <= {MAX_NAME_BYTES}' for field in kind.names]
    if kind is RESOURCE_KIND:
        rules.append('(coalesce(data."gpuMilli", 0) = 0 OR data."gpuModel" <> \'\')')
    template = files("hourtally").joinpath("sql/read_lines.sql").read_text()
    return template.format(
        structure=structure,
        columns=",\n    ".join(f'{value} AS "{name}"' for name, value in columns.items()),
        rules="\n    AND ".join(rules),
        max_attribute_bytes=MAX_ATTRIBUTE_BYTES,
        max_interval_ms=MAX_INTERVAL_MS,
        latest_start_ms=now_ms + MAX_AHEAD_MS,
    )
