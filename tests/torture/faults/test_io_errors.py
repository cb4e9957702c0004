"""A system call that fails: a sentence, nothing half-done that counts, and a rerun that ends it.

Every call that a job makes with something under its home fails in turn, once or from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.tools import require_strace
from tests.torture.faults.jobs import JOBS, Trial, sampled, telling
from tests.torture.faults.system_calls import OPENING, READING, WRITING, effected

log = logging.getLogger(__name__)

pytestmark = pytest.mark.slow

FULL: Final = ("ENOSPC", "EIO", "EDQUOT")
# What a call fails with where it cannot fail for want of room.
ERRORS: Final[dict[str, Sequence[str]]] = {
    "openat": ("EMFILE", "EIO", "ENFILE"),
    **dict.fromkeys(("read", "pread64", "unlink", "unlinkat", "rmdir"), ("EIO",)),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC", "EDQUOT")),
}


@pytest.mark.parametrize("name", JOBS)
def test_any_call_that_fails_is_told_and_a_rerun_completes_the_job(
    tmp_path: Path, name: str, *, long: bool
) -> None:
    require_strace()
    trial = Trial(tmp_path, name, OPENING | WRITING | READING)
    calls = telling(trial.calls)
    chosen = calls if long else sampled(calls, 5)
    failed, wrongs = 0, []
    for number, call in enumerate(chosen):
        trial.start_over()
        errors = ERRORS.get(call.name, FULL)
        error, on = errors[number % len(errors)], number // 2 % 2 == 1
        end = effected(call.options(f"error={error}", on=on), *trial.command)
        case = f"{call} {error} {'from then on' if on else 'once'}"
        failed += end.returncode == 1
        wrongs += [f"{case}: {wrong}" for wrong in trial.wrongs_after_a_failure(end)]
    log.info("%s: %d of %d calls made it fail", name, failed, len(chosen))
    assert "\n".join(wrongs) == ""
