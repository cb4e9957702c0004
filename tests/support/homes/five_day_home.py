"""A home whose build takes a while: one event that covers five days of hours.

An interrupt sent when the first hours are built still finds hours that no worker has begun, even
on a busy machine.
"""

from __future__ import annotations

import json
from pathlib import Path

from hourtally.ingest.files import ingest_inbox
from hourtally.jobs.sample import write_sample
from hourtally.model.hours import parse_instant_ms
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.command_line import NOW

HOURS = 120
RANGE = ("--from", "2026-11-03T16", "--to", "2026-11-08T16")


def home_of_long_event(folder: Path) -> Home:
    """A home with the sample's rates and only that event in its inbox."""
    write_sample(folder)
    home = Home(folder)
    for file in home.inbox.iterdir():
        file.unlink()
    event = {
        "specversion": "1.0",
        "id": "long",
        "source": "//meter.example/long",
        "type": "metering.resource.v1",
        "data": {
            "customerId": "acme",
            "teamId": "web",
            "projectId": "shop",
            "resourceId": "api",
            "resourceType": "service",
            "start": "2026-11-03T16:00:00Z",
            "end": "2026-11-08T16:00:00Z",
            "cpuMillicores": 1000,
        },
    }
    (home.inbox / "long.ndjson").write_text(json.dumps(event) + "\n")
    return home


def ingested(home: Home) -> Home:
    """Ingest the home's event."""
    report = ingest_inbox(home, parse_instant_ms(NOW), Settings(threads=1))
    assert (len(report.files), report.refused) == (1, [])
    return home


def manifests(home: Home) -> list[Path]:
    """The manifests of all hours and revisions."""
    return sorted(home.hours.glob("*/0*.json"))
