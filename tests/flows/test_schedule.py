"""The flows on a real Prefect server: scheduled, deployed, killed, and after it was down."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule

from hourtally.jobs.sample import write_sample
from hourtally.store.layout import Home
from tests.support.command_line import NOW, ROOT, command, documents, hourtally
from tests.support.homes.five_day_home import HOURS, RANGE, home_of_long_event, ingested, manifests
from tests.support.prefect_server import PrefectServer, until

HOURLY = "hourtally-hourly/hourtally-hourly"
BACKFILL = "hourtally-backfill/hourtally-backfill"
PREVIEW = "hourtally-preview/hourtally-preview"
SECOND = dt.timedelta(seconds=1)
EVERY = 4 * SECOND


@contextlib.contextmanager
def served(server: PrefectServer, home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A running `hourtally schedule` whose deployment is due every few seconds."""
    schedule = command("schedule", "--home", home, *options)[1:]
    serving = server.spawn(*schedule, log="schedule.log")

    def deployed() -> bool:
        assert serving.poll() is None, (server.home / "schedule.log").read_text()
        deployment = server.deployment(HOURLY)
        return deployment is not None and deployment.parameters.get("home") == str(home)

    try:
        until("the flow is served", deployed)
        deployment = server.deployment(HOURLY)
        assert deployment is not None
        soon = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=EVERY), active=True)
        with server.client() as client:
            client.create_deployment_schedules(deployment.id, [soon])
        yield serving
    finally:
        # The flow's process is of the same group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(serving.pid, signal.SIGKILL)
        serving.wait()


@pytest.fixture
def server(prefect_server: PrefectServer) -> PrefectServer:
    """The server, without the deployments of other tests."""
    with prefect_server.client() as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
    return prefect_server


def ended(server: PrefectServer, home: Path) -> list[FlowRun]:
    """The runs on a home that ended by themselves."""
    return [
        run
        for run in server.runs(HOURLY)
        if run.parameters.get("home") == str(home)
        and run.state is not None
        and run.state.is_final()
    ]


def test_a_served_schedule_creates_runs_and_executes_them(
    server: PrefectServer, tmp_path: Path
) -> None:
    write_sample(tmp_path)
    with served(server, tmp_path, "--workers", "2") as serving:
        run = until("a scheduled run has ended", lambda: ended(server, tmp_path))[0]
        serving.send_signal(signal.SIGTERM)
        # Ended by a service manager it ends well.
        assert serving.wait(60) == 0

    assert run.auto_scheduled
    assert run.state is not None
    # The sample has one bad line. A notification hangs on the name.
    assert (run.state.type.name, run.state.name) == ("COMPLETED", "Quarantined")
    assert str(run.state.message).startswith("hours built: 3, lines quarantined: 1\n")
    # It is named after the newest closed hour, and the sample lies in the past.
    assert re.fullmatch(r"up to \d{4}-\d\d-\d\dT\d\d", run.name)
    assert sorted(documents(tmp_path)) == ["2026-11-02T09", "2026-11-02T10", "2026-11-02T11"]
    deployment = server.deployment(HOURLY)
    assert deployment is not None
    # Runs go on to be created, and show as late.
    assert not deployment.paused


def test_schedule_serves_the_backfill_too_and_removes_deployments_of_the_version_before(
    server: PrefectServer, tmp_path: Path
) -> None:
    write_sample(tmp_path)
    with server.client() as client:
        for name, entrypoint in (
            ("hourly", "hourtally.orchestration.flows.hourly"),
            ("backfill", "their.own.backfill"),
        ):
            flow = client.create_flow_from_name(name)
            client.create_deployment(flow, name, entrypoint=entrypoint)
    with served(server, tmp_path):
        assert server.deployment("hourly/hourly") is None
        # One of the same name that is not ours.
        assert server.deployment("backfill/backfill") is not None
        # They are registered one after the other, the hourly one first.
        backfill = until("the backfill is served", lambda: server.deployment(BACKFILL))
        assert (backfill.tags, backfill.schedules) == (["hourtally"], [])
        preview = until("the preview is served", lambda: server.deployment(PREVIEW))
        assert (preview.tags, preview.schedules) == (["hourtally"], [])
        assert preview.parameters == {"home": str(tmp_path), "settle_minutes": 10.0}
        until("the hours are built", lambda: manifests(Home(tmp_path))[2:])
        given = {"from_": "2026-11-02", "to": "2026-11-02T11:00:00Z", "force": True}
        with server.client() as client:
            wanted = client.create_flow_run_from_deployment(backfill.id, parameters=given)

        def done() -> FlowRun | None:
            with server.client() as client:
                run = client.read_flow_run(wanted.id)
            return run if run.state is not None and run.state.is_final() else None

        run = until("the backfill has ended", done)
        no_card = given | {"rates": str(tmp_path / "none.toml")}
        with server.client() as client:
            wanted = client.create_flow_run_from_deployment(backfill.id, parameters=no_card)
        refused = until("the backfill without a card has ended", done)
        log = server.home / "schedule.log"
        said = f"Finished in state Failed('{tmp_path / 'none.toml'}"
        until("the log says why", lambda: said in log.read_text())
        # When one more run has ended, the process of the refused one is over too.
        with server.client() as client:
            wanted = client.create_flow_run_from_deployment(backfill.id, parameters=given)
        until("a further backfill has ended", done)
    assert "Traceback" not in log.read_text()
    assert refused.state is not None
    assert refused.state.name == "Failed"
    assert run.state is not None
    assert (run.state.name, run.name) == (
        "Completed",
        "2026-11-02T00 to 2026-11-02T11, forced",
    )


