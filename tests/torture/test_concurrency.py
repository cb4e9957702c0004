"""Eight processes ingest and build the same hours while four read them."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hourtally.store.layout import Home
from hourtally.store.manifests import read_manifest, revisions_of
from hourtally.verify import verify_hours
from tests.support.command_line import environment
from tests.torture.faults.two_hours import (
    FIRST,
    HOURS,
    LATE,
    SETTINGS,
    documents_by_customer,
    fresh_home,
    run,
    write_events,
)

log = logging.getLogger(__name__)

WRITERS = 8
READERS = 4
# How long a file may take to reach every hour, on a busy machine.
PATIENCE_S = 120


@pytest.mark.slow
def test_concurrent_jobs_publish_what_one_job_alone_would(tmp_path: Path, *, long: bool) -> None:
    home = fresh_home(tmp_path / "home")
    stop = tmp_path / "stop"
    roles = ["write"] * WRITERS + ["read"] * READERS
    processes = [_start(role, home, stop) for role in roles]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()
        began = time.monotonic()
        for number in itertools.count(1):
            add_file(home, number)
            wait_until_built(home, number + 1, processes)
            if time.monotonic() - began > 60 if long else number == 6:
                break
    finally:
        stop.touch()
        ended = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), ended
    assert run(home) == []
    assert_chains_grow(home)
    alone = fresh_home(tmp_path / "alone")
    for file in home.inbox.iterdir():
        (alone.inbox / file.name).write_bytes(file.read_bytes())
    assert run(alone) == []
    assert [documents_by_customer(home, hour) for hour in HOURS] == [
        documents_by_customer(alone, hour) for hour in HOURS
    ]
    revisions = sum(len(revisions_of(home, hour)) for hour in HOURS)
    log.info("%d files, %d revisions of %d hours", number + 1, revisions, len(HOURS))


def _start(role: str, home: Home, stop: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.torture.concurrent_worker", role, str(home.root), str(stop)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def add_file(home: Home, number: int) -> None:
    """Add a file of new events, duplicates, and events that contradict earlier ones."""
    events: list[dict[str, Any]] = [*LATE, FIRST[number % 3]]
    for event in LATE:
        events.append({**event, "id": f"{event['id']}-{number}"})
    changed = {**LATE[1]["data"], "cpuMillicores": 900 - number}
    events.append({**LATE[1], "data": changed})
    write_events(home.root / "written.tmp", events).rename(home.inbox / f"{number:04d}.ndjson")


def wait_until_built(home: Home, files: int, processes: list[subprocess.Popen[str]]) -> None:
    """Wait until the newest revisions include all the files."""
    deadline = time.monotonic() + PATIENCE_S
    while not all(_batches_in(home, hour) == files for hour in HOURS):
        died = [process for process in processes if process.poll() is not None]
        assert not died, died[0].communicate()
        assert time.monotonic() < deadline, f"file {files} is not in every hour"
        time.sleep(0.02)


def _batches_in(home: Home, hour: Any) -> int:
    revisions = revisions_of(home, hour)
    return len(read_manifest(home, hour, revisions[-1]).inputs["batches"]) if revisions else 0


def assert_chains_grow(home: Home) -> None:
    """Revisions count from 1, each with its parent's inputs and more."""
    for hour in HOURS:
        revisions = revisions_of(home, hour)
        assert revisions == list(range(1, len(revisions) + 1))
        manifests = [read_manifest(home, hour, revision) for revision in revisions]
        for parent, child in itertools.pairwise(manifests):
            assert child.record["parent"] == parent.revision
            assert set(child.inputs["batches"]) > set(parent.inputs["batches"])
        folders = {path.name for path in home.hour(hour).glob("rev-*")}
        assert folders == {manifest.folder.name for manifest in manifests}
    assert verify_hours(home, HOURS, SETTINGS).listed == []
