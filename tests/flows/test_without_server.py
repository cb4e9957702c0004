"""Orchestration where no Prefect server answers, or where one goes away."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
from prefect.deployments.runner import RunnerDeployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.orchestration import schedule
from hourtally.orchestration.schedule import cron_after, serve_flows
from hourtally.orchestration.server import recorded, server_answers

# Port 9 of loopback refuses connections at once.
NOBODY = "http://127.0.0.1:9/api"


@pytest.mark.parametrize(
    ("settle_minutes", "cron"),
    [(0, "2 * * * *"), (9.5, "12 * * * *"), (10, "12 * * * *"), (58, "0 * * * *")],
)
def test_the_hourly_run_starts_two_minutes_after_hours_close(
    settle_minutes: float, cron: str
) -> None:
    assert cron_after(settle_minutes) == cron


def test_a_schedule_without_a_valid_cron_expression_is_wrong_use() -> None:
    with pytest.raises(InvalidArgument, match="--cron 'hourly'"):
        serve_flows({}, "hourly")


def test_no_run_is_recorded_where_no_server_answers() -> None:
    with temporary_settings({PREFECT_API_URL: NOBODY}):
        assert not server_answers()
        with pytest.raises(HourtallyError, match=re.escape(NOBODY)), recorded():
            pytest.fail("nothing may be done before the server answers")


def test_a_server_that_stops_during_a_run_is_reported_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hourtally.orchestration.server.server_answers", lambda: True)
    with (
        temporary_settings({PREFECT_API_URL: NOBODY}),
        pytest.raises(HourtallyError, match="stopped answering") as raised,
        recorded(),
    ):
        raise httpx.ConnectError("refused")
    assert isinstance(raised.value.__cause__, httpx.ConnectError)


def test_a_schedule_waits_for_its_server_and_serves_again_after_it_was_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Away, still away, there; gone while serving; back.
    answers = iter([False, False, True, False, True])
    happened: list[Any] = []

    def serve(*deployments: RunnerDeployment, **_: Any) -> None:
        happened.append([(one.name, one.parameters, one.tags) for one in deployments])
        if len(happened) == 3:
            raise httpx.ConnectError("refused")

    monkeypatch.setattr(schedule, "server_answers", lambda: next(answers))
    monkeypatch.setattr(schedule, "_free_slots", lambda: happened.append("slots freed"))
    monkeypatch.setattr(schedule, "serve", serve)
    monkeypatch.setattr(time, "sleep", lambda _: happened.append("slept"))

    serve_flows({"home": "h"}, "12 * * * *")

    flows = ("hourly", "backfill", "preview")
    deployments = [(f"hourtally-{flow}", {"home": "h"}, ["hourtally"]) for flow in flows]
    served = ["slots freed", deployments]
    assert happened == ["slept", *served, *served]


def test_a_schedule_that_fails_although_its_server_answers_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def serve(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("no")

    monkeypatch.setattr(schedule, "server_answers", lambda: True)
    monkeypatch.setattr(schedule, "_free_slots", lambda: None)
    monkeypatch.setattr(schedule, "serve", serve)
    with pytest.raises(httpx.ConnectError, match="no"):
        serve_flows({}, "12 * * * *")
