"""A home of five weeks in which hours are in every state, as an operator may find one.

An outage (2026-11-05, hours 02 to 04), late files (2026-11-12), a price that was corrected
(2026-11-16), a customer that is held (initech, 2026-11-21), a late file that no run has seen yet
(2026-11-20), an hour that was never built (2026-11-22T19), lines in quarantine, a conflict, a void,
a file that was withdrawn, one that is passed over, and names that are hostile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import ingest_inbox
from hourtally.ingest.withdrawal import withdraw
from hourtally.model.hours import Hour, format_instant, hours_between
from hourtally.ratecard import load_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings, usable_cores
from hourtally.store.layout import Home

FIRST: Final = Hour.parse("2026-10-17T00")
END: Final = Hour.parse("2026-11-22T20")
NOW: Final = "2026-11-22T20:30:00Z"
OUTAGE: Final = range(2, 5)
HELD_HOUR: Final = "2026-11-21T12"
RESTATED_HOUR: Final = "2026-11-16T10"
STALE_HOUR: Final = "2026-11-20T10"
MISSING_HOUR: Final = "2026-11-22T19"
EMPTY_HOUR: Final = "2026-11-05T03"
HOSTILE_HOUR: Final = "2026-11-18T12"

MARKUP: Final = "</title><script>document.title='taken'</script><img src=x onerror=alert(1)>"
HOSTILE_NAMES: Final = (
    MARKUP,
    "\"'><svg onload=alert(1)> &amp; &lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe \u200f\u2066 abc \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\x1b[31mred\x1b[0m\x07 bell \x9b2J",
    "W" * 1024,
)
HOSTILE_CUSTOMER: Final = "a/../\"'<script>alert(1)</script>&\u202e%2e"

RATES: Final = """
currency = "USD"
month_hours = 720

