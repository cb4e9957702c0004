"""Forms as they come over a connection: too large, too slow, with other methods."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from hourtally.server.tokens import add_token
from tests.support.homes.eventful_home import NOW, eventful_home
from tests.support.http_server import WAIT_SECONDS, Served, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("forms")
    home = eventful_home(folder)
    add_token(home.tokens, "acme", 0)
    quick = ("from hourtally.server import slow_clients", "slow_clients.REQUEST_SECONDS = 0.5")
    with serving(home.root, "--now", NOW, log=folder / "log", program=quick) as served:
        yield served


def test_a_form_that_is_too_large_is_refused_and_the_connection_closed(served: Served) -> None:
    answer = httpx.post(f"{served.url}/signin", data={"token": "x" * 10_000})

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_a_form_that_does_not_arrive_frees_its_connection(served: Served) -> None:
    head = b"POST /signin HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nform="

    assert served.raw(head).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/", "GET, HEAD"),
        ("POST", "/hours/x", "GET, HEAD"),
        ("DELETE", "/signin", "GET, HEAD, POST"),
    ],
)
def test_pages_are_got_and_only_two_forms_are_posted(
    served: Served, method: str, path: str, allowed: str
) -> None:
    response = httpx.request(method, served.url + path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert httpx.post(f"{served.url}/nowhere").status_code == 404


def test_a_page_is_logged_without_its_query(served: Served) -> None:
    served.get("/hours/2026-11-22T13?teamId=secret")

    # The line follows the response.
    ends = time.monotonic() + WAIT_SECONDS
    while "path=/hours/2026" not in (log := served.log.read_text()):
        assert time.monotonic() < ends, log
        time.sleep(0.01)
    assert "method=GET path=/hours/2026-11-22T13 status=401" in log
    assert "secret" not in log


def test_the_api_takes_no_session(served: Served) -> None:
    with httpx.Client(base_url=served.url) as client:
        client.get("/")
        assert client.get("/v1/billing/usage").status_code == 401
