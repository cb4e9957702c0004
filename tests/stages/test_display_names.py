"""Which of the names that a team, project or resource had in an hour stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.events.one_resource import built_of, make_event
from tests.support.homes.small_home import many_small_builds


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


class Naming(NamedTuple):
    """Slices as (minute of their end, name), and the name that stands."""

    rule: str
    slices: Sequence[tuple[int, str | None]]
    name: str


# The ids are t1, p1 and r1; "ID" is to mean the id.
NAMINGS = [
    Naming("the name with the latest end", [(20, "Z"), (40, "A")], "A"),
    Naming("whatever came first", [(40, "A"), (20, "Z")], "A"),
    Naming("a name used until the end, though it began", [(10, "A"), (20, "Z"), (40, "A")], "A"),
    Naming("at equal ends the greatest", [(40, "A"), (40, "Z"), (40, "B")], "Z"),
    Naming(
        "at equal ends the greatest in UTF-8", [(40, "\uff5e"), (40, "\U0001f600")], "\U0001f600"
    ),
    Naming("lower case after upper case", [(40, "Z"), (40, "a")], "a"),
    Naming("a slice without a name names nothing", [(20, "A"), (40, None)], "A"),
    Naming("an empty name names nothing", [(20, "A"), (40, "")], "A"),
    Naming("a slice over the hour ends at its end", [(90, "A"), (60, "Z")], "Z"),
    Naming("no name at all", [(20, None), (40, "")], "ID"),
]


def names_of(name: str | None) -> dict[str, Any]:
    return dict.fromkeys(["teamName", "projectName", "resourceName"], name)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The documents of all cases, the case's number being the customer's id."""
    events = [
        {
            # A region each, so that no two slices are summed before their names are compared.
            **make_event(
                0, customerId=str(number), region=str(position), end=end, **names_of(name)
            ),
            "id": f"{number} {position}",
        }
        for number, case in enumerate(NAMINGS)
        for position, (end, name) in enumerate(case.slices)
    ]
    return built_of(tmp_path_factory.mktemp("names"), events).documents


@pytest.mark.parametrize("number", range(len(NAMINGS)), ids=[case.rule for case in NAMINGS])
def test_the_name_of_a_team_project_and_resource_is(number: int, named: dict[str, bytes]) -> None:
    (team,) = json.loads(named[str(number)])["data"]["paasUsage"]["teams"]
    (project,) = team["projects"]
    (resource,) = project["resourceTypes"][0]["resources"]
    wanted = NAMINGS[number].name
    for level, id_ in ((team, "t1"), (project, "p1"), (resource, "r1")):
        assert level["name"] == (id_ if wanted == "ID" else wanted)


def test_a_name_stays_in_its_customer_team_and_project(tmp_path: Path) -> None:
    events = [
        make_event(0, teamName="T", projectName="P", resourceName="R"),
        {**make_event(0, teamId="t2"), "id": "another team"},
        {**make_event(0, projectId="p2"), "id": "another project"},
        {**make_event(0, resourceType="addon"), "id": "another type"},
        make_event(1),
    ]
    documents = built_of(tmp_path, events).documents
    named = {
        customer: [
            (team["name"], project["name"], type_["resources"][0]["name"])
            for team in json.loads(document)["data"]["paasUsage"]["teams"]
            for project in team["projects"]
            for type_ in project["resourceTypes"]
        ]
        for customer, document in documents.items()
    }
    assert named == {
        # By team t1 with projects p1 (types addon, job) and p2, then team t2.
        "customer 00": [("T", "P", "r1"), ("T", "P", "R"), ("T", "p2", "r1"), ("t2", "p1", "r1")],
        "customer 01": [("t1", "p1", "r1")],
    }


def test_a_statement_that_does_not_count_names_nothing(tmp_path: Path) -> None:
    events = [make_event(0, time=1), make_event(0, time=2, teamName="Wrong", end=50)]
    (document,) = built_of(tmp_path, events).documents.values()
    (team,) = json.loads(document)["data"]["paasUsage"]["teams"]
    assert team["name"] == "t1"
