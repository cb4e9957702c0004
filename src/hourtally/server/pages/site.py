"""Which page an address is of, and who may see it.

Three kinds of visitors: of a server with a tokens file, who sign in; of a server for one customer;
and the operator of a home (`hourtally ui`), who sees all customers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from hourtally.errors import (
    HourNotPublished,
    HourtallyError,
    InvalidArgument,
    NotFound,
    Pruned,
    TokensError,
)
from hourtally.model.hours import Hour
from hourtally.model.printable import printable_message
from hourtally.server.pages import addresses as names
from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.customer_page import customer_page
from hourtally.server.pages.day_page import day_page
from hourtally.server.pages.door import CustomerOf, Door, Visit
from hourtally.server.pages.hour_page import Asked, hour_page
from hourtally.server.pages.hour_revisions import Viewer
from hourtally.server.pages.operator import customers
from hourtally.server.pages.operator.overview import day, overview
from hourtally.server.pages.operator.rates import rates
from hourtally.server.pages.page_requests import PageRequest, parse_hour, read_page_request
from hourtally.server.pages.rendering import Page, asset, render, warm_up
from hourtally.server.pages.security import HEADERS, check_host
from hourtally.server.pages.sources import PageSources
from hourtally.server.parameters import METHODS, HttpError
from hourtally.server.requests import ViewRequest
from hourtally.server.responses import Header, Response, conditional

log = logging.getLogger("hourtally.server")

Routed = Page | Response
_FORMS: Final = (b"/signin", b"/signout")
# The first parts of the paths of a customer's pages.
_SECTIONS: Final = ([b"assets"], [b"days"], [b"hours"], [b"signin"], [b"signout"])
_FILTERS: Final = ("teamId", "projectId", "resourceType")


@dataclass(frozen=True)
class Visitors:
    """Who may visit.

    Attributes:
        is_operator: the operator of the home, and nobody else.
        customer: the only customer whose pages there are; None where visitors sign in.
        customer_of: the customer of a token; None if it is not valid.
        seconds: the clock that sessions end by.
    """

    is_operator: bool = False
    customer: str | None = None
    customer_of: CustomerOf = lambda _: None
    seconds: Callable[[], float] = time.monotonic


class Site:
    """The pages of a home; safe to share between threads."""

    def __init__(self, sources: PageSources, visitors: Visitors) -> None:
        self._sources = sources
        self._visitors = visitors
        needs_token = not visitors.is_operator and visitors.customer is None
        # Saves the first request 40 ms.
        warm_up("customer", "hour")
        self._door = Door(visitors.customer_of, visitors.seconds) if needs_token else None

    def methods(self, raw_path: bytes) -> tuple[str, ...]:
        """By which methods a path is a page, to which `respond` has the response."""
        if self._visitors.is_operator:
            # The operator's pages are all that there is.
            return METHODS
        if raw_path in _FORMS:
            return (*METHODS, "POST")
        section = raw_path.split(b"/")[1:2]
        return METHODS if raw_path == b"/" or section in _SECTIONS else ()

    def respond(
        self,
        raw_path: bytes,
        query: bytes,
        headers: Iterable[Header],
        body: bytes | None,
        scheme: str,
    ) -> tuple[Response, str | None]:
        """The response to a request, and whose page it is. No error of a page leaves it."""
        home = self._sources.home
        visit = Visit(self._visitors.is_operator, (home.place, str(home.root)))
        try:
            request = read_page_request(raw_path, query, headers, body, scheme)
            routed = self._route(request, visit)
        except Exception as error:
            routed = self._error_page(error)
        response = routed if isinstance(routed, Response) else render(routed, visit.common())
        return response, visit.customer

    def _error_page(self, error: Exception) -> Page:
        if isinstance(error, HttpError):
            return _error_page(error.status, error.message)
        if not isinstance(error, HourtallyError):
            log.error("a page failed", exc_info=error)
            return _error_page(500, "This page failed. The server's log says why.")
        if isinstance(error, Pruned):
            message = "The files of this revision were removed to save space."
            return _error_page(404, message)
        if isinstance(error, HourNotPublished | NotFound):
            message = "There is nothing of that name in this hour."
            return _error_page(404, str(error) if self._visitors.is_operator else message)
        log.error("%s", printable_message(str(error)))
        if isinstance(error, InvalidArgument):
            return _error_page(400, self._explained(error))
        status = 503 if isinstance(error, TokensError) else 500
        return _error_page(status, self._explained(error))

    def _explained(self, error: HourtallyError) -> str:
        """What to say of an error: paths and customers in it are for the operator."""
        if self._visitors.is_operator:
            return str(error)
        return "This page cannot be shown right now. The server's log says why."

    def _route(self, request: PageRequest, visit: Visit) -> Routed:
        path = request.path
        if len(path) == 2 and path[0] == "assets":
            return asset(path[1]) or _not_found()
        if self._visitors.customer is not None or self._visitors.is_operator:
            check_host(request.headers)
        if self._visitors.is_operator:
            return self._operator_route(request)
        if self._door is not None:
            answer = self._door.open(request, visit)
            if answer is not None:
                return answer
        else:
            visit.customer = self._visitors.customer
        viewer = Viewer(visit.customer, is_operator=False)
        return self._customer_route(request, path, viewer, Addresses())

    def _operator_route(self, request: PageRequest) -> Routed:
        """A page of all customers, or of any."""
        sources, path = self._sources, request.path
        match path:
            case ():
                request.allow("until")
                return overview(sources, request.hour("until"))
            case ("days", name):
                request.allow()
                return day(sources, parse_hour(name))
            case ("hours", name):
                request.allow()
                return customers.hour(sources, parse_hour(name))
            case ("hours", name, names.CHANGES):
                viewer = Viewer(None, is_operator=True)
                return self._changes(request, parse_hour(name), viewer)
            case ("customers",):
                return customers.customers(sources, request)
            case ("customers", customer, *rest):
                viewer = Viewer(customer, is_operator=True)
                return self._customer_route(request, tuple(rest), viewer, Addresses(customer))
            case ("batches" | "quarantine" as name,):
                # Imported here, as it loads DuckDB.
                from hourtally.server.pages.operator import files

                page = files.batches if name == "batches" else files.quarantine
                return page(sources, request)
            case ("rates",):
                return rates(sources, request)
            case _:
                return _not_found()

    def _customer_route(
        self, request: PageRequest, path: tuple[str, ...], viewer: Viewer, addresses: Addresses
    ) -> Routed:
        """A page of one customer; path: what stands behind the customer's own page."""
        assert viewer.customer is not None
        match path:
            case ():
                request.allow("until")
                page = customer_page(self._sources, viewer, addresses, request.hour("until"))
            case ("days", day):
                request.allow()
                page = day_page(self._sources, viewer, addresses, parse_hour(day))
            case ("hours", name):
                page = self._hour(request, parse_hour(name), viewer, addresses)
            case ("hours", name, names.CHANGES):
                page = self._changes(request, parse_hour(name), viewer)
            case ("hours", name, names.EXPLAIN):
                page = self._explain(request, parse_hour(name), viewer, addresses)
            case ("hours", name, kind) if kind in {names.DOCUMENT, names.USAGE}:
                return self._json(request, parse_hour(name), viewer.customer, kind)
            case _:
                return _not_found()
        extra = {"customer": viewer.customer, "addresses": addresses}
        return page._replace(content=page.content | extra)

    def _hour(self, request: PageRequest, hour: Hour, viewer: Viewer, addresses: Addresses) -> Page:
        request.allow(*_FILTERS, "page", "revision")
        page, revision = request.number("page") or 1, request.number("revision")
        asked = Asked(viewer, hour, request.filters(), page, revision)
        return hour_page(self._sources, asked, addresses)

    def _explain(
        self, request: PageRequest, hour: Hour, viewer: Viewer, addresses: Addresses
    ) -> Page:
        # Imported here, as it loads DuckDB.
        from hourtally.server.pages.explain_page import explain_page

        request.allow("resourceId")
        resource = request.query.get("resourceId", "")
        return explain_page(self._sources, viewer, hour, resource, addresses)

    def _changes(self, request: PageRequest, hour: Hour, viewer: Viewer) -> Page:
        # Imported here, as it loads DuckDB.
        from hourtally.server.pages.changes_page import changes_page

        request.allow("before", "after")
        before, after = request.number("before"), request.number("after")
        return changes_page(self._sources, viewer, hour, before, after)

    def _json(self, request: PageRequest, hour: Hour, customer: str, kind: str) -> Response:
        """The same bytes as the API's, as safe from other sites as a page."""
        request.allow(*_FILTERS)
        view = ViewRequest(hour.timestamp, request.filters(), newer=kind == names.USAGE)
        response = self._sources.usage.view(customer, view)
        if (if_none_match := request.headers.get(b"if-none-match")) is not None:
            response = conditional(response, if_none_match)
        return response._replace(headers=[*response.headers, *HEADERS])


def _not_found() -> Page:
    return _error_page(404, "There is no such page.")


def _error_page(status: int, message: str) -> Page:
    return Page("error", {"title": f"Error {status}", "message": message}, status)
