"""Two hours that are built once and restated once: small, yet with everything that is stored.

The first file has resources of two customers, a cluster, a conflict, a voided event and a line for
quarantine, and touches both hours; the late one adds to one customer, brings a new one, loses a
conflict against the first, and voids one of its events.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import ingest_inbox
from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.published import document_index
from hourtally.published.reader import find_document
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.command_line import NOW
from tests.support.homes.golden_hour import RATES

Json = dict[str, Any]

NOW_MS: Final = parse_instant_ms(NOW)
HOURS: Final = (Hour.parse("2026-11-02T09"), Hour.parse("2026-11-02T10"))
RANGE: Final = ("--from", "2026-11-02T09", "--to", "2026-11-02T11")
CUSTOMERS: Final = ("acme", "globex", "initech", "nobody")
SETTINGS: Final = Settings(threads=1)
SETTLE_MS: Final = DEFAULT_SETTLE_MS


def _event(event_id: str, customer: str, start: str, end: str, **data: Any) -> Json:
    fields = {"customerId": customer, "start": f"2026-11-02T{start}Z", "end": f"2026-11-02T{end}Z"}
    kind = "cluster" if "clusterId" in data else "resource"
    if kind == "resource":
        fields |= {"teamId": "web", "projectId": "shop", "resourceType": "service"}
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/meter",
        "type": f"metering.{kind}.v1",
        "time": fields["end"],
        "data": fields | data,
    }


def _void(event_id: str, event: Json) -> Json:
    data = {name: event["data"][name] for name in ("start", "end")}
    voided = {"voidedSource": event["source"], "voidedId": event["id"]}
    return {**event, "id": event_id, "type": "metering.void.v1", "data": data | voided}


_TWICE: Final = _event("g2", "globex", "09:00:00", "11:00:00", resourceId="api", memoryMiB=512)
_WRONG: Final = _event("a4", "acme", "09:50:00", "10:10:00", resourceId="db", storageMiB=4_096)
FIRST: Final = (
    _event("a1", "acme", "09:10:00", "10:50:00", resourceId="api", cpuMillicores=500),
    _event("a2", "acme", "09:00:00", "10:20:00", resourceId="db", memoryMiB=3_000),
    # The same identity says 500 and 700: the first in time counts, then the smaller.
    _event("c1", "acme", "09:30:00", "10:30:00", resourceId="job", cpuMillicores=500),
    _event("c1", "acme", "09:30:00", "10:30:00", resourceId="job", cpuMillicores=700),
    _event("g1", "globex", "09:00:00", "11:00:00", resourceId="api", cpuMillicores=1_001),
    _event("k1", "globex", "09:05:00", "10:55:00", clusterId="k1", vcpuMillicores=16_000),
    _TWICE,
    _void("v1", _TWICE),
    _WRONG,
    _event("q1", "acme", "10:00:00", "09:00:00", resourceId="wrong"),
)
LATE: Final = (
    _event("a3", "acme", "09:40:00", "10:10:00", resourceId="web", cpuMillicores=2_000),
    _event("c1", "acme", "09:30:00", "10:30:00", resourceId="job", cpuMillicores=900),
    _event("i1", "initech", "09:59:00", "10:01:00", resourceId="x", storageMiB=10_240),
    _void("v2", _WRONG),
    _event("q2", "initech", "09:59:00", "09:59:00", resourceId="wrong"),
)


def write_events(path: Path, events: Sequence[Json]) -> Path:
    """Write an event file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def fresh_home(folder: Path) -> Home:
    """A home with a rate card and the first file in its inbox, not yet ingested."""
    home = Home(folder)
    write_events(home.inbox / "first.ndjson", FIRST)
    home.rates.write_text(RATES)
    return home


def add_late_file(home: Home) -> Path:
    """Put the late file into the inbox."""
    return write_events(home.inbox / "late.ndjson", LATE)


def run(home: Home) -> list[Exception]:
    """Do what `hourtally run` does, in this process, and return its errors."""
    ingested = ingest_inbox(home, NOW_MS, SETTINGS)
    stale = stale_hours(home, card_of(home), NOW_MS, DEFAULT_SETTLE_MS)
    report = Builder(home, card_of(home), NOW_MS, SETTINGS).build(stale)
    return [*ingested.refused, *(error for _, error in report.failed)]


def card_of(home: Home) -> RateCard:
    """The home's rate card."""
    return load_rate_card(home.rates)


def copy_home(home: Home, folder: Path) -> Home:
    """Copy a home, replacing whatever was at the destination."""
    shutil.rmtree(folder, ignore_errors=True)
    return Home(Path(shutil.copytree(home.root, folder)))


def clear_reader_cache() -> None:
    """Make the reader start cold, as in a new process."""
    document_index._read_customers.cache_clear()


def documents_by_customer(home: Home, hour: Hour) -> dict[str, bytes] | None:
    """Every customer's document of an hour; None where the hour is not published."""
    if not any(home.hour(hour).glob("*.json")):
        return None
    return {
        customer: find_document(home, hour, customer, now_ms=NOW_MS, settle_ms=SETTLE_MS)
        for customer in CUSTOMERS
    }


_NONCE: Final = re.compile(rb"(?<=rev-\d{6}-)[0-9a-f]+")
# Times, what depends on how long ago a file was written, and digests of all these and of nonces.
_VARIES: Final = re.compile(rb'"(?:digest|build_ms|mtime_ns|ctime_ns|inode|settled)": [^,\n]+')


# Of the home, of an exported tree and of its state.
_TOKEN: Final = re.compile(rb'(?<=exports/)[0-9a-f]{16}|"(?:home|id|tree|state)": "[0-9a-f]+"')


def normalized_files(home: Home) -> dict[str, bytes]:
    """Every file and folder of a home with its bytes, without nonces, digests, ids and times."""
    held = {}
    for path in sorted(home.root.rglob("*")):
        name = _NONCE.sub(b"", str(path.relative_to(home.root)).encode())
        content = b"" if path.is_dir() else path.read_bytes()
        varying = _VARIES.sub(b"", _NONCE.sub(b"", content))
        held[_TOKEN.sub(b"", name).decode()] = _TOKEN.sub(b"", varying)
    return held
