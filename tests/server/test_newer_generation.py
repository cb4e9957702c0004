"""The newer generation over HTTP (contract, section 9), on homes written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hourtally.model.hours import Hour
from hourtally.published.listing import listing
from hourtally.published.listing.listing import list_range
from hourtally.server import hour_figures
from hourtally.server.parameters import HttpError
from hourtally.server.requests import ListRequest, ViewRequest, read_request
from hourtally.server.responses import Response
from hourtally.server.usage import PublishedUsage
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, publish
from tests.support.homes.eventful_home import eventful_home

NEWER = "removeLegacyFields=true"
VIEW = "/v1/billing/usage/"
LIST = "/v1/billing/usage"


def usage_document(timestamp: int, cpu: str, hours: str, currency: str = "eur") -> bytes:
    """All charges are for the cpu of one service of team a, and 4 cents for a cluster."""
    figures = (
        f'"price":{{"total":{cpu},"cpu":{cpu},"memory":0,"storage":0,"gpu":0}},'
        f'"usage":{{"vcpuHours":{hours},"memoryGiBHours":0,"storageGiBHours":0,'
        '"gpuOnDemandHours":0,"gpuSpotHours":0}'
    )
    total = f"{float(cpu) + 0.04:.2f}".rstrip("0")
    byoc = (
        '"price":{"total":0.04,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0.04},'
        '"usage":{"vcpuHours":0,"memoryGiBHours":0,"gpuMemoryGiBHours":0,"clusterHours":1}'
    )
    return (
        f'{{"data":{{"timestamp":{timestamp},"currency":"{currency}",'
        f'"scope":{{"entityType":"team","entityId":"acme"}},"total":{total},'
        f'"paas":{{{figures},"teams":[{{"id":"a","name":"a",{figures},"projects":['
        f'{{"id":"p","name":"p",{figures},"resourceTypes":[{{"resourceType":"service",{figures},'
        f'"resources":[{{"id":"r","name":"r",{figures}}}]}}]}}]}}]}},'
        f'"byoc":{{{byoc},"clusters":[{{"id":"k","name":"k",{byoc}}}]}}}}}}'
    ).encode()


def publish_hour(home: Home, name: str, cents: str, hours: str, currency: str = "EUR") -> None:
    hour = Hour.parse(name)
    units = f"{float(cents) / 100:.2f}"
    usage = usage_document(hour.timestamp, units, hours, currency.lower())
    in_cents = document(hour.timestamp, cpu=cents, cluster="4")
    publish(home, hour, {"acme": in_cents}, currency=currency, usage={"acme": usage})


# The last two hours of October, the first of November, and one of the 2nd.
NAMES = ("2026-10-31T22", "2026-10-31T23", "2026-11-01T00", "2026-11-02T09")
STARTS = [Hour.parse(name).timestamp for name in NAMES]
OCTOBER, NOVEMBER = (Hour.parse(f"2026-{month}-01T00").timestamp for month in ("10", "11"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for number, name in enumerate(NAMES):
        # 1, 2, 4 and 8 cents; 1, 2, 4 and 8 vCPU-hours.
        publish_hour(home, name, str(2**number), str(2**number))
    return home


def ask(home: Home, path: str, query: str = "", customer: str = "acme") -> Any:
    return json.loads(respond(home, path, query, customer).body)


def respond(home: Home, path: str, query: str = "", customer: str = "acme") -> Response:
    usage, request = PublishedUsage(home), read_request(path.encode(), query.encode())
    if isinstance(request, ViewRequest):
        return usage.view(customer, request)
    assert isinstance(request, ListRequest)
    return usage.list(customer, request)


def refusal(path: str, query: str) -> tuple[int, str, str]:
    with pytest.raises(HttpError) as refused:
        read_request(path.encode(), query.encode())
    return refused.value.status, refused.value.id, refused.value.message


def test_a_view_of_the_newer_generation_is_that_of_the_usage_document(home: Home) -> None:
    whole = usage_document(STARTS[0], "0.01", "1")

    body = respond(home, f"{VIEW}{STARTS[0]}", f"{NEWER}&projectId=p").body

    assert body == whole
    assert b'"paasUsage"' in respond(home, f"{VIEW}{STARTS[0]}", "removeLegacyFields=false").body


def test_the_generations_have_etags_of_their_own(home: Home) -> None:
    queries = ("", NEWER, f"{NEWER}&teamsPage=1", f"{NEWER}&teamsPage=2", "page=1")
    etags = {respond(home, f"{VIEW}{STARTS[0]}", query).etag for query in queries}
    assert len(etags) == len(queries)


def test_pages_of_levels_stand_beside_the_data(home: Home) -> None:
    query = f"{NEWER}&projectId=p&teamsPage=1&resourcesPerPage=1"
    assert ask(home, f"{VIEW}{STARTS[0]}", query)["pagination"] == {
        "teams": {"page": 1, "perPage": 50, "count": 1, "hasNextPage": False},
        "resources": {"page": 1, "perPage": 1, "count": 1, "hasNextPage": False},
    }
    beyond = ask(home, f"{VIEW}{STARTS[0]}", f"{NEWER}&teamsPage=2&teamsPerPage=1")
    assert beyond["data"]["paas"]["teams"] == []
    assert beyond["pagination"]["teams"]["count"] == 0
    assert "pagination" not in ask(home, f"{VIEW}{STARTS[0]}", f"{NEWER}&resourcesPage=1")


def test_pages_of_the_older_generation_are_of_the_deepest_level(tmp_path: Path) -> None:
    home, hour = Home(tmp_path), Hour(STARTS[0])
    price = '"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}'
    teams = [
        f'{{"id":"{t}","name":"{t}",{price},"projects":[{{"id":"p","name":"p",{price},'
        f'"resourceTypes":[{{"resourceType":"job",{price},"resources":[{{"id":"r","name":"r",'
        f"{price}}}]}}]}}]}}"
        for t in "abc"
    ]
    publish(home, hour, {"acme": document(hour.timestamp, teams=",".join(teams))})

    def page(query: str) -> tuple[list[str], Any]:
        body = ask(home, f"{VIEW}{STARTS[0]}", query)
        return [t["id"] for t in body["data"]["paasUsage"]["teams"]], body["pagination"]

    assert page("page=1&per_page=2") == (["a", "b"], {"hasNextPage": True, "count": 2})
    assert page("page=2&per_page=2") == (["c"], {"hasNextPage": False, "count": 1})
    assert page("page=3&per_page=2") == ([], {"hasNextPage": False, "count": 0})
    # The team's projects are the deepest level then.
    assert page("teamId=a&page=2") == (["a"], {"hasNextPage": False, "count": 0})


def test_hours_are_listed_with_figures_scope_and_window(home: Home) -> None:
    body = respond(home, LIST, f"{NEWER}&per_page=1").body
    figures = (
        '"paas":{"price":{"total":0.08,"cpu":0.08,"memory":0,"storage":0,"gpu":0},'
        '"usage":{"vcpuHours":8,"memoryGiBHours":0,"storageGiBHours":0,"gpuOnDemandHours":0,'
        '"gpuSpotHours":0}},'
        '"byoc":{"price":{"total":0.04,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0.04},'
        '"usage":{"vcpuHours":0,"memoryGiBHours":0,"gpuMemoryGiBHours":0,"clusterHours":1}}'
    )
    assert body.decode().startswith(
        '{"data":{"granularity":"hour","scope":{"entityType":"team","entityId":"acme"},'
        f'"window":{{"start":{STARTS[0]},"end":{STARTS[3] + 3600}}},"usage":['
        f'{{"timestamp":{STARTS[3]},"currency":"eur","total":0.12,{figures}}}]}},'
        '"pagination":{"hasNextPage":true,"count":1,"cursor":"'
    )


def periods(body: Any) -> list[tuple[int, float, float]]:
    """Of each entry the timestamp, the PaaS total and the vCPU-hours."""
    return [
        (one["timestamp"], one["paas"]["price"]["total"], one["paas"]["usage"]["vcpuHours"])
        for one in body["data"]["usage"]
    ]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        (
            "hour",
            [
                (STARTS[3], 0.08, 8),
                (STARTS[2], 0.04, 4),
                (STARTS[1], 0.02, 2),
                (STARTS[0], 0.01, 1),
            ],
        ),
        # The window starts with the first published hour, and its day and month with it.
        (
            "day",
            [(NOVEMBER + 86_400, 0.08, 8), (NOVEMBER, 0.04, 4), (STARTS[0], 0.03, 3)],
        ),
        ("month", [(NOVEMBER, 0.12, 12), (STARTS[0], 0.03, 3)]),
        ("total", [(STARTS[0], 0.15, 15)]),
    ],
)
def test_a_period_has_the_sums_of_its_hours(
    home: Home, granularity: str, expected: list[tuple[int, float, float]]
) -> None:
    assert periods(ask(home, LIST, f"{NEWER}&granularity={granularity}")) == expected
    older = ask(home, LIST, f"granularity={granularity}")["data"]["usage"]
    assert [(one["timestamp"], one["paasUsage"]["price"]["total"]) for one in older] == [
        (timestamp, round(total * 100)) for timestamp, total, _ in expected
    ]


@pytest.mark.parametrize(
    ("window", "expected", "shown"),
    [
        # A month that begins before the window begins with it.
        (f"startTime={OCTOBER}", [(NOVEMBER, 0.12), (OCTOBER, 0.03)], (OCTOBER, STARTS[3] + 3600)),
        (
            f"startTime={STARTS[1]}",
            [(NOVEMBER, 0.12), (STARTS[1], 0.02)],
            (STARTS[1], STARTS[3] + 3600),
        ),
        # Only whole hours count.
        (
            f"startTime={STARTS[0] + 1}&endTime={STARTS[2] + 3599}",
            [(STARTS[0] + 1, 0.02)],
            (STARTS[0] + 1, STARTS[2] + 3599),
        ),
        (
            f"startTime={STARTS[0]}&endTime={STARTS[2] + 3600}",
            [(NOVEMBER, 0.04), (STARTS[0], 0.03)],
            (STARTS[0], STARTS[2] + 3600),
        ),
        (f"startTime={STARTS[3] + 7200}", [], (STARTS[3] + 7200, STARTS[3] + 7200)),
        ("startTime=-62135596800&endTime=-62135596800", [], (-62135596800, -62135596800)),
    ],
)
def test_a_window_bounds_periods_and_is_shown(
    home: Home, window: str, expected: list[tuple[int, float]], shown: tuple[int, int]
) -> None:
    body = ask(home, LIST, f"{NEWER}&granularity=month&{window}")

    assert [period[:2] for period in periods(body)] == expected
    assert (body["data"]["window"]["start"], body["data"]["window"]["end"]) == shown


def test_without_published_hours_the_window_is_open(tmp_path: Path) -> None:
    body = ask(Home(tmp_path), LIST, NEWER)
    assert body["data"]["window"] == {"start": None, "end": None}
    assert body["data"]["usage"] == []


def test_filters_change_the_figures_and_not_the_scope(home: Home) -> None:
    body = ask(home, LIST, f"{NEWER}&granularity=total&teamId=none")
    [entry] = body["data"]["usage"]
    assert body["data"]["scope"]["entityId"] == "acme"
    # Four hours of clusters at 4 cents.
    assert (entry["paas"]["price"]["total"], entry["total"]) == (0, 0.16)


def test_currencies_are_never_added_up(home: Home) -> None:
    publish_hour(home, "2026-11-02T10", "1", "1", "CHF")
    publish_hour(home, "2026-11-02T11", "1", "1", "USD")

    entries = ask(home, LIST, f"{NEWER}&granularity=month")["data"]["usage"]

    assert [(one["timestamp"], one["currency"], one["total"]) for one in entries] == [
        (NOVEMBER, "chf", 0.05),
        (NOVEMBER, "eur", 0.2),  # 4 + 8, and twice 4 for clusters
        (NOVEMBER, "usd", 0.05),
        (STARTS[0], "eur", 0.11),  # 1 + 2, and twice 4
    ]
    # Pages of one entry lead through all of them, in the same order.
    seen: list[Any] = []
    cursor = ""
    while True:
        page = ask(home, LIST, f"{NEWER}&granularity=month&per_page=1{cursor}")
        seen += page["data"]["usage"]
        if not page["pagination"]["hasNextPage"]:
            break
        cursor = f"&cursor={page['pagination']['cursor']}"
    assert seen == entries


@pytest.mark.parametrize(
    "other",
    ["", "granularity=month", "granularity=day&teamId=b", "granularity=day&resourceType=job"],
)
def test_a_cursor_is_of_its_granularity_and_filters(home: Home, other: str) -> None:
    asked = "granularity=day&teamId=a"
    cursor = ask(home, LIST, f"{asked}&per_page=1")["pagination"]["cursor"]
    assert len(ask(home, LIST, f"{asked}&cursor={cursor}")["data"]["usage"]) == 2

    status, id_, message = refusal(LIST, f"{other}&cursor={cursor}")

    assert (status, id_) == (400, "bad_parameter")
    assert "is of another granularity or of other filters" in message


@pytest.mark.parametrize(
    ("path", "query", "id_", "says"),
    [
        (
            LIST,
            "granularty=day",
            "unknown_parameter",
            "'granularty'; the nearest known one is granularity.",
        ),
        (LIST, "teamID=a", "unknown_parameter", "is teamId."),
        (LIST, "page=1", "unknown_parameter", "is perPage."),
        (LIST, "teamsPage=1", "unknown_parameter", "is "),
        (f"{VIEW}1", "granularity=day", "unknown_parameter", "is "),
        (f"{VIEW}1", "project_id=a", "unknown_parameter", "is projectId."),
        (f"{VIEW}1", "teamPage=1", "unknown_parameter", "is teamsPage."),
        (f"{VIEW}1", "perPage=1", "unknown_parameter", "is per_page."),
        (f"{VIEW}1", "x", "unknown_parameter", "the nearest known one is "),
        (f"{VIEW}1", "teamsPage=1", "bad_parameter", "teamsPage requires removeLegacyFields=true"),
        (f"{VIEW}1", "projectsPerPage=1&removeLegacyFields=false", "bad_parameter", "requires"),
        (f"{VIEW}1", f"page=1&{NEWER}", "bad_parameter", "page cannot be combined with"),
        (f"{VIEW}1", f"per_page=1&{NEWER}", "bad_parameter", "use teamsPage, projectsPage"),
        (f"{VIEW}1", "removeLegacyFields=yes", "bad_parameter", "'yes' is neither true nor false"),
        (LIST, "removeLegacyFields=", "bad_parameter", "neither true nor false"),
        (LIST, "granularity=week", "bad_parameter", "use hour, day, month, total."),
        (f"{VIEW}1", f"{NEWER}&teamsPage=0", "bad_parameter", "teamsPage '0' is not an integer"),
        (f"{VIEW}1", f"{NEWER}&teamsPerPage=101", "bad_parameter", "from 1 to 100"),
        (f"{VIEW}1", f"{NEWER}&projectsPage=1.0", "bad_parameter", "not an integer"),
        (f"{VIEW}1", "page=-1", "bad_parameter", "not an integer"),
        (f"{VIEW}1", "per_page=", "bad_parameter", "not an integer"),
        (f"{VIEW}1", f"page={'9' * 5000}", "bad_parameter", "not an integer"),
    ],
)
def test_a_parameter_that_the_route_does_not_take_is_a_400_that_says_why(
    path: str, query: str, id_: str, says: str
) -> None:
    status, found, message = refusal(path, query)
    assert (status, found) == (400, id_)
    assert says in message


CUSTOMERS = ("acme", "globex", "initech", "nobody")
QUERIES = [
    f"granularity={granularity}&removeLegacyFields={newer}{filters}"
    for granularity in ("hour", "day", "month", "total")
    for newer in ("true", "false")
    for filters in ("", "&teamId=web", "&projectId=shop", "&resourceType=service", "&teamId=none")
]


def test_figures_read_together_are_those_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = eventful_home(tmp_path)
    for customer in CUSTOMERS:
        for query in QUERIES:
            monkeypatch.setattr(hour_figures, "_FEWEST_TOGETHER", 1_000)
            one_by_one = respond(home, LIST, query, customer).body
            monkeypatch.setattr(hour_figures, "_FEWEST_TOGETHER", 1)
            assert respond(home, LIST, query, customer).body == one_by_one, (customer, query)


def test_figures_read_together_are_cached_by_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Any] = []

    def counted(*arguments: Any) -> Any:
        reads.append(arguments)
        return list_range(*arguments)

    monkeypatch.setattr(listing, "list_range", counted)
    monkeypatch.setattr(hour_figures, "_FEWEST_TOGETHER", 1)
    usage = PublishedUsage(eventful_home(tmp_path))
    request = read_request(LIST.encode(), NEWER.encode())
    assert isinstance(request, ListRequest)
    bodies = {usage.list("acme", request).body for _ in range(3)}
    assert (len(bodies), len(reads)) == (1, 2)
