"""Render templates. Numbers are integers until they are printed, as exact decimals."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from hourtally.model.money import format_cents, format_currency, format_hours
from hourtally.model.printable import counted, printable
from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.security import HEADERS, NO_STORE
from hourtally.server.responses import Header, Response

_TYPES: Final = {"css": b"text/css; charset=utf-8", "svg": b"image/svg+xml"}
_FOREVER: Final[Header] = (b"cache-control", b"public, max-age=31536000, immutable")
_DIGEST_DIGITS: Final = 12
# Per cent with three digits.
_WHOLE: Final = 100_000


class Page(NamedTuple):
    """A page to render. template: its name without `.html`. content: its variables."""

    template: str
    content: dict[str, Any]
    status: int = 200


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hourtally.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cents": format_cents,
        "currency": format_currency,
        "hours": format_hours,
        "signed": signed_cents,
        "share": share,
        "stacked": stacked,
        "printable": printable,
        "in_home": in_home,
    }
    environment.globals |= {
        "asset": asset_address,
        "counted": counted,
        "customer_address": lambda customer: Addresses(customer).top,
    }
    return environment


def warm_up(*templates: str) -> None:
    """Compile templates before they are asked for, with all that they include."""
    for name in (*templates, "heat_map", "parts", "revisions"):
        _environment().get_template(f"{name}.html")


def render(page: Page, common: dict[str, Any], *headers: Header) -> Response:
    """A page as a response; common: variables that every page has."""
    template = _environment().get_template(f"{page.template}.html")
    text = template.render(common | page.content)
    # An id from a path may have what no text has.
    body = text.encode("utf-8", "backslashreplace")
    kind = (b"content-type", b"text/html; charset=utf-8")
    length = (b"content-length", b"%d" % len(body))
    return Response(page.status, [kind, length, NO_STORE, *HEADERS, *headers], body)


def redirect(address: str, *headers: Header) -> Response:
    """See another page (after a form)."""
    length = (b"content-length", b"0")
    location = (b"location", address.encode())
    return Response(303, [location, length, NO_STORE, *HEADERS, *headers], b"")


def asset(name: str) -> Response | None:
    """A style sheet or image; None if there is none of that name."""
    body = _assets().get(name)
    if body is None:
        return None
    kind = (b"content-type", _TYPES[name.rpartition(".")[2]])
    length = (b"content-length", b"%d" % len(body))
    return Response(200, [kind, length, _FOREVER, *HEADERS], body)


def asset_address(name: str) -> str:
    """The address of an asset, which changes with its content."""
    return f"/assets/{name}?{hashlib.sha256(_assets()[name]).hexdigest()[:_DIGEST_DIGITS]}"


@cache
def _assets() -> dict[str, bytes]:
    folder = files("hourtally.server.pages") / "assets"
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


def signed_cents(nanocents: int) -> str:
    """A difference, with its sign."""
    return f"+{format_cents(nanocents)}" if nanocents > 0 else format_cents(nanocents)


def share(part: int, whole: int) -> str:
    """A share in per cent, with one digit: half to even, in whole numbers."""
    if not whole:
        return "-"
    scaled, rest = divmod(part * 1_000, whole)
    if 2 * rest > whole or (2 * rest == whole and scaled % 2):
        scaled += 1
    return f"{scaled // 10}.{scaled % 10} %"


def in_home(text: object, roots: Sequence[str]) -> str:
    """A text with paths as they are inside the home. roots: how paths of the home may begin."""
    either = "|".join(map(re.escape, roots))
    return re.sub(rf"(?<![^\s(])(?:{either})/", "", str(text))


def stacked(parts: Sequence[tuple[str, int]], whole: int) -> Iterator[tuple[str, str]]:
    """Where each part of a stacked bar begins and how wide it is, in per cent; whole numbers."""
    begun = 0
    for _, part in parts:
        first, begun = begun, begun + part
        x, end = (at * _WHOLE // whole if whole else 0 for at in (first, begun))
        yield _percent(x), _percent(end - x)


def _percent(thousandths: int) -> str:
    return f"{thousandths // 1_000}.{thousandths % 1_000:03d}%"
