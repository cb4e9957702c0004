"""Parse the request of a page: its path, its query, and its form where it has one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from hourtally.errors import InvalidArgument
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.hours import Hour
from hourtally.published.views import Filters
from hourtally.server.parameters import HttpError, bad_parameter, parse_query
from hourtally.server.responses import Header

MAX_FORM_BYTES: Final = 8_192
_MOST_DIGITS: Final = 9


@dataclass(frozen=True)
class PageRequest:
    """A request for a page.

    Attributes:
        path: its segments, percent-decoded; of `/` none.
        form: the fields of a posted form; None where nothing is posted.
        target: path and query as they came.
        is_secure: whether it came over TLS, here or to a proxy that says so.
    """

    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    target: str = "/"
    is_secure: bool = False

    def allow(self, *names: str) -> None:
        """Refuse parameters that the page does not have.

        Raises:
            HttpError: there is another one.
        """
        for name in self.query:
            if name not in names:
                message = f"This page has no parameter {name!r}."
                raise HttpError(400, "unknown_parameter", message)

    def number(self, name: str) -> int | None:
        """A parameter that is a whole number from 1."""
        text = self.query.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text)):
            message = f"{name} {text!r} is not a whole number from 1."
            raise bad_parameter(message)
        return int(text)

    def hour(self, name: str) -> Hour | None:
        """A parameter that is an hour; an empty one is left out."""
        text = self.query.get(name)
        return parse_hour(text) if text else None

    def filters(self) -> Filters:
        """The filters, by the names that the API gives them; an empty one is none."""
        resource_type = self.query.get("resourceType") or None
        if resource_type is not None and resource_type not in RESOURCE_TYPES:
            message = f"Unknown resourceType {resource_type!r}: use {', '.join(RESOURCE_TYPES)}."
            raise HttpError(400, "unknown_resource_type", message)
        return Filters(
            self.query.get("teamId") or None, self.query.get("projectId") or None, resource_type
        )


def read_page_request(
    raw_path: bytes, query: bytes, headers: Iterable[Header], body: bytes | None, scheme: str
) -> PageRequest:
    """A request as it came; body: of a posted form.

    Raises:
        HttpError: the path, the query or the form is malformed.
    """
    by_name: dict[bytes, bytes] = {}
    for name, value in headers:
        # Cookies may come in several headers (RFC 9113); of others the last one counts.
        joined = name == b"cookie" and name in by_name
        by_name[name] = by_name[name] + b"; " + value if joined else value
    return PageRequest(
        path=tuple(_segments(raw_path)),
        query=parse_query(query),
        headers=by_name,
        form=None if body is None else parse_query(body),
        target=(raw_path + (b"?" + query if query else b"")).decode("latin-1"),
        is_secure=scheme == "https" or _forwarded_scheme(by_name) == b"https",
    )


def _forwarded_scheme(headers: Mapping[bytes, bytes]) -> bytes:
    """What the client spoke to the first of several proxies."""
    return headers.get(b"x-forwarded-proto", b"").partition(b",")[0].strip().lower()


def _segments(raw_path: bytes) -> Iterable[str]:
    parts = raw_path.split(b"/")[1:]
    for raw in parts if parts != [b""] else []:
        try:
            text = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            message = "The percent-decoded path is not UTF-8."
            raise bad_parameter(message) from None
        # See `addresses`: an id that a browser would take for a step.
        yield text.removeprefix("\x1f")


def parse_hour(text: str) -> Hour:
    """An hour of a path or query. No event lies before 1970.

    Raises:
        HttpError: it is not one, or lies before 1970.
    """
    try:
        hour = Hour.parse(text)
    except InvalidArgument as error:
        raise HttpError(400, "bad_timestamp", f"{error}.") from None
    if hour.timestamp < 0:
        message = f"{text!r} lies before 1970, when there are no events."
        raise HttpError(400, "bad_timestamp", message)
    return hour
