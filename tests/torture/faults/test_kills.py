"""SIGKILL before every system call that changes something: no half-written state counts.

After each kill, readers see the old revision or the new one, the same command completes the
job, and the home equals that of an undisturbed job.
"""

from __future__ import annotations

import logging
import signal
from pathlib import Path

import pytest

from tests.support.command_line import NOW, hourtally
from tests.support.tools import require_strace
from tests.torture.faults.jobs import JOBS, Trial, sampled, worth_failing
from tests.torture.faults.system_calls import OPENING, WRITING, run_with_fault
from tests.torture.faults.two_hours import HOURS

log = logging.getLogger(__name__)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", JOBS)
def test_a_job_killed_before_any_call_is_completed_by_the_same_command(
    tmp_path: Path, name: str, *, long: bool
) -> None:
    require_strace()
    trial = Trial(tmp_path, name, OPENING | WRITING)
    calls = worth_failing(trial.calls)
    chosen = calls if long else sampled(calls, 5)
    killed = 0
    for number, call in enumerate(chosen):
        trial.start_over()
        dead = run_with_fault(call.options("signal=KILL"), *trial.command)
        if dead.returncode in {0, 3}:
            # Threads divided the work differently; nobody made this call.
            continue
        killed += 1
        assert dead.returncode == -signal.SIGKILL, (call, dead.returncode, dead.stderr)
        assert list(trial.problems()) == [], call
        if number % 25 == 0:
            shown_by_command(trial)
        rerun = hourtally(*trial.command)
        assert rerun.returncode in {0, 3}, (call, rerun.stderr)
        assert trial.differences() == [], call
    log.info("%s: killed at %d of %d calls", name, killed, len(trial.calls))
    assert killed >= len(chosen) * 0.9


def shown_by_command(trial: Trial) -> None:
    """`show --json` prints the old revision or the new one."""
    for hour in HOURS:
        shown = hourtally(
            *("show", hour.name, "--customer", "globex", "--project", "shop", "--json"),
            *("--home", trial.home.root, "--now", NOW),
        )
        views = [answered[hour] for answered in (trial.old, trial.new)]
        documents = {None if view is None else view["globex"] + b"\n" for view in views}
        assert (shown.stdout.encode() if shown.returncode == 0 else None) in documents
