"""A home with one built hour in which a void cancels an event.

`api` has two events from half past to the end of two hours: `wrong`, which is voided, and `right`.
`gone` has one event, voided in a file of its own. Memory is 0.001 cents for a GiB and hour.
"""

from __future__ import annotations

import json
from pathlib import Path

from hourtally.build.builder import Builder, BuildReport
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import IngestReport, ingest_paths
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import RATES, make_event
from tests.support.events.random_events import NOW_MS, Json
from tests.support.oracle.events import VOID

SETTINGS = Settings(threads=1)
CARD = parse_rate_card(RATES, "rates.toml")
CUSTOMER = "customer 01"

WRONG = {**make_event(1, resourceId="api", start=30, end=120, memoryMiB=2_048), "id": "wrong"}
RIGHT = {**make_event(1, resourceId="api", start=30, end=120, memoryMiB=1_024), "id": "right"}
GONE = {**make_event(1, resourceId="gone"), "id": "gone"}


def make_void(event: Json, own_id: str = "void-1", **data: object) -> Json:
    """The void of an event; `data` for fields otherwise than usual."""
    interval = {name: event["data"][name] for name in ("start", "end")}
    voided = {"voidedSource": event["source"], "voidedId": event["id"], **interval, **data}
    return {**event, "id": own_id, "time": None, "type": VOID, "data": voided}


def write_and_ingest(home: Home, name: str, *events: Json) -> IngestReport:
    """Ingest a file of these events."""
    lines = (json.dumps(as_cloud_event(event)) + "\n" for event in events)
    path = home.root / name
    home.root.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return ingest_paths(home, [path], NOW_MS, SETTINGS)


def build_stale(home: Home) -> BuildReport:
    """Build every stale hour."""
    report = try_build(home)
    assert report.failed == []
    return report


def try_build(home: Home) -> BuildReport:
    """Build every stale hour that can be built."""
    home.rates.write_text(RATES)
    found = stale_hours(home, CARD, NOW_MS, DEFAULT_SETTLE_MS)
    return Builder(home, CARD, NOW_MS, SETTINGS).build(found)


def voided_home(folder: Path) -> Home:
    """The home, each hour built once."""
    home = Home(folder / "home")
    write_and_ingest(home, "events.ndjson", WRONG, RIGHT, GONE)
    voids = (make_void(WRONG, reason="twice the memory"), make_void(GONE, "void-2"))
    write_and_ingest(home, "voids.ndjson", *voids)
    build_stale(home)
    return home
