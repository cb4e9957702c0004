"""Tables of an hour have 50 rows a page: both of them, teams and clusters, by one number."""

from __future__ import annotations

import pytest

from hourtally.ingest.files import ingest_paths
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.homes.eventful_home import FIRST_HOUR, NOW_MS, RATES, build, event, resource
from tests.support.pages import Visitor, operator

HOUR = f"/customers/acme/hours/{FIRST_HOUR}"
HOURS = ("13:00:00", "14:00:00")
CLUSTERS, TEAMS = 120, 60


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    home = Home(tmp_path_factory.mktemp("many"))
    home.rates.write_text(RATES)
    lines = [
        event(f"c{n}", *HOURS, "cluster", customerId="acme", clusterId=f"cluster-{n:03d}")
        for n in range(CLUSTERS)
    ]
    lines += [
        resource(f"r{n}", *HOURS, "acme", f"r{n}", teamId=f"team-{n:03d}", cpuMillicores=1000)
        for n in range(TEAMS)
    ]
    events = home.root / "events.ndjson"
    events.write_text("".join(line + "\n" for line in lines))
    ingest_paths(home, [events], NOW_MS, Settings(threads=1))
    build(home)
    return operator(home.root, "2026-11-22T20")


def test_every_cluster_and_team_is_reached_by_links(ui: Visitor) -> None:
    words, pages, later = "", 0, [HOUR]
    while later:
        page = ui.get(later[0])
        words, pages = f"{words} {page.words}", pages + 1
        later = [link for link in page.links if f"page={pages + 1}" in link]

    assert pages == 3
    for number in range(CLUSTERS):
        assert words.count(f"cluster-{number:03d}") == 1
    for number in range(TEAMS):
        assert words.count(f"team-{number:03d}") == 1


def test_a_page_beyond_the_teams_has_clusters_and_says_that_it_has_no_teams(ui: Visitor) -> None:
    page = ui.get(f"{HOUR}?page=3")

    assert "Teams 60 None on this page." in page.words
    assert "BYOC clusters 120, 101 to 120 shown Cluster" in page.words
    assert page.words.count("Page 3 of 3") == 1


def test_a_page_beyond_both_says_so(ui: Visitor) -> None:
    page = ui.get(f"{HOUR}?page=4")

    assert "There is no page 4. Show the first one" in page.words
    assert "BYOC clusters" not in page.words
    assert "Page " not in page.words.replace("page", "")


def test_filters_leave_all_clusters_within_reach(ui: Visitor) -> None:
    page = ui.get(f"{HOUR}?teamId=team-001&page=3")

    assert "Projects 1 None on this page." in page.words
    assert "Page 3 of 3" in page.words
    assert page.words.count("cluster-1") == 20
