"""The text file that `run --metrics` writes, for Prometheus's collector of text files."""

from __future__ import annotations

import time
from pathlib import Path

from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.jobs.job import Job
from hourtally.ratecard import load_rate_card
from hourtally.store.durable import replace_file, storage_faults

# The collector runs as another user.
_MODE = 0o644


def check_folder(path: Path) -> None:
    """Refuse before a run what could not be written after it.

    Raises:
        InvalidArgument: there is no such folder, or the path is one.
    """
    if path.is_dir() or not path.parent.is_dir():
        message = f"--metrics {path}: give a file in a folder that exists"
        raise InvalidArgument(message)


def write_metrics(job: Job, path: Path, seconds: float, status: int) -> None:
    """Write the facts of the home and of the run that has just ended; readers see all or nothing.

    Raises:
        StorageFault: the file cannot be written.
    """
    # Imported here, as few runs want it: 60 ms.
    from hourtally.metrics import RunFacts, gather, text_of_home

    now_ms = job.now_ms if job.is_now_given else time.time_ns() // 1_000_000
    try:
        card = load_rate_card(job.rates)
    except HourtallyError:
        card = None
    facts = gather(job.home, card, now_ms, job.settle_ms)
    content = text_of_home(facts, RunFacts(now_ms, round(seconds, 3), status))
    with storage_faults(path, "writing metrics", "another --metrics"):
        replace_file(path, content, mode=_MODE)
