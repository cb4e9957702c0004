"""A batch is withdrawn, built without, ingested again and built again, while power is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.errors import StorageFault
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.withdrawal import withdraw
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home
from hourtally.verify import verify_hours
from tests.torture.faults.disk_model import Disk, FailedFsync, Fsync, Step
from tests.torture.faults.disk_recorder import Recorder, recording
from tests.torture.faults.test_power_loss import INPUTS, committed, problems, states
from tests.torture.faults.two_hours import (
    HOURS,
    NOW_MS,
    SETTINGS,
    add_late_file,
    card_of,
    documents_by_customer,
    fresh_home,
    run,
)

log = logging.getLogger(__name__)


def take_back(home: Home) -> None:
    """`hourtally withdraw`."""
    withdraw(home, str(home.inbox / "late.ndjson"), "wrong", NOW_MS)


def ingest_again(home: Home) -> None:
    """`hourtally ingest --again`."""
    late = home.inbox / "late.ndjson"
    assert ingest_paths(home, [late], NOW_MS, SETTINGS, again=True).refused == []


def build(home: Home) -> None:
    """`hourtally backfill`."""
    stale = stale_hours(home, card_of(home), NOW_MS, DEFAULT_SETTLE_MS)
    assert Builder(home, card_of(home), NOW_MS, SETTINGS).build(stale).failed == []


JOBS: Sequence[Callable[[Home], None]] = (take_back, build, ingest_again, build)


def do_all(home: Home, recorder: Recorder) -> None:
    for job in JOBS:
        job(home)
        recorder.mark(committed(home))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequence[Step], int]:
    """All the steps, and which is the first after the two hours were built."""
    home = fresh_home(tmp_path_factory.mktemp("recorded") / "home")
    add_late_file(home)
    with recording(home.root, Disk(), INPUTS) as recorder:
        assert run(home) == []
        recorder.mark(committed(home))
        first = len(recorder.steps)
        do_all(home, recorder)
    return recorder.steps, first


def test_no_loss_of_power_breaks_what_counts(
    recorded: tuple[Sequence[Step], int], *, long: bool
) -> None:
    steps, first = recorded
    seen = set()
    for number, disk, tree in states(steps, at_random=30 if long else 1, first=first):
        seen.add(hash(frozenset(tree.items())))
        found = list(problems(disk, tree))
        assert not found, (number, steps[number], found)
    log.info("%d steps, %d different states", len(steps) - first, len(seen))
    assert len(seen) >= 500


def failures(steps: Sequence[Step], first: int, *, long: bool) -> Sequence[int]:
    """The numbers of fsyncs to fail, counted from the first step; four of them without --long."""
    fsyncs = sum(isinstance(step, Fsync) for step in steps[first:])
    return range(0, fsyncs, 1 if long else fsyncs // 4 + 1)


@pytest.mark.slow
def test_after_a_failed_fsync_the_same_command_completes_it(
    recorded: tuple[Sequence[Step], int], tmp_path_factory: pytest.TempPathFactory, *, long: bool
) -> None:
    steps, first = recorded
    failed = 0
    for number in failures(steps, first, long=long):
        home = fresh_home(tmp_path_factory.mktemp("failing") / "home")
        add_late_file(home)
        with recording(home.root, Disk(), INPUTS) as recorder:
            assert run(home) == []
            before = [documents_by_customer(home, hour) for hour in HOURS]
            start = len(recorder.steps)
            recorder.fsyncs_until_one_fails = number
            for job in JOBS:
                try:
                    job(home)
                except StorageFault:
                    job(home)
            recorder.fsyncs_until_one_fails = None
            failed += any(isinstance(step, FailedFsync) for step in recorder.steps)
            recorder.mark(committed(home))
        assert [documents_by_customer(home, hour) for hour in HOURS] == before
        assert verify_hours(home, HOURS, SETTINGS).listed == []
        for at, disk, tree in states(recorder.steps, 0, first=start):
            found = list(problems(disk, tree))
            assert not found, (number, recorder.steps[at], found)
    log.info("%d failed fsyncs", failed)
    assert failed
