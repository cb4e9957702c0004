from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.published.views import view
from hourtally.published.zero_documents import zero_document

Filters = tuple[str | None, str | None, str | None]
PAAS = ("total", "cpu", "memory", "storage", "gpu")


def cpu(cents: str) -> str:
    """A price all of which is for cpu."""
    return f'{{"total":{cents},"cpu":{cents},"memory":0,"storage":0,"gpu":0}}'


def document(cents: str, *teams: str) -> bytes:
    return (
        f'{{"data":{{"timestamp":1793019600,"paasUsage":{{"price":{cpu(cents)},'
        f'"teams":[{",".join(teams)}]}},"byocUsage":{{"price":'
        '{"total":7.5,"vcpu":7,"memory":0.5,"gpuMemory":0,"cluster":0}}}}'
    ).encode()


def item(id_: str, cents: str, array: str = "", *children: str) -> str:
    """A team, project or resource; its name says what it is."""
    below = f',"{array}":[{",".join(children)}]' if array else ""
    return f'{{"id":"{id_}","name":"Name of {id_}","price":{cpu(cents)}{below}}}'


def of_type(resource_type: str, cents: str, *resources: str) -> str:
    return (
        f'{{"resourceType":"{resource_type}","price":{cpu(cents)},'
        f'"resources":[{",".join(resources)}]}}'
    )


def seen(document: bytes, filters: Filters) -> bytes:
    team, project, resource_type = filters
    return view(document, team=team, project=project, resource_type=resource_type)


# t1: p1: job r1 1, service r2 0.5; p2: job r3 0.25. t2: p1 (another one): service r4 2.
T1P1_JOB = of_type("job", "1", item("r1", "1"))
T1P1_SERVICE = of_type("service", "0.5", item("r2", "0.5"))
T1P2_JOB = of_type("job", "0.25", item("r3", "0.25"))
T2P1_SERVICE = of_type("service", "2", item("r4", "2"))
T1P1 = item("p1", "1.5", "resourceTypes", T1P1_JOB, T1P1_SERVICE)  # 1 + 0.5
T1P2 = item("p2", "0.25", "resourceTypes", T1P2_JOB)
T2P1 = item("p1", "2", "resourceTypes", T2P1_SERVICE)
T1 = item("t1", "1.75", "projects", T1P1, T1P2)  # 1.5 + 0.25
T2 = item("t2", "2", "projects", T2P1)
SEVERAL_TEAMS = document("3.75", T1, T2)  # 1.75 + 2
ONE_TEAM = document("1.75", T1)

T1_WITH_PROJECTS = document(
    "1.75", item("t1", "1.75", "projects", item("p1", "1.5"), item("p2", "0.25"))
)
T1_ONLY_P1 = document("1.5", item("t1", "1.5", "projects", T1P1))
# Of t1 only p1 has a service: 0.5.
T1_SERVICES = document(
    "0.5",
    item("t1", "0.5", "projects", item("p1", "0.5", "resourceTypes", T1P1_SERVICE)),
)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((None, None, None), document("3.75", item("t1", "1.75"), item("t2", "2"))),
        (("t1", None, None), T1_WITH_PROJECTS),
        (
            (None, "p1", None),  # 1.5 + 2
            document("3.5", item("t1", "1.5", "projects", T1P1), item("t2", "2", "projects", T2P1)),
        ),
        ((None, None, "service"), document("2.5", item("t1", "0.5"), item("t2", "2"))),  # 0.5 + 2
        (("t1", "p1", None), T1_ONLY_P1),
        (("t1", None, "service"), T1_SERVICES),
        (
            (None, "p1", "service"),  # 0.5 + 2
            document(
                "2.5",
                item("t1", "0.5", "projects", item("p1", "0.5", "resourceTypes", T1P1_SERVICE)),
                item("t2", "2", "projects", item("p1", "2", "resourceTypes", T2P1_SERVICE)),
            ),
        ),
        (("t1", "p1", "service"), T1_SERVICES),
    ],
)
def test_each_combination_of_filters_over_several_teams(filters: Filters, expected: bytes) -> None:
    assert seen(SEVERAL_TEAMS, filters) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((None, None, None), T1_WITH_PROJECTS),
        (("t1", None, None), T1_WITH_PROJECTS),
        ((None, "p1", None), T1_ONLY_P1),
        ((None, None, "service"), T1_SERVICES),
        (("t1", "p1", None), T1_ONLY_P1),
        (("t1", None, "service"), T1_SERVICES),
        ((None, "p1", "service"), T1_SERVICES),
        (("t1", "p1", "service"), T1_SERVICES),
    ],
)
def test_each_combination_of_filters_over_one_team(filters: Filters, expected: bytes) -> None:
    assert seen(ONE_TEAM, filters) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (
            (None, "p2", None),
            document("0.25", item("t1", "0.25", "projects", T1P2)),
        ),
        (
            (None, None, "job"),  # 1 in p1, 0.25 in p2
            document(
                "1.25",
                item(
                    "t1",
                    "1.25",
                    "projects",
                    item("p1", "1", "resourceTypes", T1P1_JOB),
                    item("p2", "0.25", "resourceTypes", T1P2_JOB),
                ),
            ),
        ),
    ],
)
def test_projects_are_shown_when_filters_leave_one_team_of_several(
    filters: Filters, expected: bytes
) -> None:
    assert seen(SEVERAL_TEAMS, filters) == expected