def test_the_entrypoint_file_serves_the_flow_with_all_defaults(
    server: PrefectServer, tmp_path: Path
) -> None:
    serving = server.spawn(ROOT / "flows" / "hourly.py", log="entrypoint.log", home=tmp_path)
    try:
        deployment = until("the flow is served", lambda: server.deployment(HOURLY))
        assert serving.poll() is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(serving.pid, signal.SIGKILL)
        serving.wait()

    assert deployment.parameters == {}
    [when] = [one.schedule.model_dump() for one in deployment.schedules]
    assert (when["cron"], when["timezone"]) == ("12 * * * *", "UTC")


@contextlib.contextmanager
def recorded_while_its_server_goes_away(server: PrefectServer, home: Home) -> Iterator[None]:
    """Around a kill of the server during a backfill, which still builds its hours."""
    with subprocess.Popen(
        command("backfill", *RANGE, "--home", home.root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Without retries, which take a minute for each of its last requests.
        env=server.environment | {"PREFECT_CLIENT_MAX_RETRIES": "0"},
    ) as process:
        until("the recorded one has begun", lambda: manifests(home))
        assert process.poll() is None
        yield
        _, said = process.communicate()

    assert process.returncode == 1
    assert "Traceback" not in said, said
    assert f"the Prefect server at {server.url} stopped answering" in said
    assert len(manifests(home)) == len(list(home.hours.glob("*/rev-*"))) == HOURS


def test_after_a_power_cut_the_next_run_finishes_and_the_dead_one_blocks_nothing(
    server: PrefectServer, tmp_path: Path
) -> None:
    home = home_of_long_event(tmp_path)
    with served(server, tmp_path):
        until("some hours are built", lambda: manifests(home)[2:])
    # Its processes were killed midway; now the server is too.
    with recorded_while_its_server_goes_away(server, ingested(home_of_long_event(tmp_path / "r"))):
        server.kill()
        cut = dt.datetime.now(dt.UTC)

    # No hour is half-built: what is published is whole, the others are not there.
    published = len(manifests(home))
    assert published < HOURS
    verified = hourtally("verify", "--home", tmp_path)
    assert (verified.returncode, f"{published} hours verified" in verified.stdout) == (0, True)

    # Long enough that more slots go by than Prefect makes runs for ahead of time.
    until("slots have gone by", lambda: dt.datetime.now(dt.UTC) > cut + 3.5 * EVERY)
    server.start()
    back = dt.datetime.now(dt.UTC)
    [dead] = [run for run in server.runs(HOURLY) if running(run, tmp_path)]
    deployment = server.deployment(HOURLY)
    assert deployment is not None
    assert deployment.global_concurrency_limit is not None
    # This would block the schedule for ever: a slot that is never freed.
    assert deployment.global_concurrency_limit.active_slots == 1

    with served(server, tmp_path) as serving:
        run = until("another run has ended", lambda: ended(server, tmp_path))[0]
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == 0

    assert run.id != dead.id
    assert len(manifests(home)) == HOURS
    again = hourtally("run", "--home", tmp_path)
    assert "nothing to do" in again.stdout
    # Those slots never get runs: the files showed what was missing.
    slots = {run.expected_start_time for run in server.runs(HOURLY)}
    away = [slot for slot in slots if slot is not None and cut + SECOND < slot < back - SECOND]
    assert len(away) < (back - cut) / EVERY - 1


def test_run_recorded_in_a_server_does_and_says_what_it_does_without_one(
    server: PrefectServer, tmp_path: Path
) -> None:
    homes = [tmp_path / name for name in ("with", "less")]
    said = []
    for home, variables in zip(homes, (server.environment, None), strict=True):
        write_sample(home)
        # Hours 10 and 11 close while nothing runs; the next run makes up for both.
        for now in ("2026-11-02T10:15:00Z", "2026-11-02T12:15:00Z"):
            twofold = ("--now", now, "--workers", "2")
            done = hourtally("run", "--home", home, *twofold, variables=variables)
            # The table of files comes first; which of them are read again depends on timing.
            said.append((done.returncode, done.stdout[done.stdout.index("hour  ") :]))

    assert said[:2] == said[2:]
    assert [status for status, _ in said[:2]] == [3, 0]
    assert "1 hour built" in said[0][1]
    assert "2 hours built" in said[1][1]
    assert documents(homes[0]) == documents(homes[1])


def test_a_server_that_does_not_answer_is_a_sentence(server: PrefectServer, tmp_path: Path) -> None:
    write_sample(tmp_path)
    no_server = server.environment | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}

    done = hourtally("run", "--home", tmp_path, variables=no_server)

    assert (done.returncode, done.stdout) == (1, "")
    assert "no Prefect server answers at http://127.0.0.1:9/api: nothing was done" in done.stderr
    assert not Home(tmp_path).hours.exists()


