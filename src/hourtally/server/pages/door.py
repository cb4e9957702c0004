"""Signing in with a token, and out again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.page_requests import PageRequest
from hourtally.server.pages.rendering import Page, redirect, render
from hourtally.server.pages.security import (
    check_origin,
    cookie,
    forged,
    read_cookie,
)
from hourtally.server.pages.sessions import SESSION_SECONDS, Sessions
from hourtally.server.responses import Response

CustomerOf = Callable[[bytes | None], str | None]
"""The customer of a token; None if it is not valid."""

SIGN_IN: Final = ("signin",)
SIGN_OUT: Final = ("signout",)
_WRONG_TOKEN: Final = "This token is not valid. Ask whoever gave it to you for another one."


@dataclass
class Visit:
    """One request's visitor, as far as it is known.

    Attributes:
        customer: who has signed in, or whose pages there are.
        signed_in: what the form to sign out needs.
        roots: what paths of the home may begin with; it is not worth showing.
    """

    is_operator: bool
    roots: tuple[str, ...]
    customer: str | None = None
    signed_in: dict[str, str] | None = None

    def common(self) -> dict[str, Any]:
        """The variables that every page has."""
        return {
            "customer": None,
            "addresses": Addresses(),
            "is_operator": self.is_operator,
            "signed_in": self.signed_in,
            "section": "",
            "roots": self.roots,
        }


class Door:
    """Lets customers in who have a token. Every form bears a token of its own against forgery."""

    def __init__(self, customer_of: CustomerOf, seconds: Callable[[], float]) -> None:
        self._customer_of = customer_of
        self._sessions = Sessions(seconds)

    def open(self, request: PageRequest, visit: Visit) -> Response | None:
        """Say in `visit` who has signed in; or the response to who has not, and to forms.

        Raises:
            HttpError: a form does not come from one of our pages.
            TokensError: the tokens file cannot be read.
        """
        key = read_cookie(request.headers, is_secure=request.is_secure)
        if request.form is not None:
            return self._posted(request, key, visit)
        token = None if key is None else self._sessions.token_of(key)
        customer = None if token is None else self._customer_of(token)
        if key is None or customer is None:
            return self._sign_in_page(request, visit, key, address=request.target)
        if request.path in {SIGN_IN, SIGN_OUT}:
            return redirect("/")
        visit.customer = customer
        visit.signed_in = {"customer": customer, "form_token": self._sessions.form_token(key)}
        return None

    def _posted(self, request: PageRequest, key: str | None, visit: Visit) -> Response:
        form = request.form or {}
        check_origin(request.headers)
        if key is None or not self._sessions.is_form_token(key, form.get("form", "")):
            raise forged()
        self._sessions.sign_out(key)
        if request.path == SIGN_OUT:
            return redirect("/", cookie("", is_secure=request.is_secure, seconds=0))
        token = form.get("token", "").strip().encode()
        customer = self._customer_of(token) if token else None
        address = form.get("address", "/")
        if customer is None:
            return self._sign_in_page(request, visit, key, address=address, problem=_WRONG_TOKEN)
        new = self._sessions.sign_in(token)
        header = cookie(new, is_secure=request.is_secure, seconds=SESSION_SECONDS)
        return redirect(address if _is_ours(address) else "/", header)

    def _sign_in_page(
        self,
        request: PageRequest,
        visit: Visit,
        key: str | None,
        *,
        address: str,
        problem: str = "",
    ) -> Response:
        """The form, and the cookie that it must come back with; one for all tabs of a browser."""
        headers = []
        if key is None:
            key = self._sessions.new_key()
            headers.append(cookie(key, is_secure=request.is_secure))
        content = {
            "title": "Sign in",
            "form_token": self._sessions.form_token(key),
            "address": address if _is_ours(address) else "/",
            "problem": problem,
        }
        # 200 at the top, where everybody starts; elsewhere a page is refused.
        status = 200 if not request.path or request.path == SIGN_IN else 401
        page = Page("sign_in", content, 403 if problem else status)
        return render(page, visit.common(), *headers)


def _is_ours(address: str) -> bool:
    """Whether an address is a path of this server: with two slashes it would be another's."""
    return (
        address.startswith("/")
        and not address.startswith(("//", "/\\"))
        and address.isascii()
        and address.isprintable()
    )