@pytest.mark.parametrize(
    "filters",
    [
        ("t3", None, None),
        (None, "p3", None),
        (None, None, "volume"),
        ("t2", "p2", None),
        ("t2", None, "job"),
        (None, "p2", "service"),
        ("t2", "p1", "job"),
        ("", None, None),
        ("p1", None, None),
        (None, "t1", None),
        (None, "r1", None),
        ("t", None, None),
        ("t1 ", None, None),
        ("T1", None, None),
        ("\udcff", None, None),
    ],
)
def test_filters_that_match_nothing_leave_no_teams_and_zero_prices(filters: Filters) -> None:
    assert seen(SEVERAL_TEAMS, filters) == document("0")


@pytest.mark.parametrize("team", [None, "t1"])
@pytest.mark.parametrize("project", [None, "p1"])
@pytest.mark.parametrize("resource_type", [None, "job"])
def test_a_customer_without_events_has_the_zero_document_under_every_filter(
    team: str | None, project: str | None, resource_type: str | None
) -> None:
    expected = (
        b'{"data":{"timestamp":1793019600,"paasUsage":{"price":{"total":0,"cpu":0,"memory":0,'
        b'"storage":0,"gpu":0},"teams":[]},"byocUsage":{"price":{"total":0,"vcpu":0,"memory":0,'
        b'"gpuMemory":0,"cluster":0}}}}'
    )
    assert seen(zero_document(1793019600), (team, project, resource_type)) == expected


def test_sums_are_exact_where_floats_are_not() -> None:
    # 0.1 + 0.2 is 0.30000000000000004 in floats; the second pair passes 2^53 nanocents.
    prices = (
        '{"total":9007199.354740993,"cpu":0.1,"memory":9007199.254740993,"storage":0,"gpu":0}',
        '{"total":9007200.454740994,"cpu":0.2,"memory":9007200.254740994,"storage":0,"gpu":0}',
    )
    sums = '{"total":18014399.809481987,"cpu":0.3,"memory":18014399.509481987,"storage":0,"gpu":0}'
    jobs = [
        f'{{"resourceType":"job","price":{price},"resources":'
        f'[{{"id":"r","name":"r","price":{price}}}]}}'
        for price in prices
    ]
    projects = [
        f'{{"id":"p{i}","name":"p","price":{price},"resourceTypes":[{job}]}}'
        for i, (price, job) in enumerate(zip(prices, jobs, strict=True))
    ]
    team = f'{{"id":"t","name":"t","price":{sums},"projects":[{",".join(projects)}]}}'
    whole = document("0", team).replace(cpu("0").encode(), sums.encode(), 1)

    assert seen(whole, (None, None, "job")) == whole


