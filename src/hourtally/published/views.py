r"""Views: documents under filters (contract, section 6), both in canonical bytes.

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
no array of a document is empty but `teams`, so an object ends by closing every level below it,
`}}` (the price, the resource), then `]}` once a level above the resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from hourtally.model.money import format_cents, parse_cents

Prices = tuple[int, ...]

_COMPONENTS = (b"total", b"cpu", b"memory", b"storage", b"gpu")
_ZERO: Prices = (0,) * len(_COMPONENTS)
_PRICE = b',"price":{'
_PRICES = re.compile(_PRICE[:-1] + rb"\{" + rb",".join(b'"%b":([0-9.]+)' % c for c in _COMPONENTS))
_PAAS = b',"paasUsage":{'
_BYOC = b',"byocUsage":{'


class _Level(NamedTuple):
    """An array of objects: what opens it, and how one of its objects ends and begins."""

    array: bytes
    closing: bytes
    opening: bytes


_TEAMS = _Level(b',"teams":[', b"}}]}]}]}", b'{"id":')
_PROJECTS = _Level(b',"projects":[', b"}}]}]}", b'{"id":')
_TYPES = _Level(b',"resourceTypes":[', b"}}]}", b'{"resourceType":')


class _Filtered(NamedTuple):
    """An object that passed the filters, document[start:end], with its filtered price."""

    start: int
    end: int
    prices: Prices
    children: list[_Filtered]


def zero_document(timestamp: int) -> bytes:
    """The document of a customer without events in a published hour."""
    return (
        b'{"data":{"timestamp":%d,"paasUsage":{"price":'
        b'{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"teams":[]},"byocUsage":{"price":'
        b'{"total":0,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0}}}}'
    ) % timestamp


def view(
    document: bytes, *, team: str | None, project: str | None, resource_type: str | None
) -> bytes:
    """The document under the filters; None is no filter. If nothing matches, the view is zero.

    Args:
        document: the canonical bytes of a whole document, `{"data":...}`.
        team: an id of a team.
        project: an id of a project; several teams may have one of that id.
        resource_type: a resource type, which the caller has checked.
    """
    # Searched from either end, so neither search runs through what lies between.
    start, end = document.index(_PAAS), document.rindex(_BYOC)
    spans = _children(document, start, end, _TEAMS, _literal(team))
    if project is None and resource_type is None:
        whole = list(spans)
        shows_projects = team is not None or len(whole) == 1
        render = _with_projects_only if shows_projects else _without_children
        teams = [render(document, *span) for span in whole]
        prices = None if team is None else _sum([_prices(document, span[0]) for span in whole])
    else:
        keys = _literal(project), _literal(resource_type)
        passed = [left for span in spans if (left := _filter_team(document, span, *keys))]
        shows_projects = team is not None or project is not None or len(passed) == 1
        teams = [_render_team(document, one, shows_projects=shows_projects) for one in passed]
        prices = _sum([one.prices for one in passed])
    return _assemble(document, start, end, prices, teams)


def _children(
    document: bytes, start: int, end: int, level: _Level, wanted: bytes | None
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


def _filter_team(
    document: bytes, team: tuple[int, int], project: bytes | None, resource_type: bytes | None
) -> _Filtered | None:
    """A team with its filtered projects and, under a type filter, their filtered types."""
    projects = []
    for span in _children(document, *team, _PROJECTS, project):
        if resource_type is None:
            projects.append(_Filtered(*span, _prices(document, span[0]), []))
            continue
        for type_span in _children(document, *span, _TYPES, resource_type):
            of_type = _Filtered(*type_span, _prices(document, type_span[0]), [])
            projects.append(_Filtered(*span, of_type.prices, [of_type]))
    return _Filtered(*team, _sum([one.prices for one in projects]), projects) if projects else None


def _literal(key: str | None) -> bytes | None:
    """A key as the JSON string that a document would contain."""
    if key is None:
        return None
    # No document has a surrogate, so such a key, from a command line in Latin-1, finds nothing.
    return json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _prices(document: bytes, start: int) -> Prices:
    """The price of the object that starts there: the next one, as it precedes the children."""
    match = _PRICES.search(document, start)
    assert match is not None, "an object of a canonical document has a price"
    return tuple(map(parse_cents, match.groups()))


def _sum(several: list[Prices]) -> Prices:
    return tuple(map(sum, zip(_ZERO, *several, strict=True)))


def _without_children(document: bytes, start: int, end: int) -> bytes:
    """An object with its price, without its children."""
    price = document.index(_PRICE, start, end)
    return document[start : document.index(b"}", price) + 1] + b"}"


def _with_projects_only(document: bytes, start: int, end: int) -> bytes:
    """A team with its price and its projects, the projects without their types."""
    spans = _children(document, start, end, _PROJECTS, None)
    projects = b",".join(_without_children(document, *span) for span in spans)
    return b"%b%b%b]}" % (_without_children(document, start, end)[:-1], _PROJECTS.array, projects)


def _render_team(document: bytes, team: _Filtered, *, shows_projects: bool) -> bytes:
    """A team with its filtered price and, if they are shown, its filtered projects."""
    if not shows_projects:
        return _priced(document, team, b"")
    projects = b",".join(_render_project(document, project) for project in team.children)
    return _priced(document, team, b"%b%b]" % (_PROJECTS.array, projects))


def _render_project(document: bytes, project: _Filtered) -> bytes:
    """A whole project, or under a type filter the project with that type."""
    if not project.children:
        return document[project.start : project.end]
    types = b",".join(document[kept.start : kept.end] for kept in project.children)
    return _priced(document, project, b"%b%b]" % (_TYPES.array, types))


def _priced(document: bytes, kept: _Filtered, children: bytes) -> bytes:
    """An object with its key, name and filtered price, and an array of children if any."""
    head = document[kept.start : document.index(_PRICE, kept.start, kept.end)]
    return b'%b,"price":%b%b}' % (head, _price_json(kept.prices), children)


def _price_json(prices: Prices) -> bytes:
    pairs = zip(_COMPONENTS, prices, strict=True)
    return b"{%b}" % b",".join(b'"%b":%b' % (n, format_cents(p).encode()) for n, p in pairs)


def _assemble(
    document: bytes, start: int, end: int, prices: Prices | None, teams: list[bytes]
) -> bytes:
    """The whole view: the teams, their price (the document's own if None), and the rest."""
    head = document[: start + len(_PAAS)]
    if prices is None:
        price = document[start + len(_PAAS) : document.index(_TEAMS.array, start)]
    else:
        price = b'"price":' + _price_json(prices)
    return b"%b%b%b%b]}%b" % (head, price, _TEAMS.array, b",".join(teams), document[end:])
