"""What the server caches: a revision's views and list items are read once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hourtally.model.hours import Hour
from hourtally.published.document_index import DocumentKind
from hourtally.published.reader import read_document
from hourtally.published.views import Filters
from hourtally.server import hour_figures, usage
from hourtally.server.requests import ListRequest, ViewRequest
from hourtally.server.responses import Response
from hourtally.server.usage import PublishedUsage
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest
from tests.support.handwritten_revisions import document, publish

HOUR = 1795352400  # 2026-11-22T13
WHOLE = ViewRequest(HOUR, Filters(None, None, None))
OF_ONE_TEAM = ViewRequest(HOUR, Filters("web", None, None))
LIST = ListRequest(WHOLE.filters, start=None, end=None, after=None, per_page=50)
# What a cached response takes besides its body.
OVERHEAD_BYTES = 1_024


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    publish(home, Hour(HOUR), {"acme": document(HOUR, cpu="3"), "globex": document(HOUR, cpu="7")})
    return home


@pytest.fixture
def read_customers_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The customers whose documents were read from disk, in order."""
    log: list[str] = []

    def read_and_log(manifest: Manifest, customer: str, kind: DocumentKind) -> bytes:
        log.append(customer)
        return read_document(manifest, customer, kind)

    for module in (hour_figures, usage):
        monkeypatch.setattr(module, read_document.__name__, read_and_log)
    return log


def ask(published: PublishedUsage, customer: str, request: ViewRequest = WHOLE) -> Response:
    """As the application asks: the cache first."""
    return published.cached_view(customer, request) or published.view(customer, request)


def test_a_view_is_read_once(home: Home, read_customers_log: list[str]) -> None:
    published = PublishedUsage(home)

    responses = [ask(published, "acme") for _ in range(3)]

    assert [response.body for response in responses] == [document(HOUR, cpu="3")] * 3
    assert read_customers_log == ["acme"]


def test_every_customer_and_filter_has_its_own_view(
    home: Home, read_customers_log: list[str]
) -> None:
    published = PublishedUsage(home)

    for _ in range(2):
        assert ask(published, "acme").body == document(HOUR, cpu="3")
        assert ask(published, "globex").body == document(HOUR, cpu="7")
        of_one_team = json.loads(ask(published, "acme", OF_ONE_TEAM).body)
        assert of_one_team["data"]["paasUsage"]["price"]["total"] == 0

    assert read_customers_log == ["acme", "globex", "acme"]


def test_a_restatement_replaces_cached_views(home: Home) -> None:
    published = PublishedUsage(home)
    ask(published, "acme")

    publish(home, Hour(HOUR), {"acme": document(HOUR, cpu="5")}, revision=2)

    assert published.cached_view("acme", WHOLE) is None
    assert ask(published, "acme").body == document(HOUR, cpu="5")


def test_a_view_larger_than_the_whole_cache_is_served_uncached(
    home: Home, read_customers_log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(document(HOUR, cpu="3")) + OVERHEAD_BYTES
    monkeypatch.setattr(usage, "_CACHED_VIEW_BYTES", size - 1)
    published = PublishedUsage(home)

    for _ in range(2):
        assert ask(published, "acme").body == document(HOUR, cpu="3")

    assert published.cached_view("acme", WHOLE) is None
    assert read_customers_log == ["acme", "acme"]


def test_a_full_cache_drops_the_view_that_was_not_used_for_longest(
    home: Home, read_customers_log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for two of the three: the documents of acme, globex and of nobody are equally long.
    size = len(document(HOUR, cpu="3")) + OVERHEAD_BYTES
    monkeypatch.setattr(usage, "_CACHED_VIEW_BYTES", 2 * size)
    published = PublishedUsage(home)

    for customer in ("acme", "globex", "acme", "nobody"):
        ask(published, customer)

    assert published.cached_view("globex", WHOLE) is None
    assert published.cached_view("acme", WHOLE) is not None
    assert read_customers_log == ["acme", "globex", "nobody"]


def test_the_items_of_a_list_are_read_once(home: Home, read_customers_log: list[str]) -> None:
    published = PublishedUsage(home)

    first, second = (published.list("acme", LIST) for _ in range(2))

    assert first == second
    assert json.loads(first.body)["data"]["usage"][0]["paasUsage"]["price"]["total"] == 3
    assert read_customers_log == ["acme"]
