"""Power loss at every step of a job: what is published stays whole, what was promised stays."""

from __future__ import annotations

import contextlib
import logging
import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.errors import StorageFault
from hourtally.published.export import export_hours
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home
from hourtally.verify import verify_hours
from tests.support.homes.small_home import many_small_builds
from tests.torture.faults.disk_model import Disk, Fsync, Mark, Rename, Step, Tree
from tests.torture.faults.disk_recorder import Recorder, recording
from tests.torture.faults.invariants import broken
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

# Files that people write are not ours to make durable.
INPUTS: Final = frozenset({"inbox", "rates.toml"})


def job(home: Home, recorder: Recorder | None = None) -> None:
    """What `hourtally run --export` does."""
    assert run(home) == []
    if recorder:
        # Before the export, which fsyncs everything.
        recorder.mark(committed(home))
    export_hours(home, home.root / "tree", HOURS)


def committed(home: Home) -> Iterator[str]:
    """The records that a successful job has left."""
    for pattern in ("batches/*.json", "hours/*/*.json"):
        yield from (str(path.relative_to(home.root)) for path in home.root.glob(pattern))


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Step]:
    """Two jobs in a new home; the second ingests the late file and restates both hours."""
    home = fresh_home(tmp_path_factory.mktemp("recorded") / "home")
    with recording(home.root, Disk(), INPUTS) as recorder:
        job(home, recorder)
        add_late_file(home)
        job(home, recorder)
    return recorder.steps


def states(
    steps: Sequence[Step], at_random: int, disk: Disk | None = None, first: int = 0
) -> Iterator[tuple[int, Disk, Tree]]:
    """Every prefix of the steps from `first` on, with each tree a power loss after it may leave."""
    chance = random.Random(1)
    disk = disk.clone() if disk else Disk()
    for number, step in enumerate(steps):
        disk.apply(step)
        if number < first:
            continue
        for tree in disk.losses(chance, at_random):
            yield number, disk, tree


def problems(disk: Disk, tree: Tree) -> Iterator[str]:
    yield from broken(tree)
    for path in disk.promises - tree.keys():
        yield f"{path} is lost although its job succeeded"


def test_a_power_loss_at_any_step_breaks_nothing(steps: Sequence[Step], *, long: bool) -> None:
    seen = set()
    for number, disk, tree in states(steps, at_random=100 if long else 2):
        seen.add(hash(frozenset(tree.items())))
        found = list(problems(disk, tree))
        assert not found, (number, steps[number], found)
    log.info("%d steps, %d different states", len(steps), len(seen))
    assert len(seen) >= (10_000 if long else 3_000)


def fsynced_place(step: Fsync) -> str:
    """The path that was fsynced, without nonces."""
    return re.sub(r"(?<=-|\.)[0-9a-f]{16}(?=$|/|\.tmp)", "", step.path)


def ends(steps: Sequence[Step], first: int) -> Iterator[tuple[Disk, Tree]]:
    """Of the states from a step on, those right after a name or the end of a command.

    Only these steps add something that counts: what is missing by then shows there.
    """
    disk, chance = Disk(), random.Random(1)
    for number, step in enumerate(steps):
        disk.apply(step)
        if number >= first and isinstance(step, Rename | Mark):
            for tree in disk.losses(chance, 0):
                yield disk, tree


@pytest.mark.slow
def test_every_fsync_is_needed(steps: Sequence[Step]) -> None:
    """A test of the test above: it fails if any place is no longer fsynced."""
    places = {fsynced_place(step) for step in steps if isinstance(step, Fsync)}
    # Nothing here counts: what is lost is redone. The mark `naming` matters only where another
    # version has left slices in hours that this one does not write to.
    spared = re.compile(r"\.staging(/[0-9a-f]{16}(/naming)?)?|\.inbox")
    needed = {place for place in places if not spared.fullmatch(place)}
    unfound = []
    for place in sorted(needed):
        is_there = [isinstance(s, Fsync) and fsynced_place(s) == place for s in steps]
        rest = [s for s, there in zip(steps, is_there, strict=True) if not there]
        if not any(any(problems(disk, tree)) for disk, tree in ends(rest, is_there.index(True))):
            unfound.append(place)
    log.info("%d places", len(needed))
    assert unfound == []


def put(home: Home, disk: Disk) -> None:
    """Write the home as a killed process leaves it: everything it did, fsynced or not."""
    first: dict[int, Path] = {}
    for path, node in disk.paths().items():
        if node in disk.folders:
            (home.root / path).mkdir()
        elif node in first:
            (home.root / path).hardlink_to(first[node])
        else:
            first[node] = home.root / path
            first[node].write_bytes(disk.files[node].now)


def only_build(home: Home) -> None:
    """What `hourtally backfill` does."""
    stale = stale_hours(home, card_of(home), NOW_MS, DEFAULT_SETTLE_MS)
    assert Builder(home, card_of(home), NOW_MS, SETTINGS).build(stale).failed == []


