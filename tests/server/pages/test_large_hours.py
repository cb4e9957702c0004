"""Large hours stay small pages: each level is a page of its own, 50 rows at a time."""

from __future__ import annotations

import json

import pytest

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import ingest_paths
from hourtally.ratecard import load_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.homes.eventful_home import FIRST_HOUR, NOW_MS, RATES, resource
from tests.support.pages import Visitor, operator

pytestmark = pytest.mark.slow

NOW = "2026-11-22T20"
RESOURCES = 10_000
HOUR = f"/customers/acme/hours/{FIRST_HOUR}"
LEVELS = (
    HOUR,
    f"{HOUR}?teamId=web",
    f"{HOUR}?teamId=web&projectId=shop",
    f"{HOUR}?teamId=web&projectId=shop&resourceType=service",
    f"{HOUR}?teamId=web&projectId=shop&resourceType=service&page=200",
)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    home = Home(tmp_path_factory.mktemp("large"))
    home.rates.write_text(RATES)
    events = home.root / "events.ndjson"
    with events.open("w") as file:
        for number in range(RESOURCES):
            name = f"resource-{number:05d}"
            more = {"cpuMillicores": number + 1, "resourceName": f"Resource number {number}"}
            file.write(resource(name, "13:00:00", "14:00:00", "acme", name, **more) + "\n")
    ingest_paths(home, [events], NOW_MS, Settings(threads=2))
    card = load_rate_card(home.rates)
    found = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)
    assert Builder(home, card, NOW_MS, Settings(threads=2)).build(found).failed == []
    return operator(home.root, NOW)


@pytest.mark.parametrize("address", LEVELS)
def test_a_page_of_an_hour_of_10_000_resources_has_at_most_100_kb(
    ui: Visitor, address: str
) -> None:
    page = ui.get(address)

    assert page.status == 200
    assert len(page.text.encode()) < 100_000


def test_the_dearest_resources_stand_first_and_the_cheapest_on_the_last_page(ui: Visitor) -> None:
    first, last = ui.get(LEVELS[3]), ui.get(LEVELS[4])

    assert "Page 1 of 200" in first.words
    # 10 vCPU-hours at 5/3 cents.
    assert "Resource number 9999 resource-09999 16.666666667" in first.words
    assert "Page 200 of 200" in last.words
    assert last.words.index("Resource number 1 ") < last.words.index("Resource number 0 ")
    assert "There is no page 201" in ui.get(LEVELS[4].replace("200", "201")).words


def test_the_json_of_a_large_hour_has_all_of_it(ui: Visitor) -> None:
    answer = ui.get(f"{HOUR}/document.json?projectId=shop")

    [team] = json.loads(answer.text)["data"]["paasUsage"]["teams"]
    [project] = team["projects"]
    assert len(project["resourceTypes"][0]["resources"]) == RESOURCES
