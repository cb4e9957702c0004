"""What a customer's pages must not tell, and where the operator's pages must not be seen from."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build.prune import prune
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.withdrawal import withdraw
from hourtally.server.pages import Site
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.homes.eventful_home import (
    FIRST_HOUR,
    NOW_MS,
    RATES,
    build,
    eventful_home,
    resource,
)
from tests.support.pages import Answer, Visitor, customer, operator

NOW = "2026-11-22T20"
OTHERS = ("globex", "initech", "k1", "h100", "i1", "i2")
FILES = (".ndjson", "wrong cluster")


def crawl(visitor: Visitor) -> dict[str, Answer]:
    """Every page that can be reached by links, hours without usage aside."""
    seen: dict[str, Answer] = {}
    left = ["/"]
    while left:
        address = left.pop()
        if address not in seen:
            seen[address] = visitor.get(address)
            left += [
                one
                for one in seen[address].links
                if "2026-11-22" in one and ("/days/" in one or "T13" in one or "T14" in one)
            ]
    return seen


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eventful_home(tmp_path_factory.mktemp("privacy")).root


def test_no_page_of_a_customer_tells_of_another(home: Path) -> None:
    pages = crawl(customer(home, NOW, "acme"))

    kinds = ("explain", "changes", "days", "document.json", "usage.json", "revision=")
    assert all(any(kind in address for address in pages) for kind in kinds)
    for address, page in pages.items():
        assert page.status == 200, address
        for other in (*OTHERS, *FILES):
            assert other not in page.text, (address, other)


def test_a_restatement_for_others_is_no_revision_of_a_customer(home: Path) -> None:
    # Revision 2 of this hour changed acme alone.
    page = customer(home, NOW, "globex").get(f"/hours/{FIRST_HOUR}")

    assert "1 shown" in page.words
    assert "Difference" not in page.words
    assert "new batch" not in page.words
    assert "13:00 current, 10 cents" in customer(home, NOW, "globex").get("/").words


def test_a_customer_learns_its_own_reasons_without_names_of_files(home: Path) -> None:
    page = customer(home, NOW, "acme").get(f"/hours/{FIRST_HOUR}/changes")

    assert "batch added:" in page.words
    assert "voids 0 → 1, slices voided 0 → 1" in page.words


def test_a_withdrawal_is_told_without_its_reason_and_file(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    [record] = [one for one in home.batches.glob("*.json") if "second" in one.read_text()]
    withdraw(home, record.stem, "globex said so", NOW_MS)
    build(home)

    page = customer(home.root, NOW, "acme").get(f"/hours/{FIRST_HOUR}/changes")
    assert f"batch removed: {record.stem} (withdrawn)" in page.words
    assert "globex" not in page.text
    assert "second" not in page.text
    told = operator(home.root, NOW).get(f"/hours/{FIRST_HOUR}/changes")
    assert "globex said so" in told.words


def test_who_won_a_conflict_is_told_only_of_ones_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.rates.write_text(RATES)
    times = ("13:00:00", "14:00:00")
    # Equal but for the customer: the smaller id counts.
    lines = [
        resource("same", *times, "acme", "vault", cpuMillicores=1000),
        resource("same", *times, "zeta", "api", cpuMillicores=1000),
        resource("other", *times, "zeta", "api", cpuMillicores=1000),
    ]
    events = tmp_path / "events.ndjson"
    events.write_text("".join(f"{line}\n" for line in lines))
    ingest_paths(home, [events], NOW_MS, Settings(threads=1))
    build(home)
    address = f"/hours/{FIRST_HOUR}/explain?resourceId=api"

    page = customer(tmp_path, NOW, "zeta").get(address)
    assert "conflicts with the same event, which counts" in page.words
    assert "vault" not in page.text
    assert "acme" not in page.text
    told = operator(tmp_path, NOW).get(f"/customers/zeta{address}")
    assert "conflicts with the same event for vault, which counts" in told.words


def test_the_operators_reason_is_for_the_operator(tmp_path: Path) -> None:
    root = eventful_home(tmp_path).root
    build_forced(root)

    assert "held before: globex complained" in operator(root, NOW).get(f"/hours/{FIRST_HOUR}").words
    page = customer(root, NOW, "acme").get(f"/hours/{FIRST_HOUR}")
    assert "complained" not in page.text
    assert "forced" not in page.text


def build_forced(root: Path) -> None:
    from hourtally.build.builder import Builder
    from hourtally.build.staleness import FORCED, StaleHour
    from hourtally.ratecard import parse_rate_card
    from hourtally.settings import Settings

    home = Home(root)
    card = parse_rate_card(home.rates.read_text(), "rates.toml")
    builder = Builder(home, card, NOW_MS, Settings(threads=1), True, "globex complained")
    assert builder.build([StaleHour(FIRST_HOUR, (FORCED,))]).failed == []


def test_a_customer_that_does_not_exist_looks_like_one_without_usage(home: Path) -> None:
    page = customer(home, NOW, "nobody").get(f"/hours/{FIRST_HOUR}")

    assert page.status == 200
    assert "No PaaS usage." in page.words


def test_a_resource_of_another_is_as_one_that_does_not_exist(home: Path) -> None:
    acme = customer(home, NOW, "acme")
    address = f"/hours/{FIRST_HOUR}/explain?resourceId="

    for name in ("gpu", "k1", "nothing"):
        page = acme.get(address + name)
        assert page.status == 404
        assert "There is nothing of that name in this hour." in page.words


def test_a_pruned_revision_says_so(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    prune(home, 1, None, NOW_MS, dry_run=False)

    for page in (
        operator(home.root, NOW).get(f"/customers/acme/hours/{FIRST_HOUR}?revision=1"),
        operator(home.root, NOW).get(f"/hours/{FIRST_HOUR}/changes"),
        customer(home.root, NOW, "acme").get(f"/hours/{FIRST_HOUR}?revision=1"),
    ):
        assert page.status == 404
        assert "removed to save space" in page.words
    assert customer(home.root, NOW, "acme").get(f"/hours/{FIRST_HOUR}").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8081", "127.0.0.1.evil.example", "", "[::2]", "10.0.0.1"]
)
def test_a_name_that_is_not_this_machines_gets_no_page_without_a_token(
    home: Path, host: str
) -> None:
    for visitor in (operator(home, NOW), customer(home, NOW, "acme")):
        answer = visitor.get("/", host=host)
        assert answer.status == 421
        assert "acme" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8081", "127.0.0.1:8081", "[::1]:8081", "127.0.0.2"])
def test_loopback_names_get_the_pages(home: Path, host: str) -> None:
    assert operator(home, NOW).get("/", host=host).status == 200


def test_pages_allow_no_script_and_nothing_from_elsewhere(home: Path) -> None:
    for address, page in crawl(operator(home, NOW)).items():
        if ".json" in address:
            continue
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "")


def test_a_fault_of_ours_is_a_page_that_tells_nothing(home: Path) -> None:
    class Broken(Site):
        def _route(self, *_: object) -> Answer:  # type: ignore[override]
            message = "secret"
            raise RuntimeError(message)

    whole = operator(home, NOW).site
    whole.__class__ = Broken
    page = Visitor(whole).get("/")

    assert page.status == 500
    assert "secret" not in page.text


def test_building_an_hour_again_shows_at_once(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    ui = operator(home.root, NOW)
    assert "13:00 held, restated" in ui.get("/").words

    text = home.rates.read_text().replace('gpu_model = "a100"\n', "")
    home.rates.write_text(text)
    assert "13:00 stale, held, restated" in ui.get("/").words
    build(home)

    assert "13:00 current, restated, 88.166666667 cents" in ui.get("/").words
