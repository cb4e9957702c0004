"""Hostile clients: malformed, huge, slow or many requests, and attempts at others' data."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from hourtally.model.hours import Hour
from hourtally.server.tokens import add_token
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, publish
from tests.support.http_server import WAIT_SECONDS, Served, received, serving
from tests.torture.hostile.measured_command import needs_proc
from tests.torture.hostile.mutations import mutated

HOURS = (1795341600, 1795345200, 1795348800, 1795352400)
LIST = "/v1/billing/usage"
VIEW = f"{LIST}/{HOURS[0]}"
# Some differ only in case or normalisation, or mean something in a path or a pattern.
CUSTOMERS = ("acme", "Acme", "acme/web", "..", "%61cme", "é", "e\u0301", "*")
# The server of these tests drops slow clients after one second instead of ten.
IMPATIENT = (
    "from hourtally.server import slow_clients",
    "slow_clients.REQUEST_SECONDS = slow_clients.RESPONSE_SECONDS = 1.0",
)


class Customer(NamedTuple):
    """number: unique to it. secret: text that only its documents contain."""

    number: int
    token: str
    secret: str


class Fleet(NamedTuple):
    """A server for several customers."""

    served: Served
    customers: list[Customer]


def secret_of(index: int) -> str:
    return f"secret-{index:03d}-of-one-customer"


def own_document(timestamp: int, index: int) -> bytes:
    """A document whose prices and team no other customer has."""
    cents = f"{index + 1}.{timestamp % 1_000_000_000:09d}".rstrip("0")
    price = f'"price":{{"total":{cents},"cpu":{cents},"memory":0,"storage":0,"gpu":0}}'
    team = (
        f'{{"id":"web","name":"{secret_of(index)}",{price},"projects":[{{"id":"p","name":"p",'
        f'{price},"resourceTypes":[{{"resourceType":"service",{price},"resources":[{{"id":"r",'
        f'"name":"r",{price}}}]}}]}}]}}'
    )
    return document(timestamp, cpu=cents, teams=team)


def cents_of(timestamp: int, index: int) -> float:
    data = json.loads(own_document(timestamp, index))["data"]
    return float(data["paasUsage"]["price"]["total"])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    home = Home(folder / "home")
    for timestamp in HOURS:
        documents = {id_: own_document(timestamp, i) for i, id_ in enumerate(CUSTOMERS)}
        publish(home, Hour(timestamp), documents)
    customers = [
        Customer(index, add_token(home.tokens, id_, 0), secret_of(index))
        for index, id_ in enumerate(CUSTOMERS)
    ]
    with serving(home.root, log=folder / "log", program=IMPATIENT) as served:
        yield Fleet(served, customers)


def send_random_requests(fleet: Fleet, seed: int, count: int) -> None:
    """Requests of all customers over one connection; each must get its own data only.

    They carry ETags, cursors and filters that were issued to another customer, or to nobody.
    """
    chance = random.Random(seed)
    etags = ["*x", '""', 'W/"a"']
    cursors = ["", "x"]
    with httpx.Client(base_url=fleet.served.url, timeout=WAIT_SECONDS) as client:
        for _ in range(count):
            me = chance.choice(fleet.customers)
            timestamp = chance.choice(HOURS)
            team = chance.choice(["", "/teams/web", "/teams/other"])
            path = chance.choice(
                [f"/v1{team}/billing/usage/{timestamp}", f"/v1{team}/billing/usage"]
            )
            query = chance.choice(["", "?teamId=web", "?projectId=p", "?per_page=1"])
            if "per_page" in query and chance.random() < 0.5:
                query += f"&cursor={chance.choice(cursors)}"
            headers = {"Authorization": f"Bearer {me.token}"}
            if chance.random() < 0.5:
                headers["If-None-Match"] = chance.choice(etags)
            response = client.get(path + query, headers=headers)
            if response.status_code == 304:
                # Whoever got this ETag first: it is the one of my own bytes.
                own = client.get(path + query, headers={"Authorization": f"Bearer {me.token}"})
                assert own.headers["etag"] == headers["If-None-Match"]
                assert response.content == b""
                response = own
            assert response.status_code in {200, 400}
            others = (secret for _, _, secret in fleet.customers if secret != me.secret)
            assert not any(secret.encode() in response.content for secret in others)
            if response.status_code == 400:
                continue
            body = response.json()
            etags.append(response.headers["etag"])
            if path.endswith("usage"):
                cursors.append(body["pagination"].get("cursor", "x"))
                lines = body["data"]["usage"]
                totals = {line["timestamp"]: line["paasUsage"]["price"]["total"] for line in lines}
            else:
                totals = {timestamp: body["data"]["paasUsage"]["price"]["total"]}
            for hour, total in totals.items():
                nothing = team == "/teams/other" and "teamId" not in query
                assert total == (0 if nothing else cents_of(hour, me.number))


def test_no_customer_ever_sees_another_customers_document(fleet: Fleet, long: bool) -> None:
    threads = 4
    count = 5_000 if long else 60
    with ThreadPoolExecutor(threads) as pool:
        tasks = [pool.submit(send_random_requests, fleet, seed, count) for seed in range(threads)]
        for task in tasks:
            task.result()


@pytest.mark.parametrize("how", ["cut", "longer", "other case", "digest", "spaces", "percent"])
def test_an_almost_right_token_is_rejected(fleet: Fleet, how: str) -> None:
    token = fleet.customers[0].token
    near = {
        "cut": token[:-1],
        "longer": token + "A",
        "other case": token.swapcase(),
        "digest": fleet.served.log.parent.joinpath("home/tokens.ndjson").read_text()[:64],
        "spaces": f"{token[:10]} {token[10:]}",
        "percent": token.replace("_", "%5F"),
    }[how]
    assert fleet.served.get(VIEW, near).status_code == 401
    assert fleet.served.get(VIEW, token).status_code == 200


def head(target: str | bytes, token: str | None = None, *more: str) -> bytes:
    raw = target if isinstance(target, bytes) else target.encode()
    lines = ["Host: x", *([f"Authorization: Bearer {token}"] if token else []), *more]
    return b"GET " + raw + b" HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines).encode()


def send_raw(served: Served, request: bytes, *, then_silent: bool = False) -> bytes:
    """All bytes until the server closes or drops the connection.

    `then_silent` closes the sending side, so an incomplete request ends.
    """
    with (
        socket.create_connection(served.address, timeout=WAIT_SECONDS) as client,
        contextlib.suppress(OSError),
    ):
        client.sendall(request)
        if then_silent:
            client.shutdown(socket.SHUT_WR)
        return received(client)
    return b""


def statuses(responses: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in responses.split(b"HTTP/1.1 ")[1:]]


def assert_still_responds(fleet: Fleet) -> None:
    me = fleet.customers[0]
    assert me.secret in fleet.served.get(VIEW + "?teamId=web", me.token).text


@pytest.mark.parametrize(
    "target",
    [
        *(f"{LIST}/..%2f..%2f..%2fetc%2fpasswd", f"{LIST}/%2e%2e/%2e%2e/tokens.ndjson"),
        *(f"{LIST}/%c0%ae%c0%ae%c0%af", f"{LIST}/..%c0%af..", f"{LIST}/%252e%252e%252f"),
        *(
            f"{LIST}//{HOURS[0]}",
            f"//{LIST}/{HOURS[0]}",
            f"{LIST}/./{HOURS[0]}",
            f"{LIST}/{HOURS[0]}/",
        ),
        *(f"{LIST}/{HOURS[0]}/..", f"{LIST}/{HOURS[0]}%2f..", f"{LIST}\\{HOURS[0]}", f"{LIST};x=1"),
        *(f"{LIST}/{HOURS[0]}%00", f"{LIST}/%00", f"{LIST}/{HOURS[0]}%0a", f"{LIST}/%u0031"),
        *(f"/V1/billing/usage/{HOURS[0]}", f"/v1/billing/usage%2f{HOURS[0]}", "*", "/%"),
        *("/v1/teams/../billing/usage", "/v1/teams//billing/usage", "/v1/teams/%/billing/usage/x"),
        *("/tokens.ndjson", "/hours/2026-11-22T10/000001.json", "/openapi.json/../tokens.ndjson"),
        f"http://x{VIEW}",
        f"{LIST}/" + "9" * 8_000,
        f"{LIST}/{HOURS[0]}#fragment",
    ],
)
def test_a_malformed_path_finds_nothing(fleet: Fleet, target: str) -> None:
    me = fleet.customers[0]
    response = send_raw(fleet.served, head(target, me.token, "Connection: close") + b"\r\n")
    [status] = statuses(response)
    # It may be taken for a team that has no usage, or for a page, which takes no bearer token.
    assert status in {400, 401, 404} or b'"teams":[]' in response or b'"total":0,' in response
    assert b"root:" not in response
    assert b"sha256" not in response
    assert me.secret.encode() not in response


def test_a_target_with_raw_bytes_is_rejected(fleet: Fleet) -> None:
    token = fleet.customers[0].token
    for raw in (b"\0", b"\xff", b"\x1b[31m", b"\x7f", " \u202e".encode(), b"\n", b"\r"):
        request = head(VIEW.encode() + raw, token) + b"\r\n"
        response = send_raw(fleet.served, request, then_silent=True)
        assert set(statuses(response)) <= {400, 404}, raw
    assert_still_responds(fleet)


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5, 6"],
        ["Content-Length: -1"],
        ["Content-Length: +5"],
        ["Content-Length: 5x"],
        ["Content-Length: " + "9" * 30],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 0"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding : chunked"],
        [" Transfer-Encoding: chunked"],
        ["X: y\r\n Content-Length: 5"],
        ["X"],
        [": x"],
        ["Host: y"],
    ],
    ids=lambda lines: " + ".join(lines)[:50],
)
def test_a_request_smuggled_in_a_body_is_never_answered(fleet: Fleet, lines: list[str]) -> None:
    me, other = fleet.customers[:2]
    # A server that misreads the first head takes this for a second request, of another customer.
    smuggled = b"0\r\n\r\n" + head(VIEW, other.token, "Connection: close") + b"\r\n"
    response = send_raw(fleet.served, head(VIEW, me.token, *lines) + b"\r\n" + smuggled)
    # If the first head is valid, the rest is not a request but stray bytes.
    assert statuses(response) in ([400], [401], [200], [200, 400], [401, 400])
    assert other.secret.encode() not in response
    assert_still_responds(fleet)


def test_a_chunked_body_is_followed_by_the_next_request(fleet: Fleet) -> None:
    me, other = fleet.customers[:2]
    first = head(VIEW, me.token, "Transfer-Encoding: chunked") + b"\r\n0\r\n\r\n"
    second = head(VIEW + "?teamId=web", other.token, "Connection: close") + b"\r\n"
    responses = send_raw(fleet.served, first + second).split(b"HTTP/1.1 ")[1:]
    assert [response[:3] for response in responses] == [b"200", b"200"]
    assert other.secret.encode() not in responses[0]
    assert other.secret.encode() in responses[1]


def test_the_body_of_a_get_is_skipped_and_is_not_a_request(fleet: Fleet) -> None:
    me, other = fleet.customers[:2]
    inner = head(VIEW, other.token) + b"\r\n"
    request = head(VIEW, me.token, f"Content-Length: {len(inner)}") + b"\r\n" + inner
    response = send_raw(fleet.served, request + head(LIST, me.token, "Connection: close") + b"\r\n")
    # It may also close the connection after a request with a body.
    assert statuses(response) in ([200], [200, 200])
    assert other.secret.encode() not in response


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /" + b"a" * (1 << 20),
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (1 << 20),
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(50_000)),
        b"GET "
        + f"{VIEW}?".encode()
        + b"&".join(b"a%d=1" % n for n in range(50_000))
        + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"a" * (1 << 20) + b"\r\n\r\n",
        b"\0" * (1 << 20),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        f"GET {VIEW} HTTP/9.9\r\n\r\n".encode(),
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=[
        *("long target", "long header", "many headers", "many parameters", "long token"),
        *("zeros", "TLS", "HTTP/2", "HTTP/9.9", "no target", "no host"),
    ],
)
def test_a_huge_or_malformed_head_is_rejected_at_once(fleet: Fleet, request_head: bytes) -> None:
    response = send_raw(fleet.served, request_head)
    assert set(statuses(response)) <= {400, 401, 404, 414, 431, 505}
    assert_still_responds(fleet)


def test_the_server_survives_any_bytes(fleet: Fleet, long: bool) -> None:
    me = fleet.customers[0]
    seed = head(f"{VIEW}?teamId=web&projectId=p", me.token, "If-None-Match: *") + b"\r\n"
    tokens = [b"\r\n", b"\n", b"\0", b"%", b"%ff", b"?", b"&", b"//", b"..", b": ", b"HTTP/1.0"]
    for number in range(5_000 if long else 150):
        request = mutated([seed], tokens, random.Random(number))
        response = send_raw(fleet.served, request, then_silent=True)
        assert set(statuses(response)) <= {200, 304, 400, 401, 404, 405, 414, 431, 505}
        assert not any(other.secret.encode() in response for other in fleet.customers[1:])
    assert_still_responds(fleet)


def send_until_dropped(client: socket.socket, trickle: Iterator[bytes]) -> int:
    """Send a piece now and then until the server drops the connection; how many were sent."""
    deadline = time.monotonic() + WAIT_SECONDS
    client.settimeout(0.1)
    for sent, piece in enumerate(trickle):
        assert time.monotonic() < deadline, "a slow client is never dropped"
        with contextlib.suppress(TimeoutError):
            try:
                client.sendall(piece)
                if client.recv(1) == b"":
                    return sent
            except ConnectionError:
                return sent
    raise AssertionError


@pytest.mark.parametrize("start", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_never_ends_its_request_is_dropped_and_others_are_served(
    fleet: Fleet, start: bytes
) -> None:
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(fleet.served.address)) for _ in range(50)
        ]
        for client in clients:
            client.sendall(start)
        assert_still_responds(fleet)
        trickle = itertools.repeat(b"" if not start else b"a")
        send_until_dropped(clients[0], trickle)
        for client in clients[1:]:
            client.settimeout(WAIT_SECONDS)
            with contextlib.suppress(ConnectionError):
                while client.recv(4_096):
                    pass
        assert_still_responds(fleet)


def test_a_client_that_never_ends_its_body_is_dropped(fleet: Fleet) -> None:
    me = fleet.customers[0]
    with socket.create_connection(fleet.served.address) as client:
        client.sendall(head(VIEW, me.token, "Content-Length: 1000000") + b"\r\n")
        client.settimeout(0.1)
        deadline = time.monotonic() + WAIT_SECONDS
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    client.sendall(b"a")
                    if client.recv(4_096) == b"":
                        break
        assert time.monotonic() < deadline
    assert_still_responds(fleet)


def sockets_of(served: Served) -> int:
    """How many sockets the server has open."""
    needs_proc()
    found = 0
    for descriptor in Path(f"/proc/{served.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += "socket:" in str(descriptor.readlink())
    return found


def large_teams() -> str:
    """8,000 teams of more than 1 KB each."""
    price = '"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}'
    resource = f'{{"id":"r","name":"r",{price}}}'
    of_type = f'{{"resourceType":"service",{price},"resources":[{resource}]}}'
    project = f'{{"id":"p","name":"p",{price},"resourceTypes":[{of_type}]}}'
    return ",".join(
        f'{{"id":"{number}","name":"{"n" * 1_000}",{price},"projects":[{project}]}}'
        for number in range(1_000, 9_000)
    )


def test_a_client_that_does_not_take_an_answer_is_dropped_and_others_are_served(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    publish(home, Hour(HOURS[0]), {"acme": document(HOURS[0], teams=large_teams())})
    arguments = ("--customer", "acme")
    with serving(home.root, *arguments, log=tmp_path / "log", program=IMPATIENT) as served:
        whole = len(served.get(VIEW).content)
        assert whole > 8_000_000
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(served.address)
            client.sendall((head(VIEW) + b"\r\n") * 20)
            client.settimeout(WAIT_SECONDS)
            assert client.recv(8) == b"HTTP/1.1"
            # Read nothing more until the server gives up.
            before, deadline = sockets_of(served), time.monotonic() + WAIT_SECONDS
            while sockets_of(served) >= before:
                assert time.monotonic() < deadline, "a client that does not read is never dropped"
                assert served.get(LIST).status_code == 200
            with contextlib.suppress(ConnectionError):
                assert len(received(client)) < 20 * whole


def test_the_server_survives_more_connections_than_it_may_open(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish(home, Hour(HOURS[0]), {"acme": own_document(HOURS[0], 0)})
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))"
    arguments = ("--customer", "acme")
    with (
        serving(home.root, *arguments, log=tmp_path / "log", program=(few, *IMPATIENT)) as served,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(200):
            stack.enter_context(socket.create_connection(served.address))
        # It waits for the idle ones to be dropped, then responds.
        response = served.get(f"{VIEW}?teamId=web")
        assert secret_of(0) in response.text
        # It logs this, at most once a second.
        said = served.log.read_text().count("Too many open files")
        assert 0 < said < 50
