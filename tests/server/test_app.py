"""What the server answers (contract, section 9), asked over HTTP."""

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


class Asked:
    """A server, and a token of each of two customers."""

    def __init__(self, served: Served, home: Home, acme_token: str, globex_token: str) -> None:
        self.served = served
        self.home = home
        self.acme_token = acme_token
        self.globex_token = globex_token

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.served.get(path, self.acme_token, **headers)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("server")
    home = Home(folder / "home")
    for timestamp in HOURS:
        publish_hour(home, timestamp)
    # An hour whose first build is under way, and what is no hour at all.
    (home.hours / "2026-11-22T14" / "rev-000001-00").mkdir(parents=True)
    (home.hours / "notes").mkdir()
    (home.hours / "1795356000").mkdir()
    acme_token, globex_token = (add_token(home.tokens, c, 0) for c in ("acme", "globex"))
    with serving(home.root, log=folder / "log") as served:
        yield Asked(served, home, acme_token, globex_token)


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
def test_a_view_is_the_bytes_that_show_prints(
    sample: tuple[Path, Served], filters: list[tuple[str, str]]
) -> None:
    home, served = sample
    options = [part for name, value in filters for part in (f"--{name}", value)]
    # 2026-11-02T09, the first hour of the sample.
    shown = hourtally(
        "show", "1793610000", "--customer", "acme", "--json", "--home", home, *options
    )
    query = "&".join(f"{NAMES[name]}={value}" for name, value in filters)

    answer = served.get(f"{usage(1793610000)}?{query}")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content + b"\n" == shown.stdout.encode()


def test_the_team_of_a_path_is_the_filter_of_that_team(asked: Asked) -> None:
    by_query = asked.get(f"{usage(HOURS[0])}?teamId=a")
    by_path = asked.get(f"/v1/teams/a/billing/usage/{HOURS[0]}")
    by_both = asked.get(f"/v1/teams/a/billing/usage/{HOURS[0]}?teamId=a")

    assert [t["id"] for t in by_query.json()["data"]["paasUsage"]["teams"]] == ["a"]
    assert by_path.content == by_query.content
    assert by_both.content == by_query.content


def test_an_id_with_a_slash_is_asked_for_percent_encoded(asked: Asked) -> None:
    answer = asked.get(f"/v1/teams/b%2Fc/billing/usage/{HOURS[0]}")

    assert answer.json()["data"]["paasUsage"]["price"]["total"] == 2


@pytest.mark.parametrize("name", ["..", "%2e%2e", "none", "a%00", "%C3%A9", "%F0%9F%98%80", "%2F"])
def test_a_team_that_is_not_there_leaves_nothing(asked: Asked, name: str) -> None:
    status = asked.served.status_of(
        f"/v1/teams/{name}/billing/usage/{HOURS[0]}", token=asked.acme_token
    )

    assert status == 200
    if name != "..":  # which the client would resolve
        answer = asked.get(f"/v1/teams/{name}/billing/usage/{HOURS[0]}")
        assert answer.json()["data"]["paasUsage"]["teams"] == []


def test_a_customer_without_events_has_the_zero_document(asked: Asked) -> None:
    token = add_token(asked.home.tokens, "initech", 0)

    data = asked.served.get(usage(HOURS[0]), token).json()["data"]

    assert data["timestamp"] == HOURS[0]
    assert data["paasUsage"] == {"price": dict.fromkeys(data["paasUsage"]["price"], 0), "teams": []}


def test_a_token_gives_the_documents_of_its_customer_and_of_no_other(asked: Asked) -> None:
    for path in (usage(HOURS[0]), "/v1/billing/usage", f"/v1/teams/a/billing/usage/{HOURS[0]}"):
        ours, theirs = asked.get(path), asked.served.get(path, asked.globex_token)
        assert (ours.status_code, theirs.status_code) == (200, 200)
        assert ours.headers["etag"] != theirs.headers["etag"]
        again = asked.served.get(path, asked.globex_token, if_none_match=ours.headers["etag"])
        assert again.content == theirs.content
    # 7 cents are globex', and it has no teams.
    assert theirs.json()["data"]["paasUsage"]["teams"] == []
    assert asked.served.get(usage(HOURS[0]), asked.globex_token).content == document(
        HOURS[0], cpu="7"
    )


