"""What a preview says of each customer's hours, and which hours it tells apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build.rates.preview import Preview, PreviewRequest, preview
from hourtally.build.rates.preview_levels import KEYS, Level
from hourtally.errors import BoundExceeded, Damaged
from hourtally.jobs.preview_notes import preview_notes
from hourtally.model.hours import HourRange
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from tests.support.command_line import everything
from tests.support.events.random_events import NOW_MS
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.priced_home import (
    CARD,
    CENT,
    FIRST,
    SECOND,
    add,
    cluster,
    hourly_rate,
    job,
    priced_home,
)
from tests.support.ratecard.card_texts import card_text

DOUBLE = card_text(hourly_rate("cpu", "240"))
Cents = tuple[int, int]


def previewed(
    home: Home,
    card: str,
    level: Level = "customer",
    customer: str | None = None,
    now_ms: int = NOW_MS,
) -> Preview:
    within = HourRange(FIRST, SECOND.following)
    rates = parse_rate_card(card, "card")
    request = PreviewRequest(rates, within, now_ms, DEFAULT_SETTLE_MS, level, customer)
    before = everything(home.root)
    found = preview(home, request, Settings(threads=1))
    assert everything(home.root) == before
    return found


def cents(found: Preview, level: Level = "customer") -> dict[tuple[str | None, ...], Cents]:
    """Before and after in whole cents, by part, key and meter."""
    rows = {}
    for row in found.rows.iter_rows(named=True):
        key = (row["part"], *(row[name] for name in KEYS[level]), row["meter"])
        assert row["before"] % CENT == row["after"] % CENT == 0
        rows[key] = (row["before"] // CENT, row["after"] // CENT)
    return rows


def holds(found: Preview) -> list[tuple[str, str, int]]:
    rows = found.customers.select("part", "customer_id", "hours").sort("part", "customer_id")
    return rows.rows()


def test_a_price_is_shown_by_customer_before_and_after(tmp_path: Path) -> None:
    # 0.5 h at 120 cents, and at 240; globex has another 0.5 h in the second hour.
    home = priced_home(tmp_path, job(1, "acme"), job(2, "globex"), job(3, "globex", 60, 90))
    found = previewed(home, DOUBLE)
    assert cents(found) == {
        ("compared", "acme", "paas.cpu"): (60, 120),
        ("compared", "globex", "paas.cpu"): (120, 240),
    }
    assert (found.priced, found.unpublished, found.stale, found.not_closed) == (2, [], [], 0)


def test_only_the_customer_that_is_asked_for_is_shown(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), job(2, "globex"))
    found = previewed(home, card_text(), customer="acme")
    assert cents(found) == {("would be held", "acme", "paas.cpu"): (60, 0)}
    assert [one.customers for one in found.suggested] == [1]


def test_a_customer_without_charges_is_said_to_have_none(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"))
    within = HourRange(FIRST, SECOND)
    card = parse_rate_card(DOUBLE, "card")
    request = PreviewRequest(card, within, NOW_MS, DEFAULT_SETTLE_MS, customer="ACME")
    notes = list(preview_notes(preview(home, request, Settings(threads=1)), request))
    assert notes == ["No charges before or after. Ids must match the events exactly."]


@pytest.mark.parametrize(
    ("level", "ids", "of_cluster"),
    [
        ("team", ("t1",), (None,)),
        ("project", ("t1", "p1"), (None, None)),
        ("type", ("t1", "p1", "job"), (None, None, None)),
        ("resource", ("t1", "p1", "job", "r1"), (None, None, None, "k1")),
    ],
)
def test_below_the_customer_clusters_have_an_id_only_by_resource(
    tmp_path: Path, level: Level, ids: tuple[str, ...], of_cluster: tuple[str | None, ...]
) -> None:
    card = card_text(hourly_rate("cpu", "120"), hourly_rate("cluster", "20", "byoc.cluster"))
    home = priced_home(tmp_path, job(1, "acme"), cluster(2, "acme"), card=card)
    found = previewed(home, card.replace('"120"', '"240"'), level)
    assert cents(found, level) == {
        ("compared", "acme", *ids, "paas.cpu"): (60, 120),
        ("compared", "acme", *of_cluster, "byoc.cluster"): (10, 10),
    }


def test_by_rate_each_side_has_the_rates_that_priced_it(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), job(2, "globex"))
    card = card_text(hourly_rate("cpu", "120"), hourly_rate("own", "40", customer="acme"))
    assert cents(previewed(home, card, "rate"), "rate") == {
        ("compared", "cpu", "paas.cpu"): (120, 60),
        ("compared", "own", "paas.cpu"): (0, 20),
    }


def test_by_rate_charges_whose_slices_are_gone_have_an_unknown_rate(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"))
    before = home.records_with_slices(FIRST)
    add(home, job(2, "acme", 60, 90))
    for name in before:
        # Taken out by hand: the record is gone, and the slices with it.
        home.batch_record(name).unlink()
        home.slices(FIRST, name).unlink()
    found = previewed(home, DOUBLE, "rate")
    assert cents(found, "rate") == {
        ("compared", None, "paas.cpu"): (60, 0),
        ("compared", "cpu", "paas.cpu"): (0, 120),
    }
    assert found.stale == [(FIRST, "batch removed")]
    assert found.unpublished == [SECOND]


def test_who_would_be_held_is_apart_with_what_is_published_now(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), job(2, "globex"), job(3, "acme", 60, 90))
    found = previewed(home, card_text(hourly_rate("cpu", "240", customer="globex")))
    assert cents(found) == {
        ("would be held", "acme", "paas.cpu"): (120, 0),
        ("compared", "globex", "paas.cpu"): (60, 120),
    }
    assert holds(found) == [("would be held", "acme", 2)]
    [gap] = found.gaps.to_dicts()
    assert (gap["customer_id"], gap["meter"], gap["hours"], gap["resources"]) == (
        "acme",
        "paas.cpu",
        2,
        1,
    )
    # From 13:00 until 14:30, in both hours.
    assert (gap["from_ms"], gap["until_ms"]) == (FIRST.start_ms, SECOND.start_ms + 1_800_000)
    [suggested] = found.suggested
    assert 'customer = "acme"' in suggested.block


def test_who_is_held_now_is_apart_with_what_the_card_makes_of_it(tmp_path: Path) -> None:
    only_globex = card_text(hourly_rate("cpu", "120", customer="globex"))
    home = priced_home(tmp_path, job(1, "acme"), job(2, "globex"), card=only_globex)
    found = previewed(home, DOUBLE)
    assert cents(found) == {
        ("held before", "acme", "paas.cpu"): (0, 120),
        ("compared", "globex", "paas.cpu"): (60, 120),
    }
    assert holds(found) == [("held before", "acme", 1)]
    assert (len(found.gaps), found.suggested) == (0, [])


def test_who_is_held_now_and_under_the_card_is_in_both_lists_without_figures(
    tmp_path: Path,
) -> None:
    home = priced_home(tmp_path, job(1, "acme"), card=card_text())
    found = previewed(home, card_text())
    assert cents(found) == {}
    assert holds(found) == [("held before", "acme", 1), ("would be held", "acme", 1)]


def test_an_hour_without_a_revision_has_nothing_before(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), card=None)
    found = previewed(home, CARD)
    assert cents(found) == {("compared", "acme", "paas.cpu"): (0, 60)}
    assert found.unpublished == [FIRST]


def test_an_hour_that_late_events_make_stale_is_named_and_priced_with_them(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), job(2, "acme", 60, 90))
    add(home, job(3, "acme", 30, 60))
    found = previewed(home, DOUBLE)
    # 60 + 60 now; (1 h + 0.5 h) at 240 then.
    assert cents(found) == {("compared", "acme", "paas.cpu"): (120, 360)}
    assert found.stale == [(FIRST, "new batch")]


def test_another_currency_has_rows_of_its_own(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"))
    rows = previewed(home, CARD.replace("USD", "EUR")).rows.sort("currency")
    assert rows.select("currency", "before", "after").rows() == [
        ("EUR", 0, 60 * CENT),
        ("USD", 60 * CENT, 0),
    ]


def test_hours_that_are_not_closed_are_left_out(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), job(2, "acme", 60, 90))
    found = previewed(home, DOUBLE, now_ms=SECOND.end_ms)
    assert (found.priced, found.not_closed) == (1, 1)


def test_an_hour_that_cannot_be_read_is_named_and_the_others_are_priced(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"), job(2, "globex", 60, 90))
    manifest = current_manifest(home, FIRST)
    assert manifest is not None
    flip_byte(manifest.folder / "customers.parquet", 100)
    found = previewed(home, DOUBLE)
    assert cents(found) == {("compared", "globex", "paas.cpu"): (60, 120)}
    [(hour, error)] = found.failed
    assert (hour, type(error)) == (FIRST, Damaged)


def test_a_price_that_no_column_holds_fails_its_hours_as_a_backfill_would(tmp_path: Path) -> None:
    home = priced_home(tmp_path, job(1, "acme"))
    found = previewed(home, card_text(hourly_rate("cpu", "9" * 40)))
    [(hour, error)] = found.failed
    assert (hour, type(error)) == (FIRST, BoundExceeded)
    assert found.rows.is_empty()
