"""Parse a request's path and query (contract, section 9). Pure.

The path is split before percent-decoding, so an id may contain a `/` (`%2F`), and `..` is text
like any other: no part of a path ever becomes a file name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, get_args
from urllib.parse import unquote_to_bytes

from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.hours import Granularity
from hourtally.published.views import Filters, Page
from hourtally.server.cursors import Position, read_cursor
from hourtally.server.parameters import (
    HttpError,
    bad_parameter,
    bound,
    is_newer,
    level_pages,
    list_page_size,
    older_page,
    parse_query,
    seconds,
)

MAX_TARGET_BYTES = 8_192

# Clients ask for the same few over and over. 8 MiB at most.
_CACHED_REQUESTS = 1_000

_PATH = re.compile(rb"/v1(?:/teams/([^/]+))?/billing/usage(?:/([^/]+))?")
_GRANULARITIES: tuple[str, ...] = get_args(Granularity)


class ViewRequest(NamedTuple):
    """The view of one hour. timestamp: Unix seconds, not yet checked to start an hour.

    newer: of the usage document. pages: of its levels; older_page: of the deepest level of the
    other document.
    """

    timestamp: int
    filters: Filters
    newer: bool = False
    pages: tuple[tuple[str, Page], ...] = ()
    older_page: Page | None = None


class ListRequest(NamedTuple):
    """Periods of the hours in `[start, end)` after a position, at most `per_page`; Unix seconds."""

    filters: Filters
    start: int | None
    end: int | None
    after: Position | None
    per_page: int
    granularity: Granularity = "hour"
    newer: bool = False


@lru_cache(_CACHED_REQUESTS)
def read_request(raw_path: bytes, query: bytes) -> ViewRequest | ListRequest | None:
    """Parse a request; None if the path is unknown.

    Raises:
        HttpError: the path is known, but a part of it or of the query is wrong.
    """
    match = _PATH.fullmatch(raw_path)
    if match is None:
        return None
    team, timestamp = match.groups()
    parameters = parse_query(query)
    newer = is_newer(parameters, of_list=timestamp is None)
    filters = _filters(None if team is None else _segment(team), parameters)
    if timestamp is None:
        return _list_request(filters, parameters, newer=newer)
    second = seconds("timestamp", _segment(timestamp))
    return ViewRequest(second, filters, newer, level_pages(parameters), older_page(parameters))


def is_known(raw_path: bytes) -> bool:
    """Whether the path is one of the API, whatever its ids are."""
    return _PATH.fullmatch(raw_path) is not None


def _segment(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        message = "The percent-decoded path is not UTF-8."
        raise bad_parameter(message) from None


def _filters(team: str | None, parameters: Mapping[str, str]) -> Filters:
    asked = parameters.get("teamId")
    for name in ("teamId", "projectId"):
        if parameters.get(name) == "":
            message = f"{name} is empty. Omit it to see all."
            raise bad_parameter(message)
    if team is not None and asked is not None and asked != team:
        message = f"The path names team {team!r}, but the query has teamId {asked!r}."
        raise HttpError(400, "team_contradiction", message)
    resource_type = parameters.get("resourceType")
    if resource_type is not None and resource_type not in RESOURCE_TYPES:
        message = f"Unknown resourceType {resource_type!r}: use {', '.join(RESOURCE_TYPES)}."
        raise HttpError(400, "unknown_resource_type", message)
    return Filters(asked if team is None else team, parameters.get("projectId"), resource_type)


def _list_request(filters: Filters, parameters: Mapping[str, str], *, newer: bool) -> ListRequest:
    start, end = (bound(name, parameters) for name in ("startTime", "endTime"))
    if end is not None and start is None:
        message = "endTime requires startTime."
        raise bad_parameter(message)
    granularity = _granularity(parameters.get("granularity", "hour"))
    cursor = parameters.get("cursor")
    after = None if cursor is None else read_cursor(cursor, granularity, filters)
    per_page = list_page_size(parameters)
    return ListRequest(filters, start, end, after, per_page, granularity, newer)


def _granularity(text: str) -> Granularity:
    for one in get_args(Granularity):
        if text == one:
            granularity: Granularity = one
            return granularity
    message = f"Unknown granularity {text!r}: use {', '.join(_GRANULARITIES)}."
    raise bad_parameter(message)
