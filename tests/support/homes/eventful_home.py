"""A home of two hours in which something of everything has happened.

In 13 initech is held (its GPU has no rate), a conflict and a void count, and revision 2 is current.
A line is in quarantine, and a file is withdrawn.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.withdrawal import withdraw
from hourtally.model.hours import Hour
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home

FIRST_HOUR = Hour.parse("2026-11-22T13")
SECOND_HOUR = Hour.parse("2026-11-22T14")
NOW = "2026-11-22T20:30:00Z"
NOW_MS = Hour.parse("2026-11-22T20").start_ms + 1_800_000

# 1200 / 720 = 5/3 cents a vCPU-hour, 1/2 a GiB-hour, 10 a cluster-hour; GPUs a100 only.
RATES = """
currency = "USD"
month_hours = 720

[[rate]]
id = "cpu"
meter = "paas.cpu"
price_cents = "1200"
per = "vcpu-month"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "memory"
meter = "paas.memory"
price_cents = "0.5"
per = "gib-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "gpu"
meter = "paas.gpu"
price_cents = "150"
per = "gpu-hour"
gpu_model = "a100"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "cluster"
meter = "byoc.cluster"
price_cents = "10"
per = "cluster-hour"
active_from = 2026-01-01T00:00:00Z
"""


def event(id_: str, start: str, end: str, type_: str = "resource", **data: Any) -> str:
    """A line; instants are times of that day."""
    interval = {"start": f"2026-11-22T{start}Z", "end": f"2026-11-22T{end}Z"}
    kind = {"specversion": "1.0", "id": id_, "source": "meter/eu", "type": f"metering.{type_}.v1"}
    return json.dumps({**kind, "data": {**data, **interval}})


def resource(id_: str, start: str, end: str, customer: str, name: str, **data: Any) -> str:
    """A line of a service of the customer's team web and project shop."""
    ids = {"customerId": customer, "teamId": "web", "projectId": "shop", "resourceId": name}
    named = {"teamName": "Web", "resourceType": "service"}
    return event(id_, start, end, **(ids | named | data))


FIRST = [
    resource("a1", "13:00:00", "15:00:00", "acme", "api", cpuMillicores=1000, memoryMiB=2048),
    event("g1", "13:00:00", "15:00:00", "cluster", customerId="globex", clusterId="k1"),
    resource("i1", "13:00:00", "13:30:00", "initech", "gpu", gpuMilli=1000, gpuModel="h100"),
    resource("i2", "14:00:00", "15:00:00", "initech", "cpu", cpuMillicores=2000),
    "not json",
]
SECOND = [
    # In conflict with a1, and later by `time` (absent sorts last, the smaller content counts).
    resource("a1", "13:00:00", "15:00:00", "acme", "api", cpuMillicores=9000, memoryMiB=2048),
    resource("a2", "13:00:00", "14:00:00", "acme", "db", resourceType="addon", memoryMiB=1024),
    resource("a3", "13:00:00", "14:00:00", "acme", "gone", cpuMillicores=7000),
    event(
        *("v1", "13:00:00", "14:00:00", "void"), voidedSource="meter/eu", voidedId="a3", reason="x"
    ),
]
THIRD = [resource("t1", "14:00:00", "15:00:00", "acme", "wrong", cpuMillicores=5000)]


@functools.cache
def _eventful() -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    folder = tempfile.TemporaryDirectory(prefix="hourtally-eventful-")
    home = Home(Path(folder.name) / "home")
    home.root.mkdir()
    home.rates.write_text(RATES)
    for name, lines in (("first", FIRST), ("third", THIRD), ("second", SECOND)):
        path = home.root / f"{name}.ndjson"
        path.write_text("".join(f"{line}\n" for line in lines))
        ingest_paths(home, [path], NOW_MS, Settings(threads=1))
        if name == "third":
            withdraw(home, str(path), "wrong cluster", NOW_MS)
        build(home)
    return home.root, folder


def eventful_home(folder: Path) -> Home:
    """A copy of the home, built once a process."""
    return Home(shutil.copytree(_eventful()[0], folder / "home"))


def build(home: Home, *, force: bool = False) -> None:
    """Build the stale hours."""
    card = parse_rate_card(home.rates.read_text(), "rates.toml")
    found = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS, force=force)
    report = Builder(home, card, NOW_MS, Settings(threads=1), force).build(found)
    assert report.failed == []