def running(run: FlowRun, home: Path) -> bool:
    return (
        run.parameters.get("home") == str(home) and run.state is not None and run.state.is_running()
    )


def test_prefect_yaml_deploys_both_flows_and_a_worker_runs_them(
    server: PrefectServer, tmp_path: Path
) -> None:
    write_sample(tmp_path)
    server.run(["-m", "prefect", "work-pool", "create", "hourtally", "--type", "process"], cwd=ROOT)

    done = server.run(["-m", "prefect", "deploy", "--all", "--no-prompt"], cwd=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr
    hourly = server.deployment(HOURLY)
    backfill = server.deployment(BACKFILL)
    assert hourly is not None
    assert backfill is not None
    [when] = [one.schedule.model_dump() for one in hourly.schedules]
    assert (when["cron"], when["timezone"]) == ("12 * * * *", "UTC")
    assert hourly.global_concurrency_limit is not None
    assert hourly.global_concurrency_limit.limit == 1
    assert hourly.concurrency_options is not None
    assert hourly.concurrency_options.collision_strategy.value == "ENQUEUE"
    assert backfill.schedules == []
    assert hourly.tags == backfill.tags == ["hourtally"]
    schema: dict[str, Any] = backfill.parameter_openapi_schema or {}
    assert schema["required"] == ["from_", "to"]
    assert {name: one.get("type") for name, one in schema["properties"].items()} == {
        "from_": "string",
        "to": "string",
        "force": "boolean",
        "workers": "integer",
        "settle_minutes": "number",
        "memory_mib": "integer",
        # Or null, so the type stands one level below.
        **dict.fromkeys(("reason", "home", "rates", "now", "threads", "export", "dask_scheduler")),
    }
    assert all(one["description"] for one in schema["properties"].values())

    with server.client() as client:
        # The server refuses what the form would.
        with pytest.raises(Exception, match="workers"):
            client.create_flow_run_from_deployment(
                backfill.id, parameters={"from_": "2026-11-02T09", "to": "x", "workers": 0}
            )
        home = {"home": str(tmp_path), "now": NOW}
        wanted = client.create_flow_run_from_deployment(
            backfill.id, parameters={"from_": "2026-11-02T09", "to": "2026-11-02T11", **home}
        )
        assert hourtally("ingest", Home(tmp_path).inbox, "--home", tmp_path).returncode == 3
        worker = ["-m", "prefect", "worker", "start", "--pool", "hourtally", "--run-once"]
        server.run(worker, cwd=tmp_path)
        run = client.read_flow_run(wanted.id)

    assert run.state is not None
    assert (run.state.name, run.state.message) == ("Completed", "hours built: 2")
    assert run.name == "2026-11-02T09 to 2026-11-02T11"
    assert sorted(documents(tmp_path)) == ["2026-11-02T09", "2026-11-02T10"]
