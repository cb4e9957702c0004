"""Lines of the benchmark for work that producers and operators bring every day."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.benches.bench import Bench, backfill, fresh_home, hourtally, usual
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
}
