"""A system call that fails: a sentence, nothing half-done that counts, and a rerun that ends it.

Every call that a job makes with something under its home fails in turn, once or from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.command_line import hourtally
from tests.torture.jobs import JOBS, Trial, sampled, telling
from tests.torture.tracing import OPENING, READING, WRITING, effected, why_not

log = logging.getLogger(__name__)

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "traced")

FULL: Final = ("ENOSPC", "EIO", "EDQUOT")
# What a call fails with where it cannot fail for want of room.
ERRORS: Final[dict[str, Sequence[str]]] = {
    "openat": ("EMFILE", "EIO", "ENFILE"),
    **dict.fromkeys(("read", "pread64", "unlink", "unlinkat", "rmdir"), ("EIO",)),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC", "EDQUOT")),
}

# What is to be done; of an event file that cannot be read to its end, what has become of it.
ADVICE: Final = ("again", "put a card there", "refused whole, nothing of it counts")


@pytest.mark.parametrize("name", JOBS)
def test_any_call_that_fails_is_told_and_a_rerun_completes_the_job(
    tmp_path: Path, name: str, *, long: bool
) -> None:
    trial = Trial(tmp_path, name, OPENING | WRITING | READING)
    calls = telling(trial.calls)
    chosen = calls if long else sampled(calls, 6)
    failed, wrongs = 0, []
    for number, call in enumerate(chosen):
        trial.start_over()
        errors = ERRORS.get(call.name, FULL)
        error, on = errors[number % len(errors)], number // 2 % 2 == 1
        end = effected(call.options(f"error={error}", on=on), *trial.command)
        case = f"{call} {error} {'from then on' if on else 'once'}"
        failed += end.returncode == 1
        wrongs += [f"{case}: {wrong}" for wrong in wrongs_of(trial, end.returncode, end.stderr)]
    log.info("%s: %d of %d calls made it fail", name, failed, len(chosen))
    assert "\n".join(wrongs) == ""


def wrongs_of(trial: Trial, status: int, said: str) -> Iterator[str]:
    """What is not as it must be after a call has failed, and after one more try without that."""
    if status in {0, 3}:
        # What failed was tried again by whoever made the call, or was not needed.
        if trial.differences():
            yield f"it says nothing, but {trial.differences()} differ"
        return
    if status != 1 or "Traceback" in said:
        yield f"it ends with {status}: {said[-600:]}"
    elif str(trial.home.root) not in said or not any(advice in said for advice in ADVICE):
        yield f"it says {said}"
    yield from trial.wrongs()
    rerun = hourtally(*trial.command)
    if rerun.returncode not in {0, 3}:
        yield f"a rerun says {rerun.stderr}"
    if trial.differences():
        yield f"a rerun leaves {trial.differences()}"