[[rate]]
id = "cpu-2026"
meter = "paas.cpu"
price_cents = "1800"
per = "vcpu-month"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "memory-2026"
meter = "paas.memory"
price_cents = "0.35"
per = "gib-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "storage-2026"
meter = "paas.storage"
price_cents = "9"
per = "gib-month"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "gpu-a100"
meter = "paas.gpu"
price_cents = "145"
per = "gpu-hour"
gpu_model = "a100"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "byoc-vcpu"
meter = "byoc.vcpu"
price_cents = "1.5"
per = "vcpu-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "byoc-cluster"
meter = "byoc.cluster"
price_cents = "10"
per = "cluster-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "cpu-2027"
meter = "paas.cpu"
price_cents = "1700"
per = "vcpu-month"
active_from = 2027-01-01T00:00:00Z
"""
CORRECTION: Final = """
[[rate]]
id = "memory-promotion"
meter = "paas.memory"
price_cents = "0.20"
per = "gib-hour"
region = "eu-west"
active_from = 2026-11-16T08:00:00Z
active_until = 2026-11-16T16:00:00Z
"""

_QUANTITIES: Final[dict[str, dict[str, Any]]] = {
    "api": {"cpuMillicores": 1000, "memoryMiB": 2048},
    "postgres": {"cpuMillicores": 4000, "memoryMiB": 16384, "storageMiB": 512000},
    "frontend": {"cpuMillicores": 500, "memoryMiB": 512},
    "etl": {"cpuMillicores": 8000, "memoryMiB": 32768},
    "llama": {"cpuMillicores": 8000, "memoryMiB": 65536, "gpuMilli": 1000, "gpuModel": "a100"},
    "gateway": {"cpuMillicores": 250, "memoryMiB": 256},
    "reports": {"cpuMillicores": 2000, "memoryMiB": 4096},
    "runner": {"cpuMillicores": 16000, "memoryMiB": 8192},
}
# customer, team, project, resource, type, replicas by night and by day.
_SERVICES: Final = (
    ("acme", "web", "shop", "api", "service", 2, 6),
    ("acme", "web", "shop", "postgres", "addon", 1, 1),
    ("acme", "web", "site", "frontend", "service", 1, 4),
    ("acme", "data", "lake", "etl", "job", 1, 0),
    ("globex", "research", "chat", "llama", "llm-model-deployment", 0, 1),
    ("globex", "research", "chat", "gateway", "service", 1, 3),
    ("initech", "core", "erp", "reports", "job", 0, 2),
    ("umbrella", "lab", "sim", "runner", "harness", 1, 1),
)
_NAMES: Final = {
    "web": "Web",
    "data": "Data",
    "research": "Forschung",
    "shop": "Shop",
    "api": "Public API",
}
_SETTINGS: Final = Settings(threads=usable_cores())


def line(kind: str, id_: str, hour: Hour, **data: Any) -> str:
    """An event of a whole hour, unless its data has an interval."""
    interval = {"start": format_instant(hour.start_ms), "end": format_instant(hour.end_ms)}
    head = {"specversion": "1.0", "id": id_, "source": "//meter.example/eu"}
    return json.dumps({**head, "type": f"metering.{kind}.v1", "data": {**interval, **data}})


def resource(ids: tuple[str, str, str, str], type_: str, **quantities: Any) -> dict[str, Any]:
    """The data of a resource."""
    keys = ("customerId", "teamId", "projectId", "resourceId")
    names = {
        f"{key.removesuffix('Id')}Name": _NAMES[id_]
        for key, id_ in zip(keys[1:], ids[1:], strict=True)
        if id_ in _NAMES
    }
    return {
        **dict(zip(keys, ids, strict=True)),
        **names,
        "resourceType": type_,
        "region": "eu-west",
        **quantities,
    }


def busy_home(folder: Path) -> Home:
    """Build the home; it takes half a minute."""
    home = Home(folder / "home")
    home.inbox.mkdir(parents=True)
    home.rates.write_text(RATES)
    hours = list(hours_between(FIRST, Hour.parse(MISSING_HOUR)))
    for week in range(0, len(hours), 168):
        some = hours[week : week + 168]
        _write(home, f"usage-{some[0].name[:10]}.ndjson", _usage(some))
    _write(home, "hostile.ndjson", _hostile())
    _run(home)
    _write(home, "late-2026-11-12.ndjson", _late("2026-11-12", range(14, 19)))
    _write(home, "broken.ndjson", _broken())
    (home.inbox / "notes.txt").write_text("not events\n")
    _run(home)
    wrong = _write(home, "wrong-cluster.ndjson", _late("2026-11-14", range(3)))
    _run(home)
    withdraw(home, str(wrong), "sent by the staging cluster", _now_ms())
    home.rates.write_text(RATES + CORRECTION)
    _run(home)
    _write(home, "late-2026-11-20.ndjson", _late("2026-11-20", range(9, 13)))
    _write(home, "usage-last-hour.ndjson", _usage([Hour.parse(MISSING_HOUR)]))
    ingest_inbox(home, _now_ms(), _SETTINGS)
    return home


def _now_ms() -> int:
    return END.start_ms + 1_800_000


def _run(home: Home) -> None:
    ingest_inbox(home, _now_ms(), _SETTINGS)
    card = load_rate_card(home.rates)
    found = stale_hours(home, card, _now_ms(), DEFAULT_SETTLE_MS)
    assert Builder(home, card, _now_ms(), _SETTINGS).build(found).failed == []


def _write(home: Home, name: str, lines: Iterable[str]) -> Path:
    path = home.inbox / name
    path.write_text("".join(f"{one}\n" for one in lines))
    return path


def _usage(hours: Iterable[Hour]) -> Iterator[str]:
    for hour in hours:
        day, time = hour.name[:10], int(hour.name[11:])
        if day != "2026-11-05" or time not in OUTAGE:
            yield from _hour(hour, day, time)


def _hour(hour: Hour, day: str, time: int) -> Iterator[str]:
    is_weekend = (hour.timestamp // 86_400 + 4) % 7 in {0, 6}
    for customer, team, project, name, type_, night, by_day in _SERVICES:
        replicas = by_day if 8 <= time < 20 and not is_weekend else night
        # Busier around noon.
        if by_day > 2 and 11 <= time < 15 and not is_weekend:
            replicas += 2
        for replica in range(replicas):
            data = resource((customer, team, project, name), type_, **_QUANTITIES[name])
            yield line("resource", f"{name}/{replica}/{hour}", hour, **data)
    cluster = {"customerId": "umbrella", "clusterId": "prod", "clusterName": "Production"}
    vcpus = 64_000 if time < 12 else 96_000
    yield line("cluster", f"prod/{hour}", hour, **cluster, vcpuMillicores=vcpus)
    if day == "2026-11-21" and 10 <= time < 16:
        data = resource(("initech", "core", "vision", "train"), "job", gpuMilli=2000)
        yield line("resource", f"train/{hour}", hour, **data, gpuModel="h200")


def _late(day: str, times: Iterable[int]) -> Iterator[str]:
    for time in times:
        hour = Hour.parse(f"{day}T{time:02d}")
        data = resource(("acme", "data", "lake", "backfill"), "job", cpuMillicores=6000)
        yield line("resource", f"late/{hour}", hour, **data)


def _broken() -> Iterator[str]:
    hour = Hour.parse(RESTATED_HOUR)
    api = resource(("acme", "web", "shop", "api"), "service", cpuMillicores=64_000)
    yield "{not json"
    yield line("resource", "bad", hour, **(api | {"resourceType": "server"}))
    yield line("resource", "worse", hour, **(api | {"cpuMillicores": "many"}))
    yield line("resource", "<b>", hour, **(api | {"cpuMillicores": -1, "teamName": MARKUP}))
    # In conflict with the first replica, and larger: it loses.
    yield line("resource", f"api/0/{hour}", hour, **api)
    gone = resource(("acme", "web", "shop", "debug"), "service", cpuMillicores=32_000)
    yield line("resource", "debug", hour, **gone)
    void = {"voidedSource": "//meter.example/eu", "voidedId": "debug", "reason": "never ran"}
    yield line("void", "v1", hour, **void)


def _hostile() -> Iterator[str]:
    hour = Hour.parse(HOSTILE_HOUR)
    for number, name in enumerate(HOSTILE_NAMES):
        ids = (HOSTILE_CUSTOMER, f"<i>t{number}", "p/q?r#s", f"r&{number}=%00")
        data = resource(ids, "service", cpuMillicores=1000 * (number + 1))
        named = {"teamName": name, "projectName": name, "resourceName": name}
        yield line("resource", f"hostile/{number}", hour, **data, **named)
    cluster = {"customerId": HOSTILE_CUSTOMER, "clusterId": "..", "clusterName": MARKUP}
    yield line("cluster", "hostile/cluster", hour, **cluster, vcpuMillicores=1000)
