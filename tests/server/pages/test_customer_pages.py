"""A customer's pages: the figures of `list`, `show`, `diff` and `explain`, laid out."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.published.document_index import DOCUMENTS, USAGE_DOCUMENTS
from hourtally.published.reader import read_document
from hourtally.published.views import view
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from tests.support.homes.eventful_home import FIRST_HOUR, SECOND_HOUR, eventful_home
from tests.support.pages import Visitor, customer, operator

NOW = "2026-11-22T20"
ACME = "/customers/acme"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eventful_home(tmp_path_factory.mktemp("pages")).root


@pytest.fixture
def ui(home: Path) -> Visitor:
    return operator(home, NOW)


def test_the_customer_page_has_the_sums_of_both_hours(ui: Visitor) -> None:
    page = ui.get(ACME)

    assert page.status == 200
    # 13: 1 vCPU-h × 5/3 + 3 GiB-h × 1/2 = 3.166666667; 14: 5/3 + 2 × 1/2 = 2.666666667.
    assert "Month to date (2026-11) 0.05833333334 USD 5.833333334 cents" in page.words
    assert "no published hours 2026-10-19 to 2026-11-22" in page.words
    # 2 × 1.666666667 of 5.833333334, and 1.5 + 1.
    assert "CPU 3.333333334 cents USD, 57.1 % memory 2.5 cents USD, 42.9 %" in page.words


def test_the_heat_map_tells_states_apart_by_words_and_signs(ui: Visitor) -> None:
    acme, initech = ui.get(ACME), ui.get("/customers/initech")

    assert "13:00 current, restated, 3.166666667 cents" in acme.words
    assert "14:00 current, 2.666666667 cents" in acme.words
    assert "13:00 held" in initech.words
    assert "14:00 current, 3.333333333 cents" in initech.words
    assert 'href="#m-held"' in initech.text
    assert "12:00 empty" in acme.words
    assert "20:00 open" in acme.words
    assert "1 held hour: some usage has no rate, so no sum has them." in initech.words


def test_each_level_of_an_hour_links_to_the_next_with_the_filters_of_the_api(ui: Visitor) -> None:
    hour = f"{ACME}/hours/{FIRST_HOUR}"
    levels = [
        hour,
        f"{hour}?teamId=web",
        f"{hour}?teamId=web&projectId=shop",
        f"{hour}?teamId=web&projectId=shop&resourceType=service",
    ]
    for address, following in zip(
        levels, [*levels[1:], f"{hour}/explain?resourceId=api"], strict=True
    ):
        page = ui.get(address)
        assert page.status == 200
        assert following in page.links
    # The last level: one service of 1.666666667 + 1 cents.
    assert "Resources 1" in page.words
    assert "api 2.666666667 100.0 % 1 2" in page.words


@pytest.mark.parametrize("query", ["", "?teamId=web", "?teamId=web&projectId=shop", "?teamId=none"])
def test_the_json_that_a_page_links_to_is_the_view_of_the_api(
    ui: Visitor, home: Path, query: str
) -> None:
    page = ui.get(f"{ACME}/hours/{FIRST_HOUR}{query}")
    manifest = current_manifest(Home(home), FIRST_HOUR)
    assert manifest is not None
    filters: dict[str, str | None] = {"team": None, "project": None, "resource_type": None}
    if "teamId" in query:
        filters["team"] = "none" if "none" in query else "web"
    if "projectId" in query:
        filters["project"] = "shop"
    for kind, name in ((DOCUMENTS, "document"), (USAGE_DOCUMENTS, "usage")):
        [address] = [one for one in page.links if f"/{name}.json" in one]
        answer = ui.get(address)
        assert answer.headers["content-type"] == "application/json"
        expected = view(read_document(manifest, "acme", kind), **filters)
        assert answer.text.encode() == expected


def test_the_revisions_of_an_hour_stand_with_when_and_why(ui: Visitor) -> None:
    page = ui.get(f"{ACME}/hours/{FIRST_HOUR}")

    assert "2 shown 2026-11-22 20:30:00 new batch, held before Difference" in page.words
    assert "1 2026-11-22 20:30:00 first build" in page.words
    first = ui.get(f"{ACME}/hours/{FIRST_HOUR}?revision=1")
    assert "This is revision 1; the newest one has explanations and JSON." in first.words
    assert "2.666666667 cents" in first.words
    assert ui.get(f"{ACME}/hours/{FIRST_HOUR}?revision=3").status == 404


def test_the_difference_is_that_of_the_customer_with_its_reasons(ui: Visitor) -> None:
    page = ui.get(f"{ACME}/hours/{FIRST_HOUR}/changes?before=1&after=2")

    assert page.status == 200
    assert "Difference +0.5 cents, USD" in page.words
    assert "batch added:" in page.words
    assert "second.ndjson" in page.words
    assert "voids 0 → 1, slices voided 0 → 1" in page.words
    assert "db web / shop / addon / db none 0.5 +0.5 new" in page.words
    assert "globex" not in page.words


def test_the_explanation_has_slices_rates_exact_value_and_rounding(ui: Visitor) -> None:
    page = ui.get(f"{ACME}/hours/{FIRST_HOUR}/explain?resourceId=api")

    assert page.status == 200
    assert "2.666666667 cents = cpu 1.666666667 + memory 1 + storage 0 + gpu 0" in page.words
    assert "1000 × 720 × 3600000 5/3" in page.words
    assert "Exact 5/3 = 1.666666666666666666666666…" in page.words
    assert "Rounded to whole nanocents, half to even 1.666666667" in page.words
    assert "conflicts with the same event for api, which counts" in page.words
    assert '"voidedId":"a1"' in page.words


def test_a_voided_resource_is_explained_without_a_charge(ui: Visitor) -> None:
    page = ui.get(f"{ACME}/hours/{FIRST_HOUR}/explain?resourceId=gone")

    assert "No charge: none of its slices counts." in page.words
    assert "voided by meter/eu v1" in page.words


def test_a_held_hour_says_which_usage_has_no_rate(ui: Visitor) -> None:
    page = ui.get(f"/customers/initech/hours/{FIRST_HOUR}")

    assert page.status == 409
    assert "meter 'paas.gpu' (gpu_model = 'h100', " in page.words
    explained = ui.get(f"/customers/initech/hours/{FIRST_HOUR}/explain?resourceId=gpu")
    assert explained.status == 409
    assert "No sum: some of it has no rate." in explained.words


@pytest.mark.parametrize(
    ("hour", "said"),
    [
        ("2026-11-22T12", "nothing was metered in it"),
        ("2026-11-22T20", "it is not over yet"),
        ("2030-01-01T00", "it is not over yet"),
    ],
)
def test_an_unpublished_hour_says_why_there_is_nothing(ui: Visitor, hour: str, said: str) -> None:
    page = ui.get(f"{ACME}/hours/{hour}")

    assert page.status == 404
    assert said in page.words


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/nothing", 404),
        ("/hours/2026-11-22T13?teamId=web&teamId=data", 400),
        ("/hours/2026-11-22T13?team=web", 400),
        ("/hours/2026-11-22T13?page=0", 400),
        ("/hours/2026-11-22T13?resourceType=server", 400),
        ("/hours/nonsense", 400),
        ("/hours/1795352401", 400),
        ("/hours/2026-11-22T13/explain?resourceId=none", 404),
        ("/hours/2026-11-22T13/changes?before=9&after=10", 404),
        ("/days/2026-13-01", 400),
        ("?until=x", 400),
        ("?until=0001-01-02", 400),
        ("/days/1969-12-31", 400),
        ("/hours/-3600", 400),
        ("/hours/%FF", 400),
    ],
)
def test_a_wrong_address_gets_a_page_that_says_so(ui: Visitor, address: str, status: int) -> None:
    page = ui.get(ACME + address)

    assert page.status == status
    assert f"Error {status}" in page.words


def test_five_weeks_of_long_ago_leave_the_months_as_they_are(ui: Visitor) -> None:
    page = ui.get(f"{ACME}?until=2020-03-01")

    assert "Month to date (2026-11) 0.05833333334 USD" in page.words
    assert "no published hours 2020-01-26 to 2020-02-29" in page.words
    assert f"{ACME}?until=2020-04-05T00" in page.links


@pytest.mark.parametrize(
    "address",
    ["?until=1970-01-01", "?until=9999-12-31T23", "/days/1970-01-01", "/days/9999-12-31"],
)
def test_the_first_and_the_last_day_of_all_have_a_page(ui: Visitor, address: str) -> None:
    for page in (
        ui.get(ACME + address),
        ui.get(address if address.startswith("/") else f"/{address}"),
    ):
        assert page.status == 200
        if "/days/" in address:
            beside = [one for one in page.links if "/days/" in one and not one.endswith(address)]
            assert [ui.get(one).status for one in beside] == [200]


@pytest.mark.parametrize(
    ("hour", "beside"), [("1970-01-01T00", "01T01"), ("9999-12-31T23", "31T22")]
)
def test_the_first_and_the_last_hour_of_all_link_to_one_hour_beside(
    ui: Visitor, hour: str, beside: str
) -> None:
    for base in (ACME, ""):
        links = [one for one in ui.get(f"{base}/hours/{hour}").links if "/hours/" in one]
        assert [one for one in links if not one.endswith(hour)] == [
            f"{base}/hours/{hour[:8]}{beside}"
        ]


def test_the_json_of_a_page_is_not_sent_again_to_who_has_it(ui: Visitor) -> None:
    address = f"{ACME}/hours/{FIRST_HOUR}/document.json"
    first = ui.get(address)
    again = ui.get(address, if_none_match=first.headers["etag"])

    assert (again.status, again.text) == (304, "")
    assert ui.get(address, if_none_match='"other"').text == first.text
    for answer in (first, again):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_resources_of_an_earlier_revision_have_no_link_to_the_newest_ones(ui: Visitor) -> None:
    query = "teamId=web&projectId=shop&resourceType=service"
    newest, first = (
        ui.get(f"{ACME}/hours/{FIRST_HOUR}?{query}{more}") for more in ("", "&revision=1")
    )

    assert [one for one in newest.links if "/explain" in one]
    assert not [one for one in first.links if "/explain" in one]
    assert "api" in first.words


def test_an_hour_that_is_open_again_keeps_its_figures(home: Path) -> None:
    page = operator(home, FIRST_HOUR.name).get(f"{ACME}/days/2026-11-22")

    assert "13:00 open, restated 3.166666667 14:00" in page.words
    assert "All 5.833333334" in page.words


def test_a_day_lists_its_24_hours_with_states_and_the_sum(ui: Visitor) -> None:
    page = ui.get(f"{ACME}/days/2026-11-22")

    assert page.text.count('<th scope="row">') == 25
    assert "Cents, USD Why" in page.words
    assert "13:00 current, restated 3.166666667 14:00" in page.words
    assert "All 5.833333334" in page.words


def test_the_only_customer_of_a_server_has_the_same_pages_at_the_top(home: Path) -> None:
    pages = customer(home, NOW, "acme")

    assert "0.05833333334 USD" in pages.get("/").words
    assert pages.get(f"/hours/{SECOND_HOUR}").status == 200
    assert pages.get("/customers").status == 404
