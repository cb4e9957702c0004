"""Failing system calls: a clear error, no half-written state, and a rerun that completes.

Every call a job makes under its home fails in turn, once or from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.tools import require_strace
from tests.torture.faults.jobs import JOBS, Trial, sampled, worth_failing
from tests.torture.faults.system_calls import OPENING, READING, WRITING, run_with_fault

log = logging.getLogger(__name__)

pytestmark = pytest.mark.slow

FULL: Final = ("ENOSPC", "EIO", "EDQUOT")
# Errors for calls that cannot fail for lack of space.
ERRORS: Final[dict[str, Sequence[str]]] = {
    "openat": ("EMFILE", "EIO", "ENFILE"),
    **dict.fromkeys(("read", "pread64", "unlink", "unlinkat", "rmdir"), ("EIO",)),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC", "EDQUOT")),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_failed_system_call_is_reported_and_a_rerun_completes_the_job(
    tmp_path: Path, name: str, *, long: bool
) -> None:
    require_strace()
    trial = Trial(tmp_path, name, OPENING | WRITING | READING)
    calls = worth_failing(trial.calls)
    chosen = calls if long else sampled(calls, 5)
    failed, problems = 0, []
    for number, call in enumerate(chosen):
        trial.start_over()
        errors = ERRORS.get(call.name, FULL)
        error, on = errors[number % len(errors)], number // 2 % 2 == 1
        end = run_with_fault(call.options(f"error={error}", on=on), *trial.command)
        case = f"{call} {error} {'from then on' if on else 'once'}"
        failed += end.returncode == 1
        problems += [f"{case}: {wrong}" for wrong in trial.problems_after_failure(end)]
    log.info("%s: %d of %d calls made it fail", name, failed, len(chosen))
    assert "\n".join(problems) == ""
