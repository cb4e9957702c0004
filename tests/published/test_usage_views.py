"""Views of the usage document, and pages of the levels of either document."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.published.views import Filters, Page, ShownPage, paged_view
from hourtally.published.zero_documents import zero_usage_document
from tests.published.test_views import IDS, TYPES, canonical, levels

PAAS = ("total", "cpu", "memory", "storage", "gpu")
HOURS = ("vcpuHours", "memoryGiBHours", "storageGiBHours", "gpuOnDemandHours", "gpuSpotHours")
ARRAYS = ("teams", "projects", "resourceTypes", "resources")
BYOC = {
    "price": dict(
        zip(("total", "vcpu", "memory", "gpuMemory", "cluster"), (3, 1, 2, 0, 0), strict=True)
    ),
    "usage": {"vcpuHours": 5, "memoryGiBHours": 0, "gpuMemoryGiBHours": 0, "clusterHours": 1},
    "clusters": [
        {"id": '"},"byoc":{', "name": ',"total":9', "price": {}, "usage": {}},
    ],
}


def summed(items: list[Any], name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: sum(item[name][key] for item in items) for key in keys}


def with_usage(items: list[Any], depth: int = 0) -> list[Any]:
    """The same levels; each resource used of everything as many hours as it costs."""
    for item in items:
        if depth == 3:
            item["usage"] = dict(zip(HOURS, item["price"].values(), strict=True))
        else:
            children = with_usage(item.pop(ARRAYS[depth + 1]), depth + 1)
            item["usage"] = summed(children, "usage", HOURS)
            item[ARRAYS[depth + 1]] = children
    return items


def usage_document(teams: list[Any]) -> bytes:
    price = summed(teams, "price", PAAS)
    paas = {"price": price, "usage": summed(teams, "usage", HOURS), "teams": teams}
    data = {
        "timestamp": 1793019600,
        "currency": "usd",
        "scope": {"entityType": "team", "entityId": '"},"total":7,"paas":{'},
        "total": price["total"] + 3,
        "paas": paas,
        "byoc": BYOC,
    }
    return canonical({"data": data}).encode()


def page_of(items: list[Any], page: Page | None) -> tuple[list[Any], bool]:
    """What is on a page of these items, and whether there are more after it."""
    if page is None:
        return items, False
    end = page.number * page.size
    return items[end - page.size : end], len(items) > end


class Naive:
    """The contract's section 6 over parsed objects, with pages."""

    def __init__(self, filters: Filters, pages: dict[str, Page]) -> None:
        self.filters = filters
        self.pages = pages
        self.shown: dict[str, ShownPage] = {}

    def view(self, whole: bytes) -> bytes:
        data = json.loads(whole, parse_float=Decimal)["data"]
        paas = data["paas"]
        teams = [one for one in paas["teams"] if self.filters.team in (None, one["id"])]
        for team in teams:
            self.filter_team(team)
        teams = [team for team in teams if team["projects"]]
        paas |= {
            name: summed(teams, name, keys) for name, keys in (("price", PAAS), ("usage", HOURS))
        }
        data["total"] = paas["price"]["total"] + data["byoc"]["price"]["total"]
        team, project, resource_type = self.filters
        shows_projects = team is not None or project is not None or len(teams) == 1
        shows_types = shows_projects and (project is not None or resource_type is not None)
        paas["teams"] = teams
        self.cut("teams", [paas])
        if not shows_projects:
            for team in paas["teams"]:
                del team["projects"]
        else:
            self.cut("projects", paas["teams"])
            projects = [project for team in paas["teams"] for project in team["projects"]]
            if not shows_types:
                for project in projects:
                    del project["resourceTypes"]
            else:
                self.cut("resources", [one for p in projects for one in p["resourceTypes"]])
        return canonical({"data": data}).encode()

    def filter_team(self, team: Any) -> None:
        """Leave the projects and types that pass, and sum what is left."""
        left = []
        for project in team["projects"]:
            if self.filters.project not in (None, project["id"]):
                continue
            types = [
                one
                for one in project["resourceTypes"]
                if self.filters.resource_type in (None, one["resourceType"])
            ]
            for name, keys in (("price", PAAS), ("usage", HOURS)):
                project[name] = summed(types, name, keys)
            project["resourceTypes"] = types
            if types:
                left.append(project)
        for name, keys in (("price", PAAS), ("usage", HOURS)):
            team[name] = summed(left, name, keys)
        team["projects"] = left

    def cut(self, level: str, parents: list[Any]) -> None:
        """Leave the page of each parent."""
        page = self.pages.get(level)
        if page is None:
            return
        count, has_next = 0, False
        for parent in parents:
            parent[level], has_more = page_of(parent[level], page)
            count, has_next = count + len(parent[level]), has_next or has_more
        self.shown[level] = ShownPage(page, count, has_next)


