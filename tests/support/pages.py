"""A site in this process, and what its pages say."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from hourtally.model.hours import Hour
from hourtally.server.pages import PageSources, Site, Visitors
from hourtally.server.usage import PublishedUsage
from hourtally.store.layout import Home

HOST = b"127.0.0.1:8081"


@dataclass
class Answer:
    """A response, decoded."""

    status: int
    text: str
    headers: dict[str, str]
    customer: str | None

    @property
    def links(self) -> list[str]:
        """The addresses that it links to."""
        return [html.unescape(one) for one in re.findall(r'<a [^>]*?href="([^"#]+)', self.text)]

    @property
    def words(self) -> str:
        """Its text without tags, in one line."""
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", self.text))).strip()


@dataclass
class Visitor:
    """Visits a site, with cookies as a browser has them."""

    site: Site
    host: bytes = HOST
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, address: str, **headers: str) -> Answer:
        return self._send(address, None, headers)

    def post(self, address: str, form: Mapping[str, str], **headers: str) -> Answer:
        return self._send(address, urlencode(form).encode(), headers)

    def form_token(self, answer: Answer) -> str:
        """What the form of a page bears."""
        [token] = re.findall(r'name="form" value="([0-9a-f]+)"', answer.text)
        return str(token)

    def _send(self, address: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        path, _, query = address.partition("?")
        sent = [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ]
        if not any(name == b"host" for name, _ in sent):
            sent.append((b"host", self.host))
        if self.cookies:
            joined = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            sent.append((b"cookie", joined.encode()))
        response, customer = self.site.respond(path.encode(), query.encode(), sent, body, "http")
        found = {name.decode(): value.decode() for name, value in response.headers}
        if "set-cookie" in found:
            name, _, value = found["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return Answer(response.status, response.body.decode(), found, customer)


def sources(home: Home | Path, now: str) -> PageSources:
    home = Home(home) if isinstance(home, Path) else home
    now_ms = Hour.parse(now).start_ms + 1_800_000
    return PageSources(home, lambda: now_ms, usage=PublishedUsage(home))


def operator(root: Path, now: str) -> Visitor:
    """The operator of a home; now: an hour, half past which it is."""
    return Visitor(Site(sources(root, now), Visitors(is_operator=True)))


def operator_of(home: Home, now: str) -> Visitor:
    """As `operator`, also of a home in a bucket."""
    return Visitor(Site(sources(home, now), Visitors(is_operator=True)))


def customer(root: Path, now: str, id_: str) -> Visitor:
    """Whoever looks at a server for one customer."""
    return Visitor(Site(sources(root, now), Visitors(customer=id_)))
