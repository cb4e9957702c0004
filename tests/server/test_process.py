"""The server process: where it listens, what it logs, how it stops."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from hourtally.model.hours import Hour
from hourtally.server.tokens import add_token
from hourtally.store.layout import Home
from tests.support.command_line import hourtally
from tests.support.handwritten_revisions import document, publish
from tests.support.http_server import WAIT_SECONDS, received, serving

HOUR = 1795352400  # 2026-11-22T13
VIEW = f"/v1/billing/usage/{HOUR}"
# Leaves time for a signal during a response: it waits until a file appears.
PAUSED = (
    "import pathlib, time",
    "import hourtally.server.usage as usage",
    "whole = usage.paged_view",
    "def paused(*arguments):",
    "    pathlib.Path({begun!r}).touch()",
    "    while not pathlib.Path({go!r}).exists(): time.sleep(0.01)",
    "    return whole(*arguments)",
    "usage.paged_view = paused",
)


def wait_for(path: Path) -> None:
    ends = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert time.monotonic() < ends, f"{path} did not appear"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_finishes_requests_in_progress_before_it_stops(
    tmp_path: Path, number: signal.Signals
) -> None:
    publish(Home(tmp_path / "home"), Hour(HOUR), {"acme": document(HOUR, cpu="3")})
    begun, go = tmp_path / "begun", tmp_path / "go"
    paused = [text.format(begun=str(begun), go=str(go)) for text in PAUSED]
    with serving(
        tmp_path / "home", "--customer", "acme", log=tmp_path / "log", program=paused
    ) as served:
        with (
            socket.create_connection(served.address, timeout=WAIT_SECONDS) as client,
            socket.create_connection(served.address, timeout=WAIT_SECONDS) as idle,
        ):
            client.sendall(f"GET {VIEW} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_for(begun)

            served.process.send_signal(number)

            # The signal has arrived: a connection without a request is closed.
            assert received(idle) == b""
            assert served.process.poll() is None
            go.touch()
            response = received(client)
        status = served.process.wait(WAIT_SECONDS)

    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b"\r\n\r\n" + document(HOUR, cpu="3"))
    assert status == 0


def test_each_request_is_logged_without_its_query_and_token(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish(home, Hour(HOUR), {"acme": document(HOUR, cpu="3")})
    token = add_token(home.tokens, "acme", 0)
    with serving(home.root, log=tmp_path / "log") as served:
        body = served.get(f"{VIEW}?teamId=secret", token).content
        served.get("/v1/billing/usage/1", token)
        served.get(VIEW, "wrong")
        httpx.head(served.url + VIEW, headers={"Authorization": f"Bearer {token}"})

    lines = (tmp_path / "log").read_text().splitlines()
    instant = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    sizes = [rf"200 bytes={len(body)}", r"404 bytes=\d+", r"401 bytes=\d+", "200 bytes=0"]
    methods = ["GET", "GET", "GET", "HEAD"]
    customers = ['"acme"', '"acme"', "-", '"acme"']
    paths = [VIEW, "/v1/billing/usage/1", VIEW, VIEW]
    assert len(lines) == 4
    for text, method, path, size, customer in zip(
        lines, methods, paths, sizes, customers, strict=True
    ):
        form = (
            rf"{instant} method={method} path={path} status={size} ms=\d+\.\d\d customer={customer}"
        )
        assert re.fullmatch(form, text), text


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "give either --tokens FILE"),
        (("--customer", "acme", "--tokens", "{tokens}"), 2, "give either --tokens FILE"),
        (("--customer", "acme", "--host", "0.0.0.0"), 2, "is reachable from other machines"),
        (("--customer", "acme", "--host", "::"), 2, "is reachable from other machines"),
        (("--customer", ""), 2, "--customer is empty"),
        (("--customer", "acme", "--host", "no such host"), 2, "is not an address of this machine"),
        (("--customer", "acme", "--port", "65536"), 2, "--port 65536 is not 0 to 65535"),
        (("--tokens", "{home}/none"), 1, "no such tokens file"),
        (("--customer", "acme", "--port", "{taken}"), 1, "Address already in use"),
    ],
)
def test_a_server_that_cannot_or_must_not_listen_says_why(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    add_token(tmp_path / "tokens", "acme", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {
            "tokens": tmp_path / "tokens",
            "home": tmp_path,
            "taken": taken.getsockname()[1],
        }
        done = hourtally("serve", "--home", tmp_path, *(a.format(**names) for a in arguments))

    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_customer_does_not_override_the_tokens_file_of_the_home(tmp_path: Path) -> None:
    tokens = Home(tmp_path).tokens
    add_token(tokens, "acme", 0)
    # Port 65536 would fail next: a server that started would never end.
    arguments = ("serve", "--home", tmp_path, "--customer", "acme", "--port", "65536")
    done = hourtally(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"--customer would show everybody on this machine what {tokens} protects" in done.stderr
    assert "leave out --customer, or move the tokens file away" in done.stderr
    # Nor does a dangling link (its target is not mounted, say) let everybody in.
    tokens.rename(tmp_path / "elsewhere")
    tokens.symlink_to(tmp_path / "not-mounted")
    assert hourtally(*arguments).stderr == done.stderr
    tokens.unlink()
    assert "--port 65536 is not 0 to 65535" in hourtally(*arguments).stderr


def test_with_tokens_a_server_may_listen_on_every_address(tmp_path: Path) -> None:
    add_token(tmp_path / "tokens", "acme", 0)
    arguments = ("--host", "0.0.0.0", "--tokens", tmp_path / "tokens")
    with serving(tmp_path, *arguments, log=tmp_path / "log") as served:
        port = served.address[1]
        assert httpx.get(f"http://127.0.0.1:{port}/openapi.json").status_code == 200


def test_tokens_are_valid_from_adding_to_revoking_while_the_server_runs(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    publish(home, Hour(HOUR), {"acme": document(HOUR, cpu="3")})
    add_token(home.tokens, "globex", 0)
    with serving(home.root, log=tmp_path / "log") as served:
        token = hourtally("tokens", "add", "--customer", "acme", "--home", home.root).stdout.strip()
        assert served.get(VIEW, token).content == document(HOUR, cpu="3")
        listed = hourtally("tokens", "list", "--home", home.root).stdout.splitlines()
        [start] = [one.split()[0] for one in listed if one.endswith("acme")]
        hourtally("tokens", "remove", start, "--home", home.root)
        assert served.get(VIEW, token).status_code == 401

        home.tokens.write_text("not a token\n")
        response = served.get(VIEW, token)

    assert (response.status_code, response.json()["error"]["id"]) == (503, "tokens_unreadable")
