"""Plain lines: what a line of a layout must be, byte for byte, given what was read from it.

A line without a backslash that equals its own values, put between the same keys and signs as in
the first line of its layout, is that strict JSON and holds those values, however leniently they
were read. To write and compare it costs a third of what matching a regular expression does.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hourtally.events.event_types import EventKind
from hourtally.events.strict_json import JsonObject

_SEPARATORS = ((",", ":"), (", ", ": "))
_CONSTANT = ("specversion", "type")


@dataclass(frozen=True)
class PlainForm:
    """How the plain lines of a layout are written.

    sql: a text, of the values by their keys. ignored: the ignored fields among these, in the
    event and in its data. beginning: what they all begin with, up to their type; None where
    something else comes before that.
    """

    sql: str
    ignored: tuple[tuple[str, ...], tuple[str, ...]]
    beginning: str | None


def plain_form(
    event: JsonObject,
    line: str,
    kind: EventKind,
    known: tuple[frozenset[str], frozenset[str]],
    required: frozenset[str],
) -> PlainForm | None:
    """The form of a line that the judge accepted; None where it is not a plain one.

    Args:
        event: what the line says.
        line: the line.
        kind: of the event.
        known: the keys of fields that count, of the event and of its data.
        required: those that no event may lack.
    """
    data: dict[str, Any] = event["data"]
    # DuckDB does not tell keys apart by case, nor the event's from those of its data, also where
    # a line lacks some that count; `row` and `line` are columns beside them.
    names = [*known[0].union(event), *known[1].union(data), "row", "line"]
    if len(set(map(str.casefold, names))) < len(names):
        return None
    for comma, colon in _SEPARATORS:
        if json.dumps(event, ensure_ascii=False, separators=(comma, colon)) == line:
            pieces = ", ".join(_joined(_pieces(event, kind, required, comma, colon)))
            ignored = (_texts(event, known[0]), _texts(data, known[1]))
            return PlainForm(f"concat({pieces})", ignored, _beginning(event, line))
    return None


def _beginning(event: JsonObject, line: str) -> str | None:
    if not set(itertools.takewhile(lambda key: key != "type", event)) <= set(_CONSTANT):
        return None
    named = f'"{event["type"]}"'
    return line[: line.index(named) + len(named)]


def _texts(members: dict[str, Any], known: frozenset[str]) -> tuple[str, ...]:
    return tuple(key for key in members if key not in known and isinstance(members[key], str))


def _joined(pieces: Iterator[str]) -> Iterator[str]:
    """The same with one literal in place of several that follow each other."""
    for is_literal, group in itertools.groupby(pieces, key=lambda piece: piece.startswith("'")):
        if is_literal:
            yield "'" + "".join(piece[1:-1] for piece in group) + "'"
        else:
            yield from group


def _pieces(
    members: dict[str, Any], kind: EventKind, required: frozenset[str], comma: str, colon: str
) -> Iterator[str]:
    """SQL texts that together are an object, without optional members whose values are NULL.

    These are left out because `concat` passes over what is NULL. The first member may be as well,
    but then its comma makes no JSON of it. A required one that is NULL is written empty, and
    other rules refuse the line.
    """
    yield "'{'"
    for number, (key, value) in enumerate(members.items()):
        before = f'{comma if number else ""}"{key}"{colon}'
        quote = '"' if isinstance(value, str) else ""
        if key == "data":
            yield f"'{before}'"
            yield from _pieces(value, kind, required, comma, colon)
        elif key not in _CONSTANT and (quote or (key in kind.quantities and value is not None)):
            around = [f"'{before}{quote}'", f"'{quote}'"] if quote else [f"'{before}'"]
            if key not in required:
                around = [f"""CASE WHEN "{key}" IS NOT NULL THEN {sign} END""" for sign in around]
            yield around[0]
            yield f'"{key}"'
            yield from around[1:]
        else:
            # The same in every line: where an ignored number differs, the line is not plain.
            text = before + json.dumps(value, ensure_ascii=False)
            yield "'" + text.replace("'", "''") + "'"
    yield "'}'"
