"""SIGKILL at every system call that changes something: nothing half-done counts.

Before each of them in turn, the process is killed. Then readers see the old revision or the new
one, the same command completes the job, and the home is what it is after an undisturbed job.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from hourtally.export import export_hours
from hourtally.home import Home
from hourtally.hours import Hour
from hourtally.verify import verify_hours
from tests.command_line import NOW, hourtally
from tests.torture.scenario import (
    HOURS,
    RANGE,
    SETTINGS,
    add_late_file,
    answers,
    card_of,
    fresh_home,
    likeness,
    run,
)
from tests.torture.tracing import OPENING, WRITING, Call, calls_of, effected, why_not

log = logging.getLogger(__name__)

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "traced")


class Job(NamedTuple):
    """A command, and whether it is given a home in which the first file is built or a new one."""

    command: tuple[str, ...]
    built: bool


JOBS: Final = {
    "ingest": Job(("ingest", "{home}/inbox/late.ndjson", "--home", "{home}", "--now", NOW), True),
    "backfill": Job(("backfill", *RANGE, "--home", "{home}", "--now", NOW), True),
    "run": Job(("run", "--home", "{home}", "--now", NOW, "--export", "{home}/tree"), False),
}


def prepared(folder: Path, name: str) -> Home:
    """The home before a job."""
    home = fresh_home(folder)
    if JOBS[name].built:
        assert run(home) == []
        export_hours(home, home.root / "tree", HOURS)
    add_late_file(home)
    if name == "backfill":
        late = home.inbox / "late.ndjson"
        assert hourtally("ingest", late, "--home", home.root, "--now", NOW).returncode == 3
    return home


def sampled(calls: Sequence[Call], number: int) -> Sequence[Call]:
    """So many of the calls, from the first to the last."""
    step = max(1, (len(calls) - 1) // (number - 1))
    return [*calls[::step][: number - 1], calls[-1]]


def telling(calls: Sequence[Call]) -> Sequence[Call]:
    """All but most of the writes that make a file that nobody counts yet a little longer."""
    return [
        call for call in calls if call.name != "write" or call.number < 4 or not call.number % 16
    ]


def leftovers(home: Home) -> list[Path]:
    """Second names of manifests, left where a kill came between two names: a build takes them."""
    return [
        path
        for path in home.hours.glob("*/.*.tmp")
        if any(path.samefile(manifest) for manifest in path.parent.glob("*.json"))
    ]


@pytest.mark.parametrize("name", JOBS)
def test_killed_before_any_call_a_job_is_completed_by_the_same_command(
    tmp_path: Path, name: str, *, long: bool
) -> None:
    before = prepared(tmp_path / "before", name)
    home = Home(tmp_path / "home")
    command = [word.format(home=home.root) for word in JOBS[name].command]

    def start_over() -> None:
        shutil.rmtree(home.root, ignore_errors=True)
        shutil.copytree(before.root, home.root)

    start_over()
    old = {hour: answers(home, hour) for hour in HOURS}
    calls = calls_of(home.root, OPENING | WRITING, *command)
    done = likeness(home)
    new = {hour: answers(home, hour) for hour in HOURS}
    chosen = telling(calls) if long else sampled(telling(calls), 6)
    killed = 0
    for number, call in enumerate(chosen):
        start_over()
        dead = effected(call.options("signal=KILL"), *command)
        if dead.returncode in {0, 3}:
            # Threads have divided the work in another way, and nobody came by here.
            continue
        killed += 1
        assert dead.returncode == -9, (call, dead.returncode, dead.stderr)
        for hour in HOURS:
            assert answers(home, hour) in (old[hour], new[hour]), call
        assert verify_hours(home, card_of(home), HOURS, SETTINGS).named == [], call
        if number % 25 == 0:
            shown_by_command(home, old, new)
        rerun = hourtally(*command)
        assert rerun.returncode in {0, 3}, (call, rerun.stderr)
        for path in leftovers(home):
            path.unlink()
        assert likeness(home) == done, call
    log.info("%s: killed at %d of %d calls", name, killed, len(calls))
    assert killed >= len(chosen) * 0.9


def shown_by_command(home: Home, *told: dict[Hour, dict[str, bytes] | None]) -> None:
    """What `show --json` prints is one of what was told."""
    for hour in HOURS:
        views = [view[hour] for view in told]
        shown = hourtally(
            *("show", hour.name, "--customer", "globex", "--project", "shop", "--json"),
            *("--home", home.root, "--now", NOW),
        )
        documents = {None if view is None else view["globex"] + b"\n" for view in views}
        assert (shown.stdout.encode() if shown.returncode == 0 else None) in documents
