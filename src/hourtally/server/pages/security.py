"""What keeps a page to itself: response headers, cookies, and where a request may come from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from hourtally.server.parameters import HttpError
from hourtally.server.responses import Header

# No script at all, and nothing from anywhere else: not even a style in an attribute.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[tuple[Header, ...]] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Addresses bear ids. With "no-referrer" a posted form would come with the Origin "null".
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# After signing out nobody finds a page by going back.
NO_STORE: Final[Header] = (b"cache-control", b"no-store")
_SESSION: Final = "hourtally-session"


def cookie_name(*, is_secure: bool) -> str:
    """The name of the session's cookie. `__Host-`: no other host may have set it."""
    return f"__Host-{_SESSION}" if is_secure else _SESSION


def read_cookie(headers: Mapping[bytes, bytes], *, is_secure: bool) -> str | None:
    """The value of the session's cookie."""
    wanted = cookie_name(is_secure=is_secure)
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted and value:
            return value
    return None


def cookie(value: str, *, is_secure: bool, seconds: int | None = None) -> Header:
    """The header that sets the session's cookie; without seconds it goes with the browser."""
    parts = [
        f"{cookie_name(is_secure=is_secure)}={value}",
        "Path=/",
        "HttpOnly",
        "SameSite=Strict",
        *([] if seconds is None else [f"Max-Age={seconds}"]),
        *(["Secure"] if is_secure else []),
    ]
    return b"set-cookie", "; ".join(parts).encode()


def check_host(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request for a name that is not this machine's own.

    Any site may have its name resolve to 127.0.0.1 (DNS rebinding), and its pages would then read
    ours; but the browser still sends the site's name.

    Raises:
        HttpError: the Host header is missing, or is neither a loopback address nor localhost.
    """
    host = headers.get(b"host", b"").decode("latin-1")
    if not is_loopback_host(host):
        message = f"The Host header {host!r} does not name this machine: use its address."
        raise HttpError(421, "misdirected_request", message)


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names the machine itself."""
    if "@" in host:
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a form that another site sent.

    Raises:
        HttpError: the browser says that it comes from elsewhere.
    """
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site", b"same-origin")
    host = headers.get(b"host", b"")
    elsewhere = origin is not None and origin.partition(b"://")[2] != host
    if elsewhere or site not in {b"same-origin", b"none"}:
        raise forged()


def forged() -> HttpError:
    """The response to a form that does not come from one of our pages."""
    message = "This form has expired or was not sent from here. Go back, reload, and try again."
    return HttpError(403, "forged_form", message)
