"""One connection: the order of responses, keep-alive, and what HTTP/1.1 asks of a server."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from hourtally.model.hours import Hour
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, publish
from tests.support.http_server import WAIT_SECONDS, Served, serving

HOUR = 1795352400  # 2026-11-22T13
LIST = "/v1/billing/usage"
VIEW = f"{LIST}/{HOUR}"
IMPATIENT = ("from hourtally.server import slow_clients", "slow_clients.REQUEST_SECONDS = 1.0")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("connection")
    publish(Home(folder), Hour(HOUR), {"acme": document(HOUR, cpu="3")})
    arguments = ("--customer", "acme")
    with serving(folder, *arguments, log=folder / "log", program=IMPATIENT) as served:
        yield served


def head(target: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    first = f"{method} {target} HTTP/{version}"
    return "".join(f"{line}\r\n" for line in (first, "Host: x", *lines, "")).encode()


def statuses(responses: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", responses)]


def test_responses_come_in_the_order_of_the_requests(served: Served) -> None:
    # A list takes a thread, health and errors do not; with 1,000 of them reading must pause.
    targets = [LIST, "/healthz", VIEW, "/none"] * 250

    responses = served.raw(b"".join(map(head, targets)) + head("/healthz", "Connection: close"))

    assert statuses(responses) == [200, 200, 200, 404] * 250 + [200]
    parts = responses.split(b"HTTP/1.1 ")[1:5]
    assert [part.endswith(b"\r\n\r\nok\n") for part in parts] == [False, True, False, False]
    assert parts[2].endswith(b"\r\n\r\n" + document(HOUR, cpu="3"))


def test_a_head_request_gets_the_headers_of_a_get_and_no_body(served: Served) -> None:
    [of_get, of_head] = (
        served.raw(head(VIEW, "Connection: close", method=method)).partition(b"\r\n\r\n")
        for method in ("GET", "HEAD")
    )

    assert re.sub(rb"date: [^\r]*", b"", of_get[0]) == re.sub(rb"date: [^\r]*", b"", of_head[0])
    assert (of_get[2], of_head[2]) == (document(HOUR, cpu="3"), b"")
    assert re.search(rb"\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", of_get[0])


@pytest.mark.parametrize(
    "last", [head(VIEW, "Connection: close"), head(VIEW, version="1.0")], ids=["close", "HTTP/1.0"]
)
def test_the_last_response_says_close_and_nothing_is_answered_after_it(
    served: Served, last: bytes
) -> None:
    responses = served.raw(head(VIEW) + last + head(VIEW)).split(b"HTTP/1.1 ")[1:]

    assert [b"\r\nconnection: close\r\n" in response for response in responses] == [False, True]


def test_after_malformed_bytes_earlier_requests_are_answered_first(served: Served) -> None:
    responses = served.raw(head(LIST) + b"not HTTP\r\n\r\n")

    assert statuses(responses) == [200, 400]
    assert b'{"error":{"status":400,' in responses


@pytest.mark.parametrize("hosts", [[], ["Host: x", "Host: x"]])
def test_a_request_has_one_host(served: Served, hosts: list[str]) -> None:
    lines = [f"GET {VIEW} HTTP/1.1", *hosts, ""]

    assert statuses(served.raw("".join(f"{line}\r\n" for line in lines).encode())) == [400]


def test_a_client_may_ask_for_http_2_and_gets_http_1(served: Served) -> None:
    upgrade = head(
        VIEW, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"
    )

    assert statuses(served.raw(upgrade + head(LIST, "Connection: close"))) == [200, 200]


def test_a_client_is_told_to_send_the_body_it_announces(served: Served) -> None:
    with socket.create_connection(served.address, timeout=WAIT_SECONDS) as client:
        announced = ("Expect: 100-continue", "Content-Length: 3")
        # Behind a request that takes a thread.
        client.sendall(head(LIST) + head(VIEW, *announced, method="POST"))
        responses = b""
        while not responses.endswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
            responses += client.recv(1 << 16)
        client.sendall(b"abc" + head("/healthz", "Connection: close"))
        while part := client.recv(1 << 16):
            responses += part

    assert statuses(responses) == [200, 100, 405, 200]


@pytest.mark.slow
def test_a_body_that_does_not_end_gets_408(served: Served) -> None:
    responses = served.raw(head(VIEW, "Content-Length: 5") + b"a")

    assert statuses(responses) == [408]
    assert b'"id":"body_too_slow"' in responses


@pytest.mark.slow
def test_an_idle_connection_is_closed(served: Served) -> None:
    with socket.create_connection(served.address, timeout=WAIT_SECONDS) as client:
        client.sendall(head(VIEW))
        assert statuses(client.recv(1 << 16)) == [200]
        assert client.recv(1) == b""
