"""Where an ingest and a build spend their time: seconds per stage, in one process.

python -m tests.benches.stages FILE HOME

Ingests the file into the home, builds its hours, and prints what it measured as JSON. Stages
that run concurrently add up to more than the whole.
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

from hourtally.build import metered_hours, pipeline, publish
from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest import files, staging
from hourtally.ingest.external_sort import runs
from hourtally.ingest.ndjson import duckdb_reader, parser
from hourtally.ingest.slices import hour_file, writer
from hourtally.ratecard import load_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store import durable
from hourtally.store.layout import Home

NOW_MS = 1_900_000_000_000
# Module (or class) and attribute to time, and the stage's name.
INGEST = {
    (durable, "sha256_of"): "hash the file (and its slices)",
    (staging, "read_blocks"): "read the file in blocks",
    (parser, "split_lines"): "blocks to lines",
    (duckdb_reader.DuckDBReader, "read_round_trip"): "lines to events: round trip",
    (parser, "matches_shape"): "other lines: match patterns",
    (duckdb_reader.DuckDBReader, "read_matching"): "other lines to events",
    (staging, "slices_of"): "events to slices",
    (runs.SortedRuns, "add"): "slices to runs",
    (hour_file, "_merge_partition"): "merge partitions",
    (writer.SlicesWriter, "write"): "encode Parquet",
    (durable, "fsync_file"): "fsync",
}
BUILD = {
    (publish, "check_inputs"): "hash the slices",
    (metered_hours, "meter"): "metering: identities, usage",
    (pipeline, "rate"): "rating",
    (pipeline, "roll_up"): "rollup",
    (pipeline, "_write_table"): "tables to Parquet, fsync, hash (beside the documents)",
    (pipeline, "_write_documents"): "documents: text and digests, written",
    (pipeline, "_finish_file"): "fsync and hash files",
}


class Clock:
    """Seconds by stage, of calls in any thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call so that it is timed; of a generator, each step."""

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
    """Do the work and return the seconds of each stage and of the whole."""
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
            INGEST, lambda: files.ingest_paths(home, [file], NOW_MS, settings)
        )
    }
    stale = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)
    found["build"] = seconds_by_stage(
        BUILD, lambda: Builder(home, card, NOW_MS, settings).build(stale)
    )
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
