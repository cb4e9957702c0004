"""Writers and readers of one bucket, each a process of its own, for some seconds.

A writer ingests one new event a round, of one vCPU for the whole hour, and builds what is stale. A
reader checks that what it reads is whole and never less than before. Each prints what it did.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.errors import HourNotPublished
from hourtally.ingest.files import ingest_paths
from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.published.reader import find_document
from hourtally.ratecard import load_rate_card
from hourtally.settings import Settings
from hourtally.store.layout import Home
from hourtally.store.objects.opening import remove_workspaces

HOUR = Hour.parse("2026-11-02T09")
NOW_MS = parse_instant_ms("2026-11-02T12:15:00Z")


def event(name: str) -> str:
    """A line with one event."""
    data = {
        "customerId": "acme",
        "teamId": "t",
        "projectId": "p",
        "resourceId": "r",
        "resourceType": "service",
        "start": "2026-11-02T09:00:00Z",
        "end": "2026-11-02T10:00:00Z",
        "cpuMillicores": 1000,
    }
    kind = "metering.resource.v1"
    record = {"specversion": "1.0", "id": name, "source": "s", "type": kind, "data": data}
    return json.dumps(record) + "\n"


def write(home: Home, name: str, folder: Path, until: float) -> int:
    """Ingest events and build their hour; how many."""
    card = load_rate_card(home.rates)
    number = 0
    while time.monotonic() < until:
        file = folder / f"{name}-{number}.ndjson"
        file.write_text(event(file.name))
        report = ingest_paths(home, [file], NOW_MS, Settings(threads=1))
        assert report.refused == []
        number += 1
        stale = stale_hours(home, card, NOW_MS, 0)
        done = Builder(home, card, NOW_MS, Settings(threads=1)).build(stale)
        assert done.failed == [], done.failed
    return number


def read(home: Home, until: float) -> int:
    """Read the hour's document again and again; how often."""
    number, before = 0, 0.0
    while time.monotonic() < until:
        try:
            document = find_document(home, HOUR, "acme", now_ms=NOW_MS, settle_ms=0)
        except HourNotPublished:
            continue
        total = json.loads(document)["data"]["paasUsage"]["price"]["total"]
        assert total >= before, (total, before)
        number, before = number + 1, total
    return number


def main() -> None:
    """`write|read URL NAME FOLDER SECONDS`."""
    what, url, name, folder, seconds = sys.argv[1:]
    home, until = Home.at(url), time.monotonic() + float(seconds)
    done = write(home, name, Path(folder), until) if what == "write" else read(home, until)
    sys.stdout.write(f"{done}\n")
    remove_workspaces()


if __name__ == "__main__":
    main()