@pytest.mark.parametrize(
    "path", [usage(HOURS[0]), f"{usage(HOURS[0])}?teamId=a", "/v1/billing/usage"]
)
def test_what_the_client_has_is_not_sent_again(asked: Asked, path: str) -> None:
    etag = asked.get(path).headers["etag"]

    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = asked.get(path, if_none_match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert asked.get(path, if_none_match='"other"').status_code == 200


def test_every_view_has_its_own_etag(asked: Asked) -> None:
    paths = [f"{usage(HOURS[0])}{query}" for query in ("", "?teamId=a", "?projectId=a")]
    etags = {asked.get(path).headers["etag"] for path in [*paths, usage(HOURS[1])]}

    assert len(etags) == 4


def test_a_head_has_the_headers_of_a_get_and_no_body(asked: Asked) -> None:
    for path in (usage(HOURS[0]), "/v1/billing/usage", "/openapi.json"):
        whole = asked.get(path)
        head = httpx.head(asked.served.url + path, headers=whole.request.headers)
        assert (head.status_code, head.content) == (200, b"")
        dated = {"date": ""}
        assert {**head.headers, **dated} == {**whole.headers, **dated}


def page_of(answer: httpx.Response) -> tuple[list[int], dict[str, Any]]:
    body = answer.json()
    return [one["timestamp"] for one in body["data"]["usage"]], body["pagination"]


def test_a_list_has_the_published_hours_newest_first(asked: Asked) -> None:
    answer = asked.get("/v1/billing/usage")

    line = f'{{"timestamp":%d,"paasUsage":{{{price("3")}}},{BYOC}}}'
    lines = ",".join(line % timestamp for timestamp in reversed(HOURS))
    assert answer.text == (
        f'{{"data":{{"usage":[{lines}]}},"pagination":{{"hasNextPage":false,"count":4}}}}'
    )


@pytest.mark.parametrize("name", ["per_page", "perPage"])
def test_pages_follow_each_other_until_there_is_none(asked: Asked, name: str) -> None:
    seen, query = [], f"{name}=3"
    first, pagination = page_of(asked.get(f"/v1/billing/usage?{query}"))
    assert pagination.keys() == {"hasNextPage", "count", "cursor"}
    assert (first, pagination["hasNextPage"], pagination["count"]) == (
        list(reversed(HOURS))[:3],
        True,
        3,
    )
    rest, pagination = page_of(
        asked.get(f"/v1/billing/usage?{query}&cursor={pagination['cursor']}")
    )
    seen = first + rest
    assert seen == list(reversed(HOURS))
    assert pagination == {"hasNextPage": False, "count": 1}


def test_a_page_that_holds_exactly_the_rest_has_no_cursor(asked: Asked) -> None:
    _, pagination = page_of(asked.get("/v1/billing/usage?per_page=4"))

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
def test_a_list_begins_at_its_start_and_ends_before_its_end(
    asked: Asked, query: str, hours: tuple[int, ...]
) -> None:
    seen, _ = page_of(asked.get(f"/v1/billing/usage?{query}"))

    assert seen == list(reversed(hours))


def test_a_list_under_a_team_has_its_paas_price_and_all_of_byoc(asked: Asked) -> None:
    answer = asked.get("/v1/teams/b%2Fc/billing/usage?per_page=1")

    [line] = answer.json()["data"]["usage"]
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


def test_a_restatement_is_seen_by_the_next_request(asked: Asked) -> None:
    timestamp = 1795359600  # 2026-11-22T15
    assert asked.get(usage(timestamp)).status_code == 404
    publish_hour(asked.home, timestamp)
    before, theirs = (
        asked.get(usage(timestamp)),
        asked.served.get(usage(timestamp), asked.globex_token),
    )
    assert before.json()["data"]["paasUsage"]["price"]["total"] == 3
    documents = {"acme": document(timestamp, cpu="5"), "globex": document(timestamp, cpu="7")}
    publish(asked.home, Hour(timestamp), documents, revision=2)

    after = asked.get(usage(timestamp), if_none_match=before.headers["etag"])
    line = asked.get(f"/v1/billing/usage?startTime={timestamp}").json()["data"]["usage"][0]

    assert after.content == document(timestamp, cpu="5")
    assert line["paasUsage"]["price"]["total"] == 5
    # What did not change for a customer is still what it has.
    etag = theirs.headers["etag"]
    kept = asked.served.get(usage(timestamp), asked.globex_token, if_none_match=etag)
    assert kept.status_code == 304
    shutil.rmtree(asked.home.hour(Hour(timestamp)))


def test_a_revision_without_its_manifest_is_not_there_yet(asked: Asked) -> None:
    timestamp = 1795363200  # 2026-11-22T16
    publish_hour(asked.home, timestamp)
    before = asked.get(usage(timestamp)).content
    manifest = publish(asked.home, Hour(timestamp), {"acme": document(timestamp)}, revision=2)
    manifest.path.unlink()

    assert asked.get(usage(timestamp)).content == before
    shutil.rmtree(asked.home.hour(Hour(timestamp)))


def test_damage_is_not_shown_and_where_it_is_only_the_log_says(asked: Asked) -> None:
    timestamp = 1795366800  # 2026-11-22T17
    manifest = publish(
        asked.home, Hour(timestamp), {"acme": acme(timestamp), "globex": document(timestamp)}
    )
    path = manifest.folder / "documents.ndjson"
    flip_byte(path, path.read_bytes().index(b'"id":"a"') + 6)

    answer = asked.get(usage(timestamp))

    assert answer.status_code == 500
    assert answer.json()["error"]["id"] == "damaged"
    assert str(asked.home.root) not in answer.text
    assert str(path) in asked.served.log.read_text()
    assert asked.served.get(usage(timestamp), asked.globex_token).status_code == 200
    shutil.rmtree(asked.home.hour(Hour(timestamp)))
