"""A backfill on a Dask scheduler with two workers, on loopback; one of them is killed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from dask.config import set as set_config
from distributed import Client

from hourtally.errors import HourtallyError
from hourtally.orchestration.flows import run_backfill
from hourtally.runtime.interrupts import Stop
from hourtally.store.layout import Home
from tests.support.command_line import hourtally
from tests.support.homes.five_day_home import HOURS, RANGE, home_of_long_event, ingested, manifests
from tests.support.prefect_server import PrefectServer, until


@contextlib.contextmanager
def dask(server: PrefectServer, folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler's address, and two workers of one thread each."""
    found = folder / "scheduler.json"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    worker = ["worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    worker += ["--local-directory", str(folder)]
    processes = [
        server.spawn("-m", "dask", *command, "--scheduler-file", found, log="dask.log")
        for command in (scheduler, worker, worker)
    ]
    try:
        until("the scheduler is there", found.exists)
        yield json.loads(found.read_text())["address"], processes[1:]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def published(home: Home) -> dict[str, Any]:
    """All that was published, but for times and nonces: records, and the bytes of their files."""
    found = {}
    for path in manifests(home):
        record = json.loads(path.read_bytes())
        folder = path.parent / record["folder"]
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        aside = ("published_at", "build_ms", "folder", "digest")
        found[record["hour"]] = ({k: v for k, v in record.items() if k not in aside}, files)
    return found


def test_a_backfill_on_dask_survives_a_worker_and_publishes_the_same_bytes(
    tmp_path: Path, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, many = (ingested(home_of_long_event(tmp_path / name)) for name in ("one", "many"))
    assert hourtally("backfill", *RANGE, "--home", one.root).returncode == 0

    sent = []
    submit = Client.submit

    def watched(self: Client, function: Any, *args: Any, **named: Any) -> Any:
        # What travels a task: its code and its parameters, and Prefect's context beside them.
        own = (named["task"], named["parameters"])
        sent.append((len(cloudpickle.dumps(own)), len(cloudpickle.dumps((function, named)))))
        return submit(self, function, *args, **named)

    monkeypatch.setattr(Client, "submit", watched)

    with (
        prefect_server.recording(),
        dask(prefect_server, tmp_path) as (address, workers),
    ):
        left_at_the_kill = []

        def kill_one() -> None:
            until("both have begun", lambda: manifests(many)[3:])
            workers[0].send_signal(signal.SIGKILL)
            left_at_the_kill.append(HOURS - len(manifests(many)))

        killer = threading.Thread(target=kill_one)
        killer.start()
        report = run_backfill(
            None,
            Stop(),
            from_=RANGE[1],
            to=RANGE[3],
            home=str(many.root),
            workers=2,
            dask_scheduler=address,
        )
        killer.join()
        assert workers[0].wait() == -signal.SIGKILL
        assert workers[1].poll() is None
        after_the_kill = published(many)

        # Asked to stop when the first task has ended, it begins no other.
        stop = Stop()
        interrupted = run_backfill(
            lambda *_: stop.request(),
            stop,
            from_=RANGE[1],
            to=RANGE[3],
            home=str(many.root),
            force=True,
            dask_scheduler=address,
        )

    # The hours of the first day, 16 to 23, and those of the days after it.
    assert (len(interrupted.built.built), interrupted.built.undone) == (8, HOURS - 8)
    assert left_at_the_kill[0] > 0
    assert report.built.failed == []
    assert after_the_kill == published(one)
    assert len(after_the_kill) == HOURS
    # No task across the end of a day: 8 hours, four times 24, and 16. Then one of 8.
    assert len(sent) == 7
    assert max(own for own, _ in sent) < 8_000
    assert max(whole for _, whole in sent) < 100_000


def test_a_dask_scheduler_that_is_not_there_is_a_sentence(
    tmp_path: Path, prefect_server: PrefectServer
) -> None:
    home = home_of_long_event(tmp_path)
    with (
        prefect_server.recording(),
        set_config({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(HourtallyError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
    ):
        run_backfill(
            None,
            Stop(),
            from_=RANGE[1],
            to=RANGE[3],
            home=str(home.root),
            dask_scheduler="tcp://127.0.0.1:9",
        )
