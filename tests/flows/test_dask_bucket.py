"""A backfill on Dask workers that share nothing but a bucket; one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hourtally.orchestration.flows import run_backfill
from hourtally.runtime.interrupts import Stop
from hourtally.store.layout import Home
from tests.flows.test_dask import published
from tests.support.buckets import objects_of
from tests.support.homes.five_day_home import HOURS, RANGE, home_of_long_event, ingested
from tests.support.prefect_server import PrefectServer, until
from tests.support.s3_server import S3Server, s3_server

COMMON = ("--host", "127.0.0.1", "--no-dashboard")


def test_workers_that_share_nothing_but_a_bucket_publish_the_same_bytes(
    tmp_path: Path, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ingested(home_of_long_event(tmp_path / "one"))
    with s3_server("moto", tmp_path) as s3, prefect_server.recording():
        for name, value in s3.variables.items():
            if name.startswith(("AWS_", "XDG_")):
                monkeypatch.setenv(name, value)
        many = Home.at(f"s3://{s3.bucket()}/home")
        for path in sorted(one.root.rglob("*.*")):
            if path.is_file() and path.parent.name != ".inbox":
                key = str(path.relative_to(one.root))
                objects_of(many).client.put(key, path.read_bytes())
        report = _run_on_two_workers(many, s3, prefect_server, tmp_path)
        assert report == []
        names = {f"hours/{hour}/000001.json" for hour in _hours(many)}
        assert len(names) == HOURS
        local = Home(tmp_path / "copy")
        for key in objects_of(many).client.list_all("hours"):
            path = local.root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(objects_of(many).client.get(key)[0])
    run = [sys.executable, "-m", "hourtally", "backfill", *RANGE, "--home", str(one.root)]
    subprocess.run(run, check=True, capture_output=True)
    assert published(local) == published(one)


def _hours(home: Home) -> set[str]:
    keys = objects_of(home).client.list_all("hours")
    return {key.split("/")[1] for key in keys if key.endswith("/000001.json")}


def _run_on_two_workers(
    home: Home, s3: S3Server, prefect_server: PrefectServer, folder: Path
) -> list[tuple[str, object]]:
    """Backfill, and kill one of the workers when both have begun; the hours that failed."""
    found = folder / "scheduler.json"
    commands = [("scheduler", *COMMON, "--port", "0", "--no-show")]
    commands += [("worker", *COMMON, "--nthreads", "1", "--no-nanny")] * 2
    processes = []
    for number, command in enumerate(commands):
        own = folder / f"machine-{number}"
        own.mkdir()
        environment = prefect_server.environment | s3.variables
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--scheduler-file", str(found)],
                env=environment | {"XDG_CACHE_HOME": str(own), "TMPDIR": str(own)},
                cwd=own,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        )
    try:
        until("the scheduler is there", found.exists)

        def kill_one() -> None:
            until("both have begun", lambda: len(_hours(home)) > 3)
            os.kill(processes[1].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        report = run_backfill(
            None,
            Stop(),
            from_=RANGE[1],
            to=RANGE[3],
            home=home.place,
            workers=2,
            dask_scheduler=json.loads(found.read_text())["address"],
        )
        killer.join()
        assert processes[1].wait() == -signal.SIGKILL
        # What it left is removed by the next process there; the other one removes its own.
        assert list((folder / "machine-1").rglob("work/*")) != []
        processes[2].terminate()
        processes[2].wait()
        assert list((folder / "machine-2").rglob("work")) != []
        assert list((folder / "machine-2").rglob("work/*")) == []
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
    return list(report.built.failed)
