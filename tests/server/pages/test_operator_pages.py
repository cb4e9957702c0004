"""The operator's pages: what `status`, `list`, `run` and `rates at` say, laid out."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.server.pages.rendering import in_home
from tests.support.homes.eventful_home import FIRST_HOUR, eventful_home
from tests.support.pages import Visitor, operator

NOW = "2026-11-22T20"


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    return operator(eventful_home(tmp_path_factory.mktemp("pages")).root, NOW)


def test_the_first_page_counts_hours_by_state(ui: Visitor) -> None:
    page = ui.get("/")

    assert page.status == 200
    assert "current 1" in page.words
    assert "held 1" in page.words
    # Two identities in conflict: a1 in both hours.
    assert "Conflicts 2" in page.words
    assert "Voided slices 1 Lines in quarantine 1" in page.words
    assert "13:00 held, restated, 13.166666667 cents" in page.words


def test_held_customers_stand_with_the_rate_that_would_release_them(ui: Visitor) -> None:
    page = ui.get("/")

    assert "1 customer is held in 1 hour" in page.words
    assert '[[rate]] id = "paas-gpu-h100-2026-11-22" meter = "paas.gpu"' in page.words
    assert "/customers/initech" in page.links


def test_customers_stand_by_total_and_can_be_searched(ui: Visitor) -> None:
    page = ui.get("/customers")

    # globex: two hours of a cluster at 10 cents; acme and initech as on their pages.
    order = [
        page.words.index(one) for one in ("globex 20", "acme 5.833333334", "initech 3.333333333")
    ]
    assert order == sorted(order)
    assert "29.166666667 cents, 3 customers" in page.words
    found = ui.get("/customers?search=ACM&from=2026-11-22T13&to=2026-11-22T14")
    assert "acme 3.166666667 100.0 %" in found.words
    assert "globex" not in found.words
    assert ui.get("/customers?from=2026-11-22T13&to=2026-11-22T13").status == 400


def test_an_hour_of_all_customers_has_its_inputs_and_what_did_not_count(ui: Visitor) -> None:
    page = ui.get(f"/hours/{FIRST_HOUR}")

    assert "State held" in page.words
    assert "All customers 13.166666667 cents" in page.words
    assert "initech : meter 'paas.gpu'" in page.words
    assert "Identities in conflict: 1. Slices voided: 1." in page.words
    conflict = "Conflicts 1 meter/eu a1 has 2 contents; the one for api of acme counts"
    assert conflict in page.words
    address = f"/customers/acme/hours/{FIRST_HOUR}/explain?resourceId=api"
    assert address in page.links
    assert "conflicts with the same event" in ui.get(address).words
    changes = ui.get(f"/hours/{FIRST_HOUR}/changes")
    assert "Customers 1 changed" in changes.words


def test_batches_stand_with_what_became_of_each_file(ui: Visitor) -> None:
    page = ui.get("/batches")

    assert "Batches 3" in page.words
    assert "withdrawn: wrong cluster" in page.words
    assert "second.ndjson" in page.words


def test_files_of_the_home_are_named_as_they_lie_in_it(ui: Visitor) -> None:
    page = ui.get("/batches")

    # It was copied after its files were ingested from another folder.
    assert "/home/second.ndjson" in page.words
    assert in_home("at /srv/home/inbox/a (x) my/srv/home/b", ["/srv/home"]) == (
        "at inbox/a (x) my/srv/home/b"
    )
    assert in_home("(see home/quarantine/a), or s3://b/home/c", ["s3://b/home", "home"]) == (
        "(see quarantine/a), or c"
    )


def test_quarantine_stands_by_rule_with_its_lines(ui: Visitor) -> None:
    page = ui.get("/quarantine")

    assert "not_json 1" in page.words
    assert "line 5: not_json" in page.words
    assert "not json" in page.words
    assert "None." in ui.get("/quarantine?rule=bad_type").words
    # A rule of a query is text: it ends no SQL literal.
    assert ui.get("/quarantine?rule=%27%20OR%201%3D1%20--").status == 200


def test_rates_stand_as_they_are_at_an_instant(ui: Visitor) -> None:
    page = ui.get("/rates")

    assert "Rates in force at 2026-11-22T20:30:00Z" in page.words
    assert "cpu paas.cpu 1200 cents per vcpu-month all" in page.words
    assert "No rate then for paas.storage" in page.words
    before = ui.get("/rates?at=2025-12-31")
    assert "Starting later 4" in before.words
    assert ui.get("/rates?at=soon").status == 400


def test_an_unknown_page_of_the_operator_is_a_404(ui: Visitor) -> None:
    assert ui.get("/v1/billing/usage").status == 404
    assert ui.get("/assets/none.css").status == 404


def test_an_empty_home_has_pages_that_say_so(tmp_path: Path) -> None:
    ui = operator(tmp_path, NOW)

    assert "current 0" in ui.get("/").words
    assert "Nothing has been ingested." in ui.get("/batches").words
    assert "No line is in quarantine." in ui.get("/quarantine").words
    assert "No customer has usage" in ui.get("/customers").words
    assert "no published hours" in ui.get("/customers/acme").words
    assert "State empty" in ui.get("/hours/2026-11-22T13").words


def test_a_rate_card_that_cannot_be_read_hides_no_published_hour(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    home.rates.write_text("currency = 1")
    ui = operator(home.root, NOW)

    assert "The rate card cannot be read" in ui.get("/").words
    assert ui.get("/customers/acme").status == 200
    assert ui.get("/rates").status == 500
