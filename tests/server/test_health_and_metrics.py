"""What operators' machines ask for: /healthz, and /metrics on a listener of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hourtally.server.tokens import add_token
from tests.metrics.test_home_facts import samples
from tests.support.command_line import hourtally
from tests.support.homes.eventful_home import NOW, eventful_home
from tests.support.http_server import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("metrics")
    home = eventful_home(folder)
    add_token(home.tokens, "acme", 0)
    arguments = ("--metrics-port", "0", "--now", NOW)
    with serving(home.root, *arguments, log=folder / "log") as served:
        yield served


def metrics_url(served: Served) -> str:
    match = re.search(r"metrics: (http://127\.0\.0\.1:\d+/metrics)", served.log.read_text())
    assert match is not None
    return match[1]


def test_health_needs_no_token(served: Served) -> None:
    answer = served.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert httpx.head(f"{served.url}/healthz").status_code == 200
    assert httpx.post(f"{served.url}/healthz").status_code == 405


def test_metrics_have_the_facts_of_the_home_and_the_requests_by_status(served: Served) -> None:
    before = samples(httpx.get(metrics_url(served)).text)
    served.get("/healthz")
    served.get("/v1/billing/usage")
    served.raw(b"not HTTP\r\n\r\n")

    after = samples(httpx.get(metrics_url(served)).text)

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more("hourtally_http_requests_total{status=200}") == 1
    assert more("hourtally_http_requests_total{status=401}") == 1
    assert more("hourtally_http_requests_total{status=400}") == 1
    assert more("hourtally_http_request_duration_seconds_count") == 3
    assert after["hourtally_hours{state=held}"] == 1
    assert after["hourtally_newest_published_hour_age_seconds"] == 5.5 * 3_600
    # Of a run, not of a server.
    assert "hourtally_run_exit_status" not in after


def test_the_metrics_listener_has_nothing_else_and_is_for_this_machine(served: Served) -> None:
    url = metrics_url(served)

    assert httpx.get(url.removesuffix("/metrics")).status_code == 404
    assert httpx.get(url + "/x").status_code == 404
    for method in ("POST", "HEAD"):
        refused = httpx.request(method, url)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 421
    assert served.get("/metrics").status_code == 404


def test_a_metrics_port_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    arguments = ("--customer", "acme", "--port", "0", "--metrics-port", "70000")
    done = hourtally("serve", "--home", tmp_path, *arguments)

    assert done.returncode == 2
    assert "--metrics-port 70000 is not 0 to 65535" in done.stderr
