"""Layouts: how the lines of a producer look, told from one of them.

Producers write all their lines in one or a few layouts: the same keys in the same order.
From a line that `events.check_line` accepted, a regular expression is made that takes the
lines of its layout and of no other: the keys in this order, optional ones possibly left out,
every known field's value of its exact form, all of it strict JSON without a repeated key. Most
lines are known by their plain form already, which is cheaper. `fast_lines` reads both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from hourtally.events.event_types import KINDS, RESOURCE_KIND, EventKind
from hourtally.events.strict_json import JsonObject
from hourtally.ingest.ndjson.round_trip import PlainForm, plain_form
from hourtally.model.components import RESOURCE_TYPES

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
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,%d})?(?:Z|[+-]00:00)"
)
INSTANT: Final = _SECOND % 3
TIME: Final = _SECOND % 9
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
    """One order of keys of one type of event.

    pattern: what its lines match. keys: how many. plain: the form of its plain lines, None where
    the line that it was told from is none.
    """

    pattern: str
    kind: EventKind
    keys: int
    plain: PlainForm | None


def layout_of(event: JsonObject, line: str) -> Layout | None:
    """The layout of a line that the judge accepted; None where it has an unusual one."""
    kind = KINDS[event["type"]]
    data: dict[str, Any] = event["data"]
    keys = [*event, *data]
    if len(keys) > _MOST_KEYS or not all(_SIMPLE_KEY.fullmatch(key) for key in keys):
        return None
    patterns = _data_patterns(kind)
    required_data = _STRICT_DATA | kind.ids.keys()
    inner = _object_pattern({key: patterns.get(key, _IGNORED) for key in data}, required_data)
    outer = {
        "specversion": r'"1\.0"',
        "id": _PLAIN,
        "source": _PLAIN,
        "type": f'"{re.escape(kind.type)}"',
        "time": rf'(?:"{TIME}"|null)',
        "data": inner,
    }
    required = frozenset(outer) - {"time"}
    body = _object_pattern({key: outer.get(key, _IGNORED) for key in event}, required)
    known = (frozenset(outer), frozenset(patterns))
    plain = plain_form(event, line, kind, known, required | required_data)
    return Layout(rf"^{_SPACE}{body}[ \t\r]*$", kind, len(keys), plain)


def _data_patterns(kind: EventKind) -> dict[str, str]:
    optional_text = rf"(?:{_TEXT}|null)"
    patterns = dict.fromkeys(kind.ids, _PLAIN)
    patterns |= dict.fromkeys([*kind.names, *kind.selectors], optional_text)
    patterns |= dict.fromkeys(kind.quantities, rf"(?:{_QUANTITY}|null)")
    patterns |= {"start": f'"{INSTANT}"', "end": f'"{INSTANT}"'}
    if kind is RESOURCE_KIND:
        patterns["resourceType"] = '"(?:' + "|".join(RESOURCE_TYPES) + ')"'
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
    return lines.str.contains(layout.pattern)