PAGES = st.builds(Page, st.integers(1, 3), st.integers(1, 3))
LEVELS = st.sampled_from(("teams", "projects", "resources"))


@given(st.data(), levels(0), st.dictionaries(LEVELS, PAGES))
def test_a_view_is_that_of_a_plain_reading_with_any_filters_and_pages(
    data: st.DataObject, teams: list[Any], pages: dict[str, Page]
) -> None:
    projects = [project["id"] for team in teams for project in team["projects"]]
    filters = Filters(
        data.draw(st.none() | st.sampled_from([team["id"] for team in teams]) | IDS),
        data.draw(st.none() | st.sampled_from(projects) | IDS),
        data.draw(st.none() | TYPES),
    )
    whole = usage_document(with_usage(teams))
    naive = Naive(filters, pages)

    shown = paged_view(whole, filters, pages)

    assert shown.body == naive.view(whole)
    assert shown.pages == naive.shown


def resource(id_: str) -> dict[str, Any]:
    return {"id": id_, "name": id_, "price": dict.fromkeys(PAAS, 1)}


def project(id_: str, *types: dict[str, Any]) -> dict[str, Any]:
    return {"id": id_, "name": id_, "price": dict.fromkeys(PAAS, 1), "resourceTypes": list(types)}


def of_type(name: str, *ids: str) -> dict[str, Any]:
    resources = [resource(id_) for id_ in ids]
    return {"resourceType": name, "price": dict.fromkeys(PAAS, 1), "resources": resources}


def team(id_: str, *projects: dict[str, Any]) -> dict[str, Any]:
    return {"id": id_, "name": id_, "price": dict.fromkeys(PAAS, 1), "projects": list(projects)}


# Team a has three projects, b one. Project p of a has 3 jobs and a volume.
TWO_TEAMS = [
    team(
        "a",
        project("p", of_type("job", "1", "2", "3"), of_type("volume", "4")),
        project("q", of_type("job", "5")),
        project("r", of_type("job", "6")),
    ),
    team("b", project("p", of_type("job", "7"))),
]


def shown(filters: Filters, **pages: tuple[int, int]) -> tuple[Any, dict[str, tuple[int, bool]]]:
    """The ids that are shown, by level, and of the pages the count and whether there are more."""
    whole = usage_document(with_usage(json.loads(json.dumps(TWO_TEAMS))))
    view = paged_view(whole, filters, {level: Page(*page) for level, page in pages.items()})
    teams = json.loads(view.body)["data"]["paas"]["teams"]
    ids = {one["id"]: _ids(one) for one in teams}
    return ids, {level: (page.items, page.has_next) for level, page in view.pages.items()}


def _ids(item: dict[str, Any]) -> Any:
    for name in ("projects", "resourceTypes"):
        if name in item:
            return {one.get("id") or one["resourceType"]: _ids(one) for one in item[name]}
    return [one["id"] for one in item["resources"]] if "resources" in item else None


