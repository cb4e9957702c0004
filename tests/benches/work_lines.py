"""Lines of the benchmark for work that producers and operators bring every day."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benches.bench import (
    FIRST_TIMESTAMP,
    Bench,
    Input,
    backfill,
    fresh_home,
    hourtally,
    sql,
    usual,
)
from tests.benches.measure import Command
from tests.benches.report import Row

_MONTH = ("2025-01-01T00:00:00Z", "2025-01-31T00:00:00Z")
_AFTER_MONTH = "2025-01-31T00"


def long_events(bench: Bench) -> list[Row]:
    """Events of 30 days, ten for each customer: 720 hours of each."""
    lines = bench.scratch / "long.ndjson"
    _write_long_events(lines, bench.scaled(5_000))
    home = bench.scratch / "long"
    (ingested,) = bench.measure(
        Command(
            "ingest 5,000 events of 30 days",
            [hourtally("ingest", str(lines), "--home", str(home))],
            lambda: fresh_home(home),
        )
    )
    bench.do(*backfill(home, to=_AFTER_MONTH))
    (verified,) = bench.measure(Command("verify their 720 hours", [_verify(home)]))
    return [
        Row("long-events", "ingest 5,000 events of 30 days", ingested.seconds, 20, "allowed:", 1),
        Row("long-events", "verify their 720 hours", verified.seconds, 60, "allowed:", 1),
    ]


def verify(bench: Bench) -> list[Row]:
    """An hour of 10 million events, derived again."""
    home = bench.home(usual(bench.scaled(10_000_000)))
    bench.do(*backfill(home))
    (measured,) = bench.measure(Command("verify 10 M events", [_verify(home)]))
    return [Row("verify", "an hour of 10 M events", measured.seconds, 20, "allowed:", 1)]


def small_files(bench: Bench) -> list[Row]:
    """Files of 200 events: 1,000 (as Parquet too), 10,000, and hours that come from such files."""
    few, many = (bench.lines(_small(bench, files)).parent for files in (1_000, 10_000))
    rows = bench.rows(_small(bench, 1_000)).parent
    home = bench.scratch / "small"
    copying = sql(
        "columns.sql",
        "copy.sql",
        events=few / "*.ndjson",
        parquet=bench.scratch / "copy.parquet",
    )
    of_rows, ingested, copied = bench.measure(
        _ingest_small(rows, home, "1,000 Parquet"),
        _ingest_small(few, home, "1,000"),
        Command("(c) of these files", [copying]),
    )
    (built,) = bench.measure(
        Command("build their hour", [backfill(home)], bench.forget_builds(home))
    )
    (ingested_many,) = bench.measure(_ingest_small(many, home, "10,000"))
    larger = bench.home(usual(bench.scaled(1_200_000), files=bench.scaled(6_000)))
    (built_larger,) = bench.measure(
        Command("build an hour of 6,000 files", [backfill(larger)], bench.forget_builds(larger))
    )
    what = "ingest 1,000 files of 200 events"
    a_file = "a file of 200 events, of 10,000"
    each = [
        1_000 * one.seconds / bench.scaled(files)
        for one, files in ((ingested, 1_000), (ingested_many, 10_000))
    ]
    return [
        Row("small-files", what, ingested.seconds, 5, "allowed:", 1),
        Row("small-files", what, ingested.seconds, copied.seconds, "(c):", 7),
        Row(
            "small-files", "the same as Parquet", of_rows.seconds, ingested.seconds, "NDJSON:", 1.5
        ),
        Row("small-files", a_file, each[1], each[0], "of 1,000:", 1.5, "ms"),
        Row("small-files", "build an hour of 1,000", built.seconds, 1.2, "allowed:", 1),
        Row("small-files", "build an hour of 6,000", built_larger.seconds, 6, "allowed:", 1),
    ]


def _small(bench: Bench, files: int) -> Input:
    return usual(bench.scaled(200 * files), files=bench.scaled(files))


def _ingest_small(folder: Path, home: Path, files: str) -> Command:
    ingesting = hourtally("ingest", str(folder), "--home", str(home))
    return Command(f"ingest {files} files of 200 events", [ingesting], lambda: fresh_home(home))


def parquet(bench: Bench) -> list[Row]:
    """A million events in a Parquet file, beside the same as NDJSON."""
    wanted = usual(bench.scaled(1_000_000))
    home = bench.scratch / "home"
    of_rows, of_lines = bench.measure(
        *(
            Command(
                f"ingest 1 M events as {form}",
                [hourtally("ingest", str(file), "--home", str(home))],
                lambda: fresh_home(home),
            )
            for form, file in (("Parquet", bench.rows(wanted)), ("NDJSON", bench.lines(wanted)))
        )
    )
    return [Row("parquet", "1 M events", of_rows.seconds, of_lines.seconds, "NDJSON:", 0.6)]


def http(bench: Bench) -> list[Row]:
    """A customer of 100 resources over 50 connections."""
    home = bench.home(Input(5_000, resources=1_000, customers=10))
    bench.do(*backfill(home))
    load = ("-m", "tests.benches.http_load", str(home), "customer-000000", str(FIRST_TIMESTAMP))
    bench.say("measuring requests over 50 connections")
    found = [json.loads(bench.said(*load)) for _ in range(min(bench.runs, 3))]
    per_second = median(one["per_second"] for one in found)
    slowest_ms = median(one["p99_ms"] for one in found)
    return [
        Row("http", "1,000 requests", 1_000 / per_second, 1 / 9, "allowed:", 1),
        Row("http", "the slowest hundredth", slowest_ms, 40, "allowed:", 1, "ms"),
    ]


def _verify(home: Path) -> list[str]:
    return hourtally("verify", "--home", str(home))


def _write_long_events(path: Path, events: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    start, end = _MONTH
    with path.open("w") as file:
        for number in range(events):
            data = {
                "customerId": f"customer-{number // 10:06d}",
                "teamId": f"team-{number // 5 % 2}",
                "projectId": f"project-{number % 5 // 2}",
                "resourceId": f"volume-{number}",
                "resourceType": "volume",
                "storageMiB": 10_240 + number,
                "start": start,
                "end": end,
            }
            event = {
                "specversion": "1.0",
                "id": f"event-{number}",
                "source": "meter",
                "type": "metering.resource.v1",
                "data": data,
            }
            file.write(json.dumps(event) + "\n")


WORK_LINES: dict[str, Callable[[Bench], list[Row]]] = {
    "long-events": long_events,
    "verify": verify,
    "small-files": small_files,
    "parquet": parquet,
    "http": http,
}
