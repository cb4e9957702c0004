r"""The objects of a level of a document, found by their markers.

The document is never parsed: it is cut at markers that `bytes.find` looks for, so a project of
a large document costs a search through its bytes and one slice, not objects for every resource.

That a marker is never found in a name, however it is spelled, follows from how canonical bytes
are written. Inside a string every `"` has a `\` right before it. So of two bytes `x"` with `x`
not a `\`, the `"` begins a string or ends one. After the end of a string comes one of `,:}]`;
so of three bytes `x"y` with `y` none of these, the `"` begins a string. Then `x` stands before
a string, outside of all strings, and so does, byte by byte, what stands before `x`, up to the
next `"`. What follows the `"` up to the next unescaped one is that string whole. Every marker
below has such an `x"y` as its first `"`: `,"t` or `{"i` or `{"r`. So wherever it is found it is
structure, and names what it says. An id is searched for as the JSON string that it is written
as, with both its quotes, so it is found whole or not at all.

Objects of different levels begin alike, `{"id":"`. They are told apart by what stands before:
no array of PaaS is empty but `teams`, so an object ends by closing every level below it, `}}` (the
figures, the resource), then `]}` once a level above the resource.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, NamedTuple


class Level(NamedTuple):
    """An array of objects: what opens it, and how one of its objects ends and begins."""

    array: bytes
    closing: bytes
    opening: bytes


TEAM_LEVEL: Final = Level(b',"teams":[', b"}}]}]}]}", b'{"id":')
PROJECT_LEVEL: Final = Level(b',"projects":[', b"}}]}]}", b'{"id":')
TYPE_LEVEL: Final = Level(b',"resourceTypes":[', b"}}]}", b'{"resourceType":')
RESOURCE_LEVEL: Final = Level(b',"resources":[', b"}}", b'{"id":')


def children(
    document: bytes, start: int, end: int, level: Level, wanted: bytes | None
) -> Iterator[tuple[int, int]]:
    """The spans of an array's objects; only the one with the key `wanted`, if it is given.

    Args:
        document: the whole document.
        start: the start of the parent.
        end: the end of the parent, after its `]}`.
        level: the array of the parent.
        wanted: the key as a JSON string.
    """
    start = document.index(level.array, start, end) + len(level.array)
    end -= len(b"]}")
    if start == end:
        return
    between = level.closing + b"," + level.opening + b'"'
    step = len(level.closing) + 1
    if wanted is not None:
        key = level.opening + wanted
        if not document.startswith(key, start, end):
            found = document.find(level.closing + b"," + key, start, end)
            if found < 0:
                return
            start = found + step
    while (found := document.find(between, start, end)) >= 0:
        yield start, found + step - 1
        if wanted is not None:
            return
        start = found + step
    yield start, end


def literal(key: str | None) -> bytes | None:
    """A key as the JSON string that a document would contain."""
    if key is None:
        return None
    # No document has a surrogate, so such a key, from a command line in Latin-1, finds nothing.
    return json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
