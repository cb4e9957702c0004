"""A preview says to the last digit what a backfill under its card then publishes."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.build.rates.held_hours import find_held
from hourtally.build.rates.preview import Preview, PreviewRequest, preview
from hourtally.build.rates.preview_levels import KEYS, LEVELS, Level
from hourtally.model.hours import HourRange
from hourtally.model.schemas import HELD
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.command_line import everything
from tests.support.events.event_files import arrangements
from tests.support.events.random_events import HOUR, NOW_MS, Json, event_sets
from tests.support.examples import examples
from tests.support.homes.small_home import (
    MIDDLE,
    NEXT,
    Built,
    build,
    built,
    fresh_home,
    ingest,
    many_small_builds,
)
from tests.support.oracle.hour import BYOC, PAAS, oracle
from tests.support.oracle.preview import Row, preview_rows
from tests.support.ratecard.random_cards import card_pairs

COLUMNS = {"gpuMemory": "gpu_memory"}


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("preview")


def previewed(home: Home, rates: str, level: Level) -> Preview:
    card = parse_rate_card(rates, "card")
    within = HourRange(MIDDLE, NEXT)
    request = PreviewRequest(card, within, NOW_MS, DEFAULT_SETTLE_MS, level)
    before = everything(home.root)
    found = preview(home, request, Settings(threads=1))
    assert everything(home.root) == before
    assert found.failed == []
    return found


def rows_of(found: Preview, level: Level) -> dict[Row, tuple[int, int]]:
    return {
        (row["part"], tuple(row[name] for name in KEYS[level]), row["meter"]): (
            row["before"],
            row["after"],
        )
        for row in found.rows.iter_rows(named=True)
    }


def by_meter(rows: dict[Row, tuple[int, int]]) -> list[Counter[tuple[str, str]]]:
    """Before and after of each part and meter."""
    sides: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
    for (part, _, meter), cents in rows.items():
        for side, nanocents in zip(sides, cents, strict=True):
            side[part, meter] += nanocents
    return [+side for side in sides]


def published_charges(hour: Built) -> Counter[tuple[tuple[str | None, ...], str]]:
    """Every charge above zero of a revision, by resource or cluster and meter."""
    charges: Counter[tuple[tuple[str | None, ...], str]] = Counter()
    for table, components in (("charges", PAAS), ("clusters", BYOC)):
        for row in hour.tables[table].iter_rows(named=True):
            ids = (
                tuple(row[name] for name in KEYS["resource"])
                if table == "charges"
                else (row["customer_id"], None, None, None, row["cluster_id"])
            )
            for component, (meter, _) in components.items():
                charges[ids, meter] += row[f"{COLUMNS.get(component, component)}_nanocents"]
    return +charges


def holds(hour: Built) -> list[tuple[str | None, ...]]:
    """Who is held for what, and from when until when, without the parts of the span."""
    if "held" not in hour.tables:
        return []
    key = list(HELD)[:6]
    spans = hour.tables["held"].group_by(key).agg(pl.col("from_ms").min(), pl.col("until_ms").max())
    return sorted(spans.rows(), key=str)


@examples(60, fast=8)
@given(st.data(), event_sets(), card_pairs(), st.booleans())
def test_a_backfill_publishes_every_charge_and_hold_of_a_preview(
    folder: Path,
    data: st.DataObject,
    events: list[Json],
    cards: tuple[str, str],
    is_published: bool,
) -> None:
    home = fresh_home(folder)
    files = ingest(home, events, data.draw(arrangements(len(events))))
    if is_published:
        build(home, cards[0])
    before, after = (oracle(files, card, HOUR) for card in cards)
    published = before if built(home).manifest else None

    level = data.draw(st.sampled_from(LEVELS))
    found = previewed(home, cards[1], level)
    of_teams = preview_rows([(published, after)], "team") if found.priced else {}
    if found.priced and level != "rate":
        assert rows_of(found, level) == preview_rows([(published, after)], level)
    # By rate too, each part and meter adds up to the same.
    assert by_meter(rows_of(found, level)) == by_meter(of_teams)

    resources = previewed(home, cards[1], "resource")
    copy = Home(home.root.with_name(home.root.name + "-copy"))
    shutil.copytree(home.root, copy.root)
    build(copy, cards[1])
    restated = built(copy)
    if not restated.manifest:
        assert resources.rows.is_empty()
        return
    charged = {
        (row["meter"], tuple(row[name] for name in KEYS["resource"])): row["after"]
        for row in resources.rows.filter(pl.col("after") > 0).iter_rows(named=True)
    }
    assert charged == {
        (meter, ids): cents for (ids, meter), cents in published_charges(restated).items()
    }
    gaps = resources.gaps.select(*list(HELD)[:6], "from_ms", "until_ms")
    assert sorted(gaps.rows(), key=str) == holds(restated)
    # And the rates to add are those that the backfill prints.
    told = find_held(copy, parse_rate_card(cards[1], "card"), HourRange(MIDDLE, NEXT))
    assert resources.suggested == told.suggested
