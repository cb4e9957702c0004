"""Query parameters: which a route takes, in which generation, and their values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final
from urllib.parse import parse_qsl

from hourtally.model.hours import check_year
from hourtally.published.views import PROJECTS, RESOURCES, TEAMS, Page

METHODS: Final = ("GET", "HEAD")
DEFAULT_PER_PAGE: Final = 50
MAX_PER_PAGE: Final = 100
MAX_PAGE: Final = 1_000_000_000
NEWER: Final = "removeLegacyFields"

_FILTERS: Final = ("teamId", "projectId", "resourceType")
# The pages of a view in either generation.
_OLDER_PAGES: Final = ("page", "per_page")
_NEWER_PAGES: Final = {
    level: (f"{level}Page", f"{level}PerPage") for level in (TEAMS, PROJECTS, RESOURCES)
}
_OF_NEWER_VIEWS: Final = tuple(name for pair in _NEWER_PAGES.values() for name in pair)
_OF_VIEWS: Final = (*_FILTERS, NEWER, *_OLDER_PAGES, *_OF_NEWER_VIEWS)
_OF_LISTS: Final = (
    *_FILTERS,
    NEWER,
    "startTime",
    "endTime",
    "per_page",
    "perPage",
    "cursor",
    "granularity",
)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
# Stands for every integer with too many digits for int(): a second of no year.
_NO_SECOND: Final = 10**18
_MAX_PARAMETERS: Final = 32


class HttpError(Exception):
    """An error response: HTTP status, the error's id, and a message for the client."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.id = id
        self.message = message


class MethodNotAllowed(HttpError):
    """A 405, with the methods that are allowed."""

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        message = f"Method {method} is not allowed: use {' or '.join(allowed)}."
        super().__init__(405, "method_not_allowed", message)
        self.allowed = allowed


def bad_parameter(message: str) -> HttpError:
    """A 400 for the value of a parameter."""
    return HttpError(400, "bad_parameter", message)


def parse_query(query: bytes) -> dict[str, str]:
    """The query's parameters, none of them twice."""
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
        raise bad_parameter(message) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        message = f"The parameter {repeated!r} is given more than once."
        raise bad_parameter(message)
    return parameters


def is_newer(parameters: Mapping[str, str], *, of_list: bool) -> bool:
    """Whether a request asks for the newer generation, after a check of its parameters' names.

    Raises:
        HttpError: a parameter is unknown to the route, or belongs to the other generation.
    """
    known = _OF_LISTS if of_list else _OF_VIEWS
    for name in parameters:
        if name not in known:
            message = (
                f"Unknown parameter {name!r}; the nearest known one is {_nearest(name, known)}."
            )
            raise HttpError(400, "unknown_parameter", message)
    value = parameters.get(NEWER, "false")
    if value not in {"true", "false"}:
        message = f"{NEWER} {value!r} is neither true nor false."
        raise bad_parameter(message)
    newer = value == "true"
    others = () if of_list else _OLDER_PAGES if newer else _OF_NEWER_VIEWS
    for name in others:
        if name in parameters:
            raise bad_parameter(_of_other_generation(name, newer=newer))
    return newer


def _of_other_generation(name: str, *, newer: bool) -> str:
    if newer:
        return (
            f"{name} cannot be combined with {NEWER}=true: use teamsPage, projectsPage or "
            f"resourcesPage and their PerPage, or omit {NEWER}."
        )
    return f"{name} requires {NEWER}=true, which is missing."


def _nearest(name: str, known: tuple[str, ...]) -> str:
    """The known name most like a name; the first of equally near ones."""
    folded = name.casefold()
    return max(known, key=lambda one: SequenceMatcher(None, folded, one.casefold()).ratio())


def level_pages(parameters: Mapping[str, str]) -> tuple[tuple[str, Page], ...]:
    """The pages of levels, of those that are asked for; one of the pair is enough."""
    return tuple(
        (level, _page(parameters, *names))
        for level, names in _NEWER_PAGES.items()
        if not parameters.keys().isdisjoint(names)
    )


def older_page(parameters: Mapping[str, str]) -> Page | None:
    """The page of the deepest level, if it is asked for."""
    asked = not parameters.keys().isdisjoint(_OLDER_PAGES)
    return _page(parameters, *_OLDER_PAGES) if asked else None


def _page(parameters: Mapping[str, str], number: str, size: str) -> Page:
    return Page(
        _bounded(number, parameters.get(number, "1"), MAX_PAGE),
        _bounded(size, parameters.get(size, str(DEFAULT_PER_PAGE)), MAX_PER_PAGE),
    )


def list_page_size(parameters: Mapping[str, str]) -> int:
    """How many entries a page of a list has at most."""
    names = [name for name in ("per_page", "perPage") if name in parameters]
    if len(names) > 1:
        message = "per_page and perPage are the same parameter: give only one."
        raise bad_parameter(message)
    return _bounded(names[0], parameters[names[0]], MAX_PER_PAGE) if names else DEFAULT_PER_PAGE


def _bounded(name: str, text: str, most: int) -> int:
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= most:
        message = f"{name} {text!r} is not an integer from 1 to {most}."
        raise bad_parameter(message)
    return int(text)


def bound(name: str, parameters: Mapping[str, str]) -> int | None:
    """An end of a list's window in Unix seconds, in the years 0001 to 9999."""
    text = parameters.get(name)
    if text is None:
        return None
    found = seconds(name, text)
    try:
        check_year(found * 1_000)
    except ValueError as error:
        message = f"{name} {text} {error}."
        raise HttpError(400, "bad_timestamp", message) from None
    return found


def seconds(name: str, text: str) -> int:
    """Unix seconds; of too many digits for any year, a number that is in none."""
    if not _INTEGER.fullmatch(text):
        message = f"{name} {text!r} is not an integer: use Unix seconds."
        raise HttpError(400, "bad_timestamp", message)
    try:
        return int(text)
    except ValueError:
        return _NO_SECOND