@pytest.mark.slow
@pytest.mark.parametrize("next_job", [job, only_build])
def test_the_work_of_a_killed_job_is_not_assumed_durable(
    steps: Sequence[Step], tmp_path: Path, next_job: Callable[[Home], None], *, long: bool
) -> None:
    """A job is killed after some step, the next one continues, then power is lost."""
    named = [number for number, step in enumerate(steps) if isinstance(step, Rename)]
    seen = set()
    kills = named if long else named[4 :: len(named) // 4]
    for kill in kills:
        disk = Disk()
        for step in steps[: kill + 1]:
            disk.apply(step)
        home = fresh_home(tmp_path / f"home-{kill}")
        add_late_file(home)
        put(home, disk)
        # A revision that a killed job published may be lost, and is then built again to the same
        # bytes. A batch may not: its file need not be there any more.
        before = {path for path in committed(home) if next_job is only_build or "hours/" in path}
        with recording(home.root, disk, INPUTS) as recorder:
            next_job(home)
            recorder.mark(path for path in committed(home) if path not in before)
        for number, after, tree in states(recorder.steps, 2 if long else 0, disk):
            seen.add(hash(frozenset(tree.items())))
            found = list(problems(after, tree))
            assert not found, (steps[kill], number, recorder.steps[number], found)
    log.info("%d kills, %d different states after them", len(kills), len(seen))


def only_export(home: Home) -> None:
    """What `hourtally export` does."""
    export_hours(home, home.root / "tree", HOURS)


@pytest.mark.slow
def test_an_export_makes_the_revision_durable_that_it_exports(
    steps: Sequence[Step], tmp_path: Path
) -> None:
    """A build is killed right after its commit, an export follows, then power is lost.

    Were the revision lost, the older marks could vouch for its documents.
    """
    restated = [
        number
        for number, step in enumerate(steps)
        if isinstance(step, Rename) and "000002.json" in dict(step.names)
    ]
    assert len(restated) == 2
    for kill in restated:
        disk = Disk()
        for step in steps[: kill + 1]:
            disk.apply(step)
        home = fresh_home(tmp_path / f"home-{kill}")
        put(home, disk)
        with recording(home.root, disk, INPUTS) as recorder:
            only_export(home)
        for at, after, tree in states(recorder.steps, 100, disk):
            found = list(problems(after, tree))
            assert not found, (steps[kill], at, recorder.steps[at], found)


@pytest.mark.slow
def test_work_whose_fsync_failed_is_redone(
    steps: Sequence[Step], tmp_path: Path, *, long: bool
) -> None:
    """An fsync fails, the job reports it, the next one completes the work; then power is lost."""
    first_job = takewhile(lambda step: not isinstance(step, Mark), steps)
    places = [fsynced_place(step) for step in first_job if isinstance(step, Fsync)]
    telling = ("events", "batches", "rates", f"hours/{HOURS[0]}")
    numbers = range(len(places)) if long else [places.index(place) for place in telling]
    seen, failed = set(), 0
    for number in numbers:
        home = fresh_home(tmp_path / f"home-{number}")
        add_late_file(home)
        with recording(home.root, Disk(), INPUTS) as recorder:
            recorder.fsyncs_until_one_fails = number
            with contextlib.suppress(StorageFault):
                job(home)
            failed += recorder.fsyncs_until_one_fails is None
            recorder.fsyncs_until_one_fails = None
            job(home)
            recorder.mark(committed(home))
        for at, after, tree in states(recorder.steps, 1 if long else 0):
            seen.add(hash(frozenset(tree.items())))
            found = list(problems(after, tree))
            assert not found, (number, recorder.steps[at], found)
    log.info("%d failed fsyncs, %d different states after them", failed, len(seen))
    assert failed >= len(numbers) // 2


@pytest.mark.slow
def test_the_next_run_repairs_the_home_after_a_power_loss(
    steps: Sequence[Step], tmp_path: Path, *, long: bool
) -> None:
    home = fresh_home(tmp_path / "undisturbed")
    add_late_file(home)
    job(home)
    told = {hour: documents_by_customer(home, hour) for hour in HOURS}
    chance = random.Random(2)
    trees = [tree for _, _, tree in states(steps, at_random=2)]
    for number, tree in enumerate(chance.sample(trees, 300 if long else 6)):
        home = fresh_home(tmp_path / f"home-{number}")
        add_late_file(home)
        for path, content in tree.items():
            (home.root / path).parent.mkdir(parents=True, exist_ok=True)
            (home.root / path).write_bytes(content)
        with many_small_builds():
            job(home)
        assert {hour: documents_by_customer(home, hour) for hour in HOURS} == told
        assert verify_hours(home, HOURS, SETTINGS).listed == []
        files = {p.relative_to(home.root / "tree") for p in home.root.glob("tree/[!@]*/*.json")}
        assert files == {
            Path(customer) / f"{hour.timestamp}.json"
            for hour, documents in told.items()
            for customer, document in (documents or {}).items()
            if b'"teams":[]' not in document or b'"byocUsage":{"price":{"total":0,' not in document
        }
