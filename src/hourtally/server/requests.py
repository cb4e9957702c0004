"""Parse a request's path and query (contract, section 9). Pure.

The path is split before percent-decoding, so an id may contain a `/` (`%2F`), and `..` is text
like any other: no part of a path ever becomes a file name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from hourtally.errors import InvalidArgument
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.hours import Hour, check_year

MAX_TARGET_BYTES = 8_192
DEFAULT_PER_PAGE = 50
MAX_PER_PAGE = 100

_PATH = re.compile(rb"/v1(?:/teams/([^/]+))?/billing/usage(?:/([^/]+))?")
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
# Stands for every integer with too many digits for int(): a second of no year.
_NO_SECOND = 10**18
_MAX_PARAMETERS = 32


class HttpError(Exception):
    """An error response: HTTP status, the error's id, and a message for the client."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.id = id
        self.message = message


class Filters(NamedTuple):
    """Which part of a document to show (contract, section 6); None is no filter."""

    team: str | None
    project: str | None
    resource_type: str | None


class ViewRequest(NamedTuple):
    """The view of one hour. timestamp: Unix seconds, not yet checked to start an hour."""

    timestamp: int
    filters: Filters


class ListRequest(NamedTuple):
    """Hours in `[start, end)` before `before`, at most `per_page`; Unix seconds."""

    filters: Filters
    start: int | None
    end: int | None
    before: int | None
    per_page: int


def read_request(raw_path: bytes, query: bytes) -> ViewRequest | ListRequest | None:
    """Parse a request; None if the path is unknown.

    Raises:
        HttpError: the path is known, but a part of it or of the query is wrong.
    """
    match = _PATH.fullmatch(raw_path)
    if match is None:
        return None
    team, timestamp = match.groups()
    parameters = _parameters(query)
    filters = _filters(None if team is None else _segment(team), parameters)
    if timestamp is not None:
        return ViewRequest(_seconds("timestamp", _segment(timestamp)), filters)
    return _list_request(filters, parameters)


def is_known(raw_path: bytes) -> bool:
    """Whether the path is one of the API, whatever its ids are."""
    return _PATH.fullmatch(raw_path) is not None


def cursor_after(timestamp: int) -> str:
    """The cursor of the page after the one whose last hour starts at this Unix second."""
    return base64.urlsafe_b64encode(str(timestamp).encode()).decode().rstrip("=")


def _parameters(query: bytes) -> dict[str, str]:
    """The query's parameters, none of them twice; unknown ones are ignored later."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:
        message = f"The query is not UTF-8 or has more than {_MAX_PARAMETERS} parameters."
        raise HttpError(400, "bad_parameter", message) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        message = f"The parameter {repeated!r} is given more than once."
        raise HttpError(400, "bad_parameter", message)
    return parameters


def _segment(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        message = "The percent-decoded path is not UTF-8."
        raise HttpError(400, "bad_parameter", message) from None


def _filters(team: str | None, parameters: Mapping[str, str]) -> Filters:
    asked = parameters.get("teamId")
    for name in ("teamId", "projectId"):
        if parameters.get(name) == "":
            message = f"{name} is empty. Omit it to see all."
            raise HttpError(400, "bad_parameter", message)
    if team is not None and asked is not None and asked != team:
        message = f"The path names team {team!r}, but the query has teamId {asked!r}."
        raise HttpError(400, "team_contradiction", message)
    resource_type = parameters.get("resourceType")
    if resource_type is not None and resource_type not in RESOURCE_TYPES:
        message = f"Unknown resourceType {resource_type!r}: use {', '.join(RESOURCE_TYPES)}."
        raise HttpError(400, "unknown_resource_type", message)
    return Filters(asked if team is None else team, parameters.get("projectId"), resource_type)


def _list_request(filters: Filters, parameters: Mapping[str, str]) -> ListRequest:
    start, end = (_bound(name, parameters) for name in ("startTime", "endTime"))
    if end is not None and start is None:
        message = "endTime requires startTime."
        raise HttpError(400, "bad_parameter", message)
    cursor = parameters.get("cursor")
    return ListRequest(
        filters, start, end, None if cursor is None else _before(cursor), _per_page(parameters)
    )


def _bound(name: str, parameters: Mapping[str, str]) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    seconds = _seconds(name, text)
    try:
        check_year(seconds * 1_000)
    except ValueError as error:
        message = f"{name} {text} {error}."
        raise HttpError(400, "bad_timestamp", message) from None
    return seconds


def _seconds(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        message = f"{name} {text!r} is not an integer: use Unix seconds."
        raise HttpError(400, "bad_timestamp", message)
    try:
        return int(text)
    except ValueError:
        return _NO_SECOND


def _per_page(parameters: Mapping[str, str]) -> int:
    names = [name for name in ("per_page", "perPage") if name in parameters]
    if len(names) > 1:
        message = "per_page and perPage are the same parameter: give only one."
        raise HttpError(400, "bad_parameter", message)
    if not names:
        return DEFAULT_PER_PAGE
    text = parameters[names[0]]
    if not re.fullmatch("[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MAX_PER_PAGE:
        message = f"{names[0]} {text!r} is not an integer from 1 to {MAX_PER_PAGE}."
        raise HttpError(400, "bad_parameter", message)
    return int(text)


def _before(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        timestamp = Hour(int(text)).timestamp
        check_year(timestamp * 1_000)
    except (binascii.Error, ValueError, InvalidArgument):
        timestamp = None
    # int() and b64decode() also accept what this server never issued, such as spaces.
    if timestamp is None or cursor != cursor_after(timestamp):
        message = f"Invalid cursor {cursor!r}: use the one of the previous page, unchanged."
        raise HttpError(400, "bad_parameter", message)
    return timestamp