@pytest.mark.parametrize(
    ("filters", "pages", "ids", "counts"),
    [
        (Filters(), {"teams": (1, 1)}, {"a": None}, {"teams": (1, True)}),
        (Filters(), {"teams": (2, 1)}, {"b": None}, {"teams": (1, False)}),
        (Filters(), {"teams": (3, 1)}, {}, {"teams": (0, False)}),
        (Filters(), {"teams": (1, 2)}, {"a": None, "b": None}, {"teams": (2, False)}),
        # Not shown, so they have no effect.
        (Filters(), {"projects": (2, 1), "resources": (2, 1)}, {"a": None, "b": None}, {}),
        # Projects are paged within each team.
        (
            Filters(project="p"),
            {"projects": (1, 1)},
            {
                "a": {"p": {"job": ["1", "2", "3"], "volume": ["4"]}},
                "b": {"p": {"job": ["7"]}},
            },
            {"projects": (2, False)},
        ),
        (Filters("a"), {"projects": (2, 2)}, {"a": {"r": None}}, {"projects": (1, False)}),
        (
            Filters("a"),
            {"projects": (1, 2)},
            {"a": {"p": None, "q": None}},
            {"projects": (2, True)},
        ),
        (Filters("a"), {"projects": (9, 2)}, {"a": {}}, {"projects": (0, False)}),
        # One team is on the page, but two are left: projects are not shown.
        (Filters(), {"teams": (1, 1), "projects": (1, 1)}, {"a": None}, {"teams": (1, True)}),
        # Resources are paged within each type.
        (
            Filters("a", "p"),
            {"resources": (1, 2)},
            {"a": {"p": {"job": ["1", "2"], "volume": ["4"]}}},
            {"resources": (3, True)},
        ),
        (
            Filters("a", "p"),
            {"resources": (2, 2)},
            {"a": {"p": {"job": ["3"], "volume": []}}},
            {"resources": (1, False)},
        ),
        # Beyond the last team there is no parent that could have more.
        (
            Filters(project="p"),
            {"teams": (2, 2), "projects": (1, 1)},
            {},
            {"teams": (0, False), "projects": (0, False)},
        ),
        (Filters("none"), {"projects": (1, 1)}, {}, {"projects": (0, False)}),
    ],
)
def test_pages_of_levels(
    filters: Filters,
    pages: dict[str, tuple[int, int]],
    ids: dict[str, Any],
    counts: dict[str, tuple[int, bool]],
) -> None:
    assert shown(filters, **pages) == (ids, counts)


@pytest.mark.parametrize(
    ("filters", "level"),
    [
        (Filters(), "teams"),
        (Filters("a"), "projects"),
        (Filters(project="p"), "resources"),
        (Filters(resource_type="volume"), "resources"),
        (Filters(resource_type="job"), "teams"),
        (Filters("none"), "projects"),
    ],
)
def test_the_deepest_level_that_is_shown_is_paged(filters: Filters, level: str) -> None:
    whole = usage_document(with_usage(json.loads(json.dumps(TWO_TEAMS))))

    assert list(paged_view(whole, filters, {}, deepest=Page(1, 1)).pages) == [level]


def test_figures_are_of_all_and_not_of_the_page() -> None:
    whole = usage_document(with_usage(json.loads(json.dumps(TWO_TEAMS))))
    paged = paged_view(whole, Filters(), {"teams": Page(3, 1)})

    assert json.loads(paged.body)["data"] | {"paas": 0} == json.loads(whole)["data"] | {"paas": 0}
    paas = json.loads(paged.body)["data"]["paas"]
    assert paas == json.loads(whole)["data"]["paas"] | {"teams": []}


def test_the_total_of_a_filtered_view_has_all_of_byoc() -> None:
    whole = usage_document(with_usage(json.loads(json.dumps(TWO_TEAMS))))
    data = json.loads(paged_view(whole, Filters(resource_type="volume"), {}).body)["data"]
    # 1 for the volume and 3 for the clusters.
    assert (data["paas"]["price"]["total"], data["total"]) == (1, 4)


def test_a_customer_without_events_has_a_zero_usage_document() -> None:
    document = zero_usage_document(1793019600, 'a"é', "EUR")
    data = json.loads(document)["data"]
    assert data["scope"] == {"entityType": "team", "entityId": 'a"é'}
    assert (data["currency"], data["total"], data["byoc"]["clusters"]) == ("eur", 0, [])
    assert paged_view(document, Filters("x", "y", "job"), {}).body == document
