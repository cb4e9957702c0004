"""Requests from the bytes of a connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.server.request_reader import MAX_HEADER_BYTES, Request, RequestReader

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n"
HOST = (b"host", b"x")
CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
FORM = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b"


def read(*parts: bytes) -> tuple[list[Request], int | None]:
    """The requests, and the status of the error behind them."""
    reader = RequestReader()
    for part in parts:
        reader.feed(part)
    return list(reader.requests), None if reader.error is None else reader.error.status


def get(*headers: tuple[bytes, bytes], keeps_alive: bool = True) -> Request:
    return Request("GET", b"/a", b"b=c", [HOST, *headers], b"", "1.1", keeps_alive)


def post(*headers: tuple[bytes, bytes], body: bytes) -> Request:
    return Request("POST", b"/a", b"", [HOST, *headers], body, "1.1", keeps_alive=True)


CHUNKED_POST = post((b"transfer-encoding", b"chunked"), body=b"abc")


@pytest.mark.parametrize(
    ("sent", "requests", "status"),
    [
        (
            GET + b"\r\n" + GET + b"X:\r\nY: 1\r\n\r\n",
            [get(), get((b"x", b""), (b"y", b"1"))],
            None,
        ),
        (FORM + GET + b"\r\n", [post((b"content-length", b"3"), body=b"a=b"), get()], None),
        # Fields after a chunked body are no headers.
        (CHUNKED + b"3\r\nabc\r\n0\r\nHost: y\r\n\r\n", [CHUNKED_POST], None),
        # What follows the last request of a connection is ignored.
        (
            GET + b"Connection: close\r\n\r\n" + GET + b"\r\n",
            [get((b"connection", b"close"), keeps_alive=False)],
            None,
        ),
        (
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            [
                Request(
                    *("GET", b"/", b"", [(b"connection", b"keep-alive")], b"", "1.0"),
                    keeps_alive=False,
                )
            ],
            None,
        ),
        # Another protocol is asked for: the connection goes on with HTTP/1.1.
        (
            GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GET + b"\r\n",
            [get((b"connection", b"upgrade"), (b"upgrade", b"h2c")), get()],
            None,
        ),
        (GET + b"\r\n not HTTP", [get()], 400),
        (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", [], 400),
        (GET + b"X: a\r\n folded\r\n\r\n", [], 400),
        (GET + b"X : a\r\n\r\n", [], 400),
        (GET + b"X: \0\r\n\r\n", [], 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", [], 400),
        (b"GET / HTTP/2.0\r\n\r\n", [], 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", [], 400),
        (b"\x16\x03\x01\x02\x00", [], 400),
    ],
)
def test_requests_are_read_strictly(
    sent: bytes, requests: list[Request], status: int | None
) -> None:
    assert read(sent) == (requests, status)


def test_a_target_is_not_shortened() -> None:
    targets = [b"http://x/a", b"/a#b", b"//a", b"*", b"/a/../b", b"/%2e"]

    requests, _ = read(*(b"GET " + target + b" HTTP/1.1\r\n\r\n" for target in targets))

    assert [request.raw_path for request in requests] == targets


def test_a_method_that_the_parser_does_not_know_is_named() -> None:
    requests, status = read(b"BREW /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n")

    assert requests == [Request("BREW", b"/a", b"b=c", [], b"", "1.0", keeps_alive=False)]
    assert status is None
    # Behind another request, it is not known where its line begins.
    assert read(GET + b"\r\nBREW / HTTP/1.1\r\n\r\n") == ([get()], 400)


@given(st.lists(st.integers(0, 1 << 10), max_size=20))
def test_requests_do_not_depend_on_how_their_bytes_arrive(cuts: list[int]) -> None:
    upgrade = GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    sent = FORM + upgrade + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + FORM + b"no HTTP"
    ends = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})

    assert read(*(sent[start:end] for start, end in pairwise(ends))) == read(sent)


def test_a_head_is_limited_and_a_body_is_not() -> None:
    part = b"a" * 8_000
    long = b"GET / HTTP/1.1\r\nX: "

    assert read(long, part, part) == ([], None)
    assert read(long, part, part, part) == ([], 431)
    # Fields after a body count as the head does.
    assert read(CHUNKED, b"0\r\nX: ", part, part, part) == ([], 431)
    length = str(4 * len(part)).encode()
    whole = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n"
    [request], status = read(whole, part, part, part, part)
    assert status is None
    # One byte more than the largest form tells that it is too large.
    assert len(request.body) == 8_193
    # Many requests at once are not one large head.
    many = (GET + b"\r\n") * 1_000
    assert len(many) > MAX_HEADER_BYTES
    assert read(many + GET) == ([get()] * 1_000, None)


def test_a_client_that_waits_for_leave_to_send_its_body_is_known() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n")

    assert (reader.expects_continue, reader.is_in_body) == (True, True)
    reader.feed(b"a")
    assert (reader.expects_continue, reader.is_in_body) == (False, False)
