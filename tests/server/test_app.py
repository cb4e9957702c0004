"""The HTTP API (contract, section 9), through a running server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from hourtally.model.hours import Hour
from hourtally.server.tokens import add_token
from hourtally.store.layout import Home
from tests.support.command_line import NOW, ROOT, hourtally
from tests.support.handwritten_revisions import document, flip_byte, publish
from tests.support.http_server import Served, serving

# 2026-11-22T10 to T13.
HOURS = (1795341600, 1795345200, 1795348800, 1795352400)
BYOC = '"byocUsage":{"price":{"total":4,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":4}}'


def price(cents: str) -> str:
    return f'"price":{{"total":{cents},"cpu":{cents},"memory":0,"storage":0,"gpu":0}}'


def team(name: str, cents: str) -> str:
    """A team whose charges are all for the cpu of one service, in one project."""
    return (
        f'{{"id":"{name}","name":"{name}",{price(cents)},"projects":[{{"id":"p","name":"p",'
        f'{price(cents)},"resourceTypes":[{{"resourceType":"service",{price(cents)},'
        f'"resources":[{{"id":"r","name":"r",{price(cents)}}}]}}]}}]}}'
    )


def acme(timestamp: int) -> bytes:
    """1 cent of team a and 2 of team b/c are 3; and 4 for clusters."""
    return document(timestamp, cpu="3", cluster="4", teams=f"{team('a', '1')},{team('b/c', '2')}")


def publish_hour(home: Home, timestamp: int) -> None:
    documents = {"acme": acme(timestamp), "globex": document(timestamp, cpu="7")}
    publish(home, Hour(timestamp), documents)


def usage(timestamp: int) -> str:
    return f"/v1/billing/usage/{timestamp}"


class Api:
    """A server, and a token for each of two customers."""

    def __init__(self, served: Served, home: Home, acme_token: str, globex_token: str) -> None:
        self.served = served
        self.home = home
        self.acme_token = acme_token
        self.globex_token = globex_token

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.served.get(path, self.acme_token, **headers)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("server")
    home = Home(folder / "home")
    for timestamp in HOURS:
        publish_hour(home, timestamp)
    # An hour whose first build is in progress, and folders that are not hours.
    (home.hours / "2026-11-22T14" / "rev-000001-00").mkdir(parents=True)
    (home.hours / "notes").mkdir()
    (home.hours / "1795356000").mkdir()
    acme_token, globex_token = (add_token(home.tokens, c, 0) for c in ("acme", "globex"))
    with serving(home.root, log=folder / "log") as served:
        yield Api(served, home, acme_token, globex_token)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(ROOT / "data" / "sample", folder / "home")
    assert hourtally("run", "--home", folder / "home", "--now", NOW).returncode == 3
    with serving(folder / "home", "--customer", "acme", log=folder / "log") as served:
        yield folder / "home", served


FILTERS = [
    [pair for pair in chosen if pair is not None]
    for chosen in product(
        (None, ("team", "web")), (None, ("project", "shop")), (None, ("type", "addon"))
    )
]
NAMES = {"team": "teamId", "project": "projectId", "type": "resourceType"}


@pytest.mark.parametrize("filters", FILTERS, ids=lambda f: "+".join(n for n, _ in f) or "none")
def test_a_view_has_the_bytes_that_show_prints(
    sample: tuple[Path, Served], filters: list[tuple[str, str]]
) -> None:
    home, served = sample
    options = [part for name, value in filters for part in (f"--{name}", value)]
    # 2026-11-02T09, the first hour of the sample.
    shown = hourtally(
        "show", "1793610000", "--customer", "acme", "--json", "--home", home, *options
    )
    query = "&".join(f"{NAMES[name]}={value}" for name, value in filters)

    response = served.get(f"{usage(1793610000)}?{query}")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.content + b"\n" == shown.stdout.encode()


def test_the_team_of_a_path_is_the_filter_of_that_team(api: Api) -> None:
    by_query = api.get(f"{usage(HOURS[0])}?teamId=a")
    by_path = api.get(f"/v1/teams/a/billing/usage/{HOURS[0]}")
    by_both = api.get(f"/v1/teams/a/billing/usage/{HOURS[0]}?teamId=a")

    assert [t["id"] for t in by_query.json()["data"]["paasUsage"]["teams"]] == ["a"]
    assert by_path.content == by_query.content
    assert by_both.content == by_query.content


def test_an_id_with_a_slash_is_percent_encoded(api: Api) -> None:
    response = api.get(f"/v1/teams/b%2Fc/billing/usage/{HOURS[0]}")

    assert response.json()["data"]["paasUsage"]["price"]["total"] == 2


@pytest.mark.parametrize("name", ["..", "%2e%2e", "none", "a%00", "%C3%A9", "%F0%9F%98%80", "%2F"])
def test_an_unknown_team_gives_no_teams(api: Api, name: str) -> None:
    status = api.served.status_of(
        f"/v1/teams/{name}/billing/usage/{HOURS[0]}", token=api.acme_token
    )

    assert status == 200
    if name != "..":  # httpx would resolve it
        response = api.get(f"/v1/teams/{name}/billing/usage/{HOURS[0]}")
        assert response.json()["data"]["paasUsage"]["teams"] == []


def test_a_customer_without_events_has_the_zero_document(api: Api) -> None:
    token = add_token(api.home.tokens, "initech", 0)

    data = api.served.get(usage(HOURS[0]), token).json()["data"]

    assert data["timestamp"] == HOURS[0]
    assert data["paasUsage"] == {"price": dict.fromkeys(data["paasUsage"]["price"], 0), "teams": []}


def test_a_token_shows_the_documents_of_its_customer_only(api: Api) -> None:
    for path in (usage(HOURS[0]), "/v1/billing/usage", f"/v1/teams/a/billing/usage/{HOURS[0]}"):
        ours, theirs = api.get(path), api.served.get(path, api.globex_token)
        assert (ours.status_code, theirs.status_code) == (200, 200)
        assert ours.headers["etag"] != theirs.headers["etag"]
        again = api.served.get(path, api.globex_token, if_none_match=ours.headers["etag"])
        assert again.content == theirs.content
    # Globex has 7 cents and no teams.
    assert theirs.json()["data"]["paasUsage"]["teams"] == []
    assert api.served.get(usage(HOURS[0]), api.globex_token).content == document(HOURS[0], cpu="7")


@pytest.mark.parametrize(
    "path", [usage(HOURS[0]), f"{usage(HOURS[0])}?teamId=a", "/v1/billing/usage"]
)
def test_a_known_etag_gets_304_without_a_body(api: Api, path: str) -> None:
    etag = api.get(path).headers["etag"]

    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        response = api.get(path, if_none_match=known)
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert api.get(path, if_none_match='"other"').status_code == 200


def test_every_view_has_its_own_etag(api: Api) -> None:
    paths = [f"{usage(HOURS[0])}{query}" for query in ("", "?teamId=a", "?projectId=a")]
    etags = {api.get(path).headers["etag"] for path in [*paths, usage(HOURS[1])]}

    assert len(etags) == 4


def test_a_head_has_the_headers_of_a_get_and_no_body(api: Api) -> None:
    for path in (usage(HOURS[0]), "/v1/billing/usage", "/openapi.json"):
        whole = api.get(path)
        head = httpx.head(api.served.url + path, headers=whole.request.headers)
        assert (head.status_code, head.content) == (200, b"")
        dated = {"date": ""}
        assert {**head.headers, **dated} == {**whole.headers, **dated}


def page_of(response: httpx.Response) -> tuple[list[int], dict[str, Any]]:
    body = response.json()
    return [one["timestamp"] for one in body["data"]["usage"]], body["pagination"]


def test_a_list_has_the_published_hours_newest_first(api: Api) -> None:
    response = api.get("/v1/billing/usage")

    line = f'{{"timestamp":%d,"paasUsage":{{{price("3")}}},{BYOC}}}'
    lines = ",".join(line % timestamp for timestamp in reversed(HOURS))
    assert response.text == (
        f'{{"data":{{"usage":[{lines}]}},"pagination":{{"hasNextPage":false,"count":4}}}}'
    )


@pytest.mark.parametrize("name", ["per_page", "perPage"])
def test_cursors_lead_through_all_pages(api: Api, name: str) -> None:
    seen, query = [], f"{name}=3"
    first, pagination = page_of(api.get(f"/v1/billing/usage?{query}"))
    assert pagination.keys() == {"hasNextPage", "count", "cursor"}
    assert (first, pagination["hasNextPage"], pagination["count"]) == (
        list(reversed(HOURS))[:3],
        True,
        3,
    )
    rest, pagination = page_of(api.get(f"/v1/billing/usage?{query}&cursor={pagination['cursor']}"))
    seen = first + rest
    assert seen == list(reversed(HOURS))
    assert pagination == {"hasNextPage": False, "count": 1}


def test_a_page_with_exactly_the_last_hours_has_no_cursor(api: Api) -> None:
    _, pagination = page_of(api.get("/v1/billing/usage?per_page=4"))

    assert pagination == {"hasNextPage": False, "count": 4}


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        (f"startTime={HOURS[1]}", HOURS[1:]),
        (f"startTime={HOURS[1] + 1}", HOURS[2:]),
        (f"startTime={HOURS[1]}&endTime={HOURS[3]}", HOURS[1:3]),
        (f"startTime={HOURS[1]}&endTime={HOURS[3] + 1}", HOURS[1:]),
        (f"startTime={HOURS[1]}&endTime={HOURS[1]}", ()),
        ("startTime=-62135596800&endTime=253402300799", HOURS),
        ("startTime=253402300799", ()),
    ],
)
def test_the_range_of_a_list_is_half_open(api: Api, query: str, hours: tuple[int, ...]) -> None:
    seen, _ = page_of(api.get(f"/v1/billing/usage?{query}"))

    assert seen == list(reversed(hours))


def test_a_list_under_a_team_has_its_paas_price_and_all_of_byoc(api: Api) -> None:
    response = api.get("/v1/teams/b%2Fc/billing/usage?per_page=1")

    [line] = response.json()["data"]["usage"]
    assert json.dumps(line, separators=(",", ":")) == (
        f'{{"timestamp":{HOURS[3]},"paasUsage":{{{price("2")}}},{BYOC}}}'
    )


def test_a_list_has_the_prices_of_the_views_under_the_same_filters(
    sample: tuple[Path, Served],
) -> None:
    _, served = sample
    for query in ("", "?teamId=web", "?projectId=shop&resourceType=addon", "?resourceType=volume"):
        lines = served.get(f"/v1/billing/usage{query}").json()["data"]["usage"]
        assert len(lines) == 3
        for line in lines:
            data = served.get(usage(line["timestamp"]) + query).json()["data"]
            del data["paasUsage"]["teams"]
            assert line == data


def test_the_next_request_sees_a_restatement(api: Api) -> None:
    timestamp = 1795359600  # 2026-11-22T15
    assert api.get(usage(timestamp)).status_code == 404
    publish_hour(api.home, timestamp)
    before, theirs = (
        api.get(usage(timestamp)),
        api.served.get(usage(timestamp), api.globex_token),
    )
    assert before.json()["data"]["paasUsage"]["price"]["total"] == 3
    documents = {"acme": document(timestamp, cpu="5"), "globex": document(timestamp, cpu="7")}
    publish(api.home, Hour(timestamp), documents, revision=2)

    after = api.get(usage(timestamp), if_none_match=before.headers["etag"])
    line = api.get(f"/v1/billing/usage?startTime={timestamp}").json()["data"]["usage"][0]

    assert after.content == document(timestamp, cpu="5")
    assert line["paasUsage"]["price"]["total"] == 5
    # A customer whose document did not change keeps its ETag.
    etag = theirs.headers["etag"]
    kept = api.served.get(usage(timestamp), api.globex_token, if_none_match=etag)
    assert kept.status_code == 304
    shutil.rmtree(api.home.hour(Hour(timestamp)))


def test_a_revision_without_a_manifest_is_not_published(api: Api) -> None:
    timestamp = 1795363200  # 2026-11-22T16
    publish_hour(api.home, timestamp)
    before = api.get(usage(timestamp)).content
    manifest = publish(api.home, Hour(timestamp), {"acme": document(timestamp)}, revision=2)
    manifest.path.unlink()

    assert api.get(usage(timestamp)).content == before
    shutil.rmtree(api.home.hour(Hour(timestamp)))


def test_a_damaged_file_is_named_in_the_log_and_not_in_the_response(api: Api) -> None:
    timestamp = 1795366800  # 2026-11-22T17
    manifest = publish(
        api.home, Hour(timestamp), {"acme": acme(timestamp), "globex": document(timestamp)}
    )
    path = manifest.folder / "documents.ndjson"
    flip_byte(path, path.read_bytes().index(b'"id":"a"') + 6)

    response = api.get(usage(timestamp))

    assert response.status_code == 500
    assert response.json()["error"]["id"] == "damaged"
    assert str(api.home.root) not in response.text
    assert str(path) in api.served.log.read_text()
    assert api.served.get(usage(timestamp), api.globex_token).status_code == 200
    shutil.rmtree(api.home.hour(Hour(timestamp)))