# What looks like the structure of a document, were it not inside a string.
HOSTILE = (
    '"},{"id":"',
    '"',
    "\\",
    '\\"',
    '\\\\","name":"',
    '}}]}]}]},{"id":"a","name":"a","price":{"total":1,"cpu":1,"memory":0,"storage":0,"gpu":0}',
    '}}]}]},{"id":"a",',
    '}}]},{"resourceType":"job",',
    ',"price":{"total":1,"cpu":1,"memory":0,"storage":0,"gpu":0}',
    ',"teams":[',
    ',"projects":[',
    ',"resourceTypes":[',
    ',"paasUsage":{',
    ']},"byocUsage":{',
    "}}]}]}]},{",
    "]},",
    ",",
    "{",
    "id",
    "é",
    "\U0001f600",
    "\x7f\u2028",
)
NAMES = st.one_of(
    st.sampled_from((*HOSTILE, "\x00", "\n")),
    st.text(max_size=8),
    st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join),
)
IDS = st.one_of(st.sampled_from(("a", "b", *HOSTILE)), st.text("ab", min_size=1, max_size=2))
TYPES = st.sampled_from(("addon", "job", "service"))
NANOCENTS = st.one_of(st.integers(0, 3), st.integers(0, 10**18))


def prices_of(amounts: list[Any]) -> dict[str, Any]:
    return {name: sum(amount[name] for amount in amounts) for name in PAAS}


@st.composite
def levels(draw: st.DrawFn, depth: int) -> list[dict[str, Any]]:
    """The teams (depth 0), projects, types or resources (3) of one parent, sorted by key."""
    keys = draw(st.lists(TYPES if depth == 2 else IDS, min_size=1, max_size=3, unique=True))
    found = []
    for key in sorted(keys, key=str.encode):
        one: dict[str, Any] = {"resourceType": key} if depth == 2 else {"id": key}
        if depth != 2:
            one["name"] = draw(NAMES)
        if depth == 3:
            parts = [Decimal(draw(NANOCENTS)).scaleb(-9) for _ in PAAS[1:]]
            one["price"] = dict(zip(PAAS, [sum(parts), *parts], strict=True))
        else:
            children = draw(levels(depth + 1))
            one["price"] = prices_of([child["price"] for child in children])
            one[("projects", "resourceTypes", "resources")[depth]] = children
        found.append(one)
    return found


def canonical(value: Any) -> str:
    """JSON text without white space, decimals exact: slow and plain."""
    if isinstance(value, dict):
        pairs = (f"{canonical(key)}:{canonical(below)}" for key, below in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(below) for below in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{Decimal(value).normalize():f}"


def naive_view(whole: bytes, filters: Filters) -> bytes:
    """The contract's section 6 over parsed objects."""
    team, project, resource_type = filters
    data = json.loads(whole, parse_float=Decimal)
    teams = data["data"]["paasUsage"]["teams"]
    teams = [one for one in teams if team in (None, one["id"])]
    for one in teams:
        one["projects"] = [p for p in one["projects"] if project in (None, p["id"])]
        for p in one["projects"]:
            p["resourceTypes"] = [
                t for t in p["resourceTypes"] if resource_type in (None, t["resourceType"])
            ]
            p["price"] = prices_of([t["price"] for t in p["resourceTypes"]])
        one["projects"] = [p for p in one["projects"] if p["resourceTypes"]]
        one["price"] = prices_of([p["price"] for p in one["projects"]])
    teams = [one for one in teams if one["projects"]]
    data["data"]["paasUsage"] = {"price": prices_of([t["price"] for t in teams]), "teams": teams}
    for one in teams:
        if project is None and resource_type is None:
            for p in one["projects"]:
                del p["resourceTypes"]
        if team is None and project is None and len(teams) != 1:
            del one["projects"]
    return canonical(data).encode()


@given(st.data())
def test_a_view_is_that_of_a_plain_reading_whatever_names_and_ids_contain(
    data: st.DataObject,
) -> None:
    teams = data.draw(levels(0))
    whole = canonical(
        {
            "data": {
                "timestamp": 1793019600,
                "paasUsage": {"price": prices_of([t["price"] for t in teams]), "teams": teams},
                "byocUsage": {"price": dict.fromkeys(("total", "vcpu"), Decimal("0.000000001"))},
            }
        }
    ).encode()
    projects = [project for team in teams for project in team["projects"]]
    team_id = data.draw(st.one_of(st.none(), st.sampled_from([t["id"] for t in teams]), IDS))
    project_id = data.draw(st.one_of(st.none(), st.sampled_from([p["id"] for p in projects]), IDS))
    filters = (team_id, project_id, data.draw(st.one_of(st.none(), TYPES)))

    assert seen(whole, filters) == naive_view(whole, filters)
