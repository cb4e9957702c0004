"""The flow that previews a rate card: its table, its state, and that it publishes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hourtally.build.rates.preview import PreviewRequest, preview
from hourtally.cli.app import call
from hourtally.jobs.sample import write_sample
from hourtally.model.hours import Hour, HourRange
from hourtally.orchestration.preview import preview as preview_flow
from hourtally.orchestration.preview_run import preview_table
from hourtally.ratecard import load_rate_card, parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.command_line import everything
from tests.support.events.random_events import NOW_MS
from tests.support.homes.priced_home import FIRST, hourly_rate, job, priced_home
from tests.support.prefect_server import PrefectServer
from tests.support.ratecard.card_texts import card_text

NOW = "2026-11-02T12:15:00Z"
DAY = {"from_": "2026-11-02", "to": "2026-11-03T00", "now": NOW}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_sample(tmp_path)
    assert call(["run", "--home", str(tmp_path), "--now", NOW]) == 3
    return tmp_path


def test_the_table_has_totals_then_rows_and_leaves_unknown_sides_empty(tmp_path: Path) -> None:
    # acme is held after, globex before; half an hour of a vCPU at 120 cents, and at 240.
    own = [hourly_rate("a", "120", customer="acme"), hourly_rate("i", "120", customer="initech")]
    jobs = [job(1, "acme"), job(2, "globex"), job(3, "initech")]
    home = priced_home(tmp_path, *jobs, card=card_text(*own))
    new = card_text(
        hourly_rate("g", "240", customer="globex"), hourly_rate("i", "240", customer="initech")
    )
    within = HourRange(FIRST, FIRST.following)
    request = PreviewRequest(parse_rate_card(new, "new"), within, NOW_MS, DEFAULT_SETTLE_MS)
    table = preview_table(preview(home, request, Settings(threads=1)), request)
    assert [tuple(row.values()) for row in table] == [
        ("total", "", "60", "120", "60", "USD", "compared"),
        ("initech", "paas.cpu", "60", "120", "60", "USD", "compared"),
        ("globex", "paas.cpu", "", "120", "", "USD", "held before"),
        ("acme", "paas.cpu", "60", "", "", "USD", "would be held"),
    ]


def test_the_flow_shows_the_table_and_writes_nothing(
    prefect_server: PrefectServer, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    card = tmp_path_factory.mktemp("cards") / "new.toml"
    card.write_text((home / "rates.toml").read_text().replace('"1200"', '"1300"'))
    before = everything(home)
    with prefect_server.recording():
        state: Any = preview_flow(card=str(card), home=str(home), **DAY, return_state=True)
        assert (state.name, everything(home)) == ("Completed", before)
        assert state.message == "3 closed hours of 2026-11-02T00 to 2026-11-03T00 (UTC); cents, USD"
        table = prefect_server.artifact("hourtally-preview")
    request = PreviewRequest(
        load_rate_card(card),
        HourRange(Hour.parse("2026-11-02T00"), Hour.parse("2026-11-03T00")),
        Hour.parse("2026-11-02T13").start_ms,
        DEFAULT_SETTLE_MS,
    )
    assert table == preview_table(preview(Home(home), request, Settings(threads=1)), request)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"card": "none.toml"}, "none.toml: the rate card cannot be read: No such file"),
        ({"to": "2026-11-02"}, "to 2026-11-02 is not after from 2026-11-02"),
        ({"from_": "noon"}, "'noon' is not an hour"),
    ],
)
def test_wrong_parameters_fail_the_run_with_a_message(
    prefect_server: PrefectServer, home: Path, wrong: dict[str, str], message: str
) -> None:
    given: Any = {"card": str(home / "rates.toml"), "home": str(home), **DAY, **wrong}
    with prefect_server.recording():
        state: Any = preview_flow(**given, return_state=True)
    assert state.name == "Failed"
    assert state.message.startswith(message)
