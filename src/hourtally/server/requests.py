"""What a request asks for, from its path and its query (contract, section 9). Pure.

The path is taken apart as it came, before percent-decoding, so an id may have a `/` in it
(`%2F`), and `..` is a piece of text like any other: no name in it ever becomes a file's.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from hourtally.errors import WrongUse
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.hours import Hour, check_year

MAX_TARGET_BYTES = 8_192
DEFAULT_PER_PAGE = 50
MAX_PER_PAGE = 100

_PATH = re.compile(rb"/v1(?:/teams/([^/]+))?/billing/usage(?:/([^/]+))?")
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
# Stands for every integer of so many digits that int() refuses it: no second of any year.
_NO_SECOND = 10**18
_MAX_PARAMETERS = 32


class Refusal(Exception):
    """A request that is answered with an error: HTTP status, the error's id, a sentence."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.id = id
        self.message = message


class Filters(NamedTuple):
    """What of a document is asked for (contract, section 6); None is no filter."""

    team: str | None
    project: str | None
    resource_type: str | None


class ViewRequest(NamedTuple):
    """One hour's view. timestamp: Unix seconds, not yet known to be those of an hour."""

    timestamp: int
    filters: Filters


class ListRequest(NamedTuple):
    """Hours in `[start, end)`, earlier than `before`, at most `per_page`; Unix seconds."""

    filters: Filters
    start: int | None
    end: int | None
    before: int | None
    per_page: int


def read_request(raw_path: bytes, query: bytes) -> ViewRequest | ListRequest | None:
    """What is asked for; None where there is no such path.

    Raises:
        Refusal: the path is one of ours, but something in it or in the query is wrong.
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
    """Whether there is such a path, whatever is in it."""
    return _PATH.fullmatch(raw_path) is not None


def cursor_after(timestamp: int) -> str:
    """The cursor of the page after the one whose last hour begins at this Unix second."""
    return base64.urlsafe_b64encode(str(timestamp).encode()).decode().rstrip("=")


def _parameters(query: bytes) -> dict[str, str]:
    """The query's parameters; those that are not known are nobody's business, but none twice."""
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
        message = f"The query is not UTF-8, or has over {_MAX_PARAMETERS} parameters."
        raise Refusal(400, "bad_parameter", message) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        message = f"The parameter {repeated!r} is given more than once."
        raise Refusal(400, "bad_parameter", message)
    return parameters


def _segment(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        message = "A part of the path is not UTF-8 when percent-decoded."
        raise Refusal(400, "bad_parameter", message) from None


def _filters(team: str | None, parameters: Mapping[str, str]) -> Filters:
    asked = parameters.get("teamId")
    for name in ("teamId", "projectId"):
        if parameters.get(name) == "":
            message = f"{name} is empty. Leave it out to see all of them."
            raise Refusal(400, "bad_parameter", message)
    if team is not None and asked is not None and asked != team:
        message = f"The path asks for team {team!r}, the query for teamId {asked!r}."
        raise Refusal(400, "team_contradiction", message)
    resource_type = parameters.get("resourceType")
    if resource_type is not None and resource_type not in RESOURCE_TYPES:
        message = f"resourceType {resource_type!r} is none of {', '.join(RESOURCE_TYPES)}."
        raise Refusal(400, "unknown_resource_type", message)
    return Filters(asked if team is None else team, parameters.get("projectId"), resource_type)


def _list_request(filters: Filters, parameters: Mapping[str, str]) -> ListRequest:
    start, end = (_bound(name, parameters) for name in ("startTime", "endTime"))
    if end is not None and start is None:
        message = "endTime is given without startTime."
        raise Refusal(400, "bad_parameter", message)
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
        raise Refusal(400, "bad_timestamp", message) from None
    return seconds


def _seconds(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        message = f"{name} {text!r} is no integer: it must be Unix seconds."
        raise Refusal(400, "bad_timestamp", message)
    try:
        return int(text)
    except ValueError:
        return _NO_SECOND


def _per_page(parameters: Mapping[str, str]) -> int:
    names = [name for name in ("per_page", "perPage") if name in parameters]
    if len(names) > 1:
        message = "per_page and perPage are two names of one parameter; give one."
        raise Refusal(400, "bad_parameter", message)
    if not names:
        return DEFAULT_PER_PAGE
    text = parameters[names[0]]
    if not re.fullmatch("[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MAX_PER_PAGE:
        message = f"{names[0]} {text!r} is no integer of 1 to {MAX_PER_PAGE}."
        raise Refusal(400, "bad_parameter", message)
    return int(text)


def _before(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        timestamp = Hour(int(text)).timestamp
        check_year(timestamp * 1_000)
    except (binascii.Error, ValueError, WrongUse):
        timestamp = None
    # What int() and b64decode() let pass beyond what was given out, such as spaces.
    if timestamp is None or cursor != cursor_after(timestamp):
        message = f"cursor {cursor!r} is none that a page of this list has given."
        raise Refusal(400, "bad_parameter", message)
    return timestamp
