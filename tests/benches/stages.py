"""Where the time of an ingest and of a build goes: seconds in each stage, in one process.

python -m tests.benches.stages FILE HOME

Ingests the file into the home, builds its hours, and prints what it measured as JSON. Stages
that run beside each other add up to more than the whole.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from hourtally import (
    build,
    fast_lines,
    ingests,
    intake,
    parsing,
    revision_files,
    runs,
    slices_file,
    storage,
)
from hourtally.builds import Builder
from hourtally.home import Home
from hourtally.ratecard import load_rate_card
from hourtally.settings import Settings
from hourtally.staleness import stale_hours

NOW_MS = 1_900_000_000_000
# What is looked up where, and the stage that it is.
INGEST = {
    (storage, "sha256_of"): "hash the file (and its slices)",
    (intake, "read_blocks"): "read the file in blocks",
    (parsing, "lines_between"): "blocks to lines",
    (fast_lines.FastReader, "read_plain"): "lines to events: plain ones",
    (parsing, "matching"): "lines to events: patterns of the others",
    (fast_lines.FastReader, "read_matching"): "lines to events: those that match",
    (intake, "slices_of"): "events to slices",
    (runs.Runs, "add"): "slices to runs",
    (intake, "_together"): "put portions together",
    (slices_file.SlicesWriter, "write"): "encode Parquet",
    (storage, "fsync_file"): "fsync",
}
BUILD = {
    (build, "check_slices"): "hash the slices",
    (revision_files, "meter"): "metering: identities, usage",
    (revision_files, "rate"): "rating",
    (revision_files, "roll_up"): "rollup",
    (revision_files, "_write_table"): "tables to Parquet, fsync, hash (beside the documents)",
    (revision_files, "_write_documents"): "documents: text and digests, written",
    (revision_files, "_finish_file"): "fsync and hash files",
}


class Clock:
    """Seconds by stage, of calls in any thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed; of a generator each step is."""

        def add(start: float) -> None:
            with self._lock:
                self.seconds[stage] += time.perf_counter() - start

        def steps(made: Iterator[Any]) -> Iterator[Any]:
            while True:
                start = time.perf_counter()
                try:
                    item = next(made)
                except StopIteration:
                    return
                finally:
                    add(start)
                yield item

        def called(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            made = call(*args, **kwargs)
            add(start)
            return steps(made) if isinstance(made, Iterator) else made

        return called


def seconds_by_stage(
    stages: dict[tuple[Any, str], str], work: Callable[[], Any]
) -> dict[str, float]:
    """Do the work; the seconds of each of its stages, and of the whole."""
    clock = Clock()
    patches = [
        mock.patch.object(owner, name, clock.timed(stage, getattr(owner, name)))
        for (owner, name), stage in stages.items()
    ]
    for patch in patches:
        patch.start()
    try:
        clock.timed("whole", work)()
    finally:
        for patch in patches:
            patch.stop()
    return {stage: clock.seconds[stage] for stage in [*stages.values(), "whole"]}


def main() -> None:
    """Measure and print."""
    file, root = (Path(argument) for argument in sys.argv[1:])
    home, settings = Home(root), Settings()
    card = load_rate_card(home.rates)
    found = {
        "ingest": seconds_by_stage(
            INGEST, lambda: ingests.ingest_paths(home, [file], NOW_MS, settings)
        )
    }
    stale = stale_hours(home, card, NOW_MS, settings.settle_ms)
    found["build"] = seconds_by_stage(
        BUILD, lambda: Builder(home, card, NOW_MS, settings).build(stale)
    )
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
