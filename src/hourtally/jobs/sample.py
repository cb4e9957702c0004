"""A small sample home folder: a rate card, and the event files of three hours.

It has one of everything: all resource types, overlapping replicas, GPUs of two models, clusters,
an event across the end of an hour, a late file, a partly resent file, a line for the quarantine,
and plain, gzip, zstd and Parquet files. It uses no randomness and no clock: every call writes the
same files.

`data/sample` was written by `write_sample(Path("data/sample"))`.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.model.components import CLUSTER_EVENT, RESOURCE_EVENT
from hourtally.model.hours import Hour, format_instant
from hourtally.store.durable import make_folder, replace_file
from hourtally.store.layout import Home

FIRST_HOUR: Final = Hour.parse("2026-11-02T09")
HOURS: Final = 3
MINUTE_MS: Final = 60_000
# 15 minutes after the end of the last hour: all three hours are closed.
NOW_MS: Final = FIRST_HOUR.start_ms + (60 * HOURS + 15) * MINUTE_MS

_SOURCE = "//meter.example/eu"
_QUARTER = 15
# The report of one replica for 09:45 to 10:00, which arrives at 11:05.
_LATE_ID = "api/1/45"
_LATE_MINUTE = 125

Json = dict[str, Any]


@dataclass(frozen=True)
class _Resource:
    """A resource, and what one replica of it allocates.

    Attributes:
        ids: customer, team, project, resource.
        names: team, project, resource; empty if the events have no name.
        spans: first and last minute of each replica, counted from the first hour.
    """

    ids: tuple[str, str, str, str]
    names: tuple[str, str, str]
    type: str
    allocated: dict[str, int | str]
    spans: tuple[tuple[int, int], ...] = ((0, 60 * HOURS),)
    report_minutes: int = _QUARTER


_RESOURCES: Final = (
    _Resource(
        ("acme", "web", "shop", "api"),
        ("Web", "Shop", "Public API"),
        "service",
        {"cpuMillicores": 500, "memoryMiB": 1024},
        # Two replicas all the time, and a third under load.
        spans=((0, 180), (0, 180), (80, 110)),
    ),
    _Resource(
        ("acme", "web", "shop", "postgres"),
        ("Web", "Shop", "Orders"),
        "addon",
        {"cpuMillicores": 1000, "memoryMiB": 4096, "storageMiB": 51200},
    ),
    _Resource(
        ("acme", "web", "shop", "search"),
        ("Web", "Shop", ""),
        "external-addon",
        {"memoryMiB": 2048},
    ),
    _Resource(
        ("acme", "web", "infra", "stack"),
        ("Web", "Infrastructure", "Nightly plan"),
        "opentofu-job",
        {"cpuMillicores": 250, "memoryMiB": 512},
        spans=((5, 12), (125, 131)),
    ),
    _Resource(
        ("acme", "data", "lake", "etl"),
        ("Data", 'The "lake"', "Load"),
        "job",
        {"cpuMillicores": 4000, "memoryMiB": 16384},
        # From 09:40 to 10:20: an event over the end of an hour.
        spans=((40, 80),),
        report_minutes=40,
    ),
    _Resource(
        ("acme", "data", "lake", "disk"),
        ("Data", 'The "lake"', "Parquet"),
        "volume",
        {"storageMiB": 204800},
        report_minutes=60,
    ),
    _Resource(
        ("globex", "research", "chat", "llama"),
        ("Forschung", "Chat", "Llama 70B"),
        "llm-model-deployment",
        {"cpuMillicores": 8000, "memoryMiB": 65536, "gpuMilli": 2000, "gpuModel": "h100"},
    ),
    _Resource(
        ("globex", "research", "chat", "gateway"),
        ("Forschung", "Chat", "Gateway"),
        "service",
        {"cpuMillicores": 200, "memoryMiB": 256, "gpuMilli": 250, "gpuModel": "l4"},
        spans=((0, 180), (0, 180)),
    ),
    _Resource(
        ("globex", "research", "training", "tune"),
        ("Forschung", "Training", "Fine tuning"),
        "job",
        {"cpuMillicores": 2000, "memoryMiB": 8192, "gpuMilli": 1000, "gpuModel": "l4"},
        spans=((70, 100), (130, 175)),
    ),
)
# customer, cluster, name, region, vCPU millicores, memory MiB, GPU memory MiB
_CLUSTERS: Final = (
    ("globex", "lab", "Laboratory", "eu-west", 32_000, 131_072, 81_920),
    ("initech", "prod", "Production", "us-east", 64_000, 262_144, 0),
    ("initech", "stage", None, "eu-west", 8_000, 32_768, 0),
)


def write_sample(folder: Path) -> None:
    """Write the sample's `rates.toml` and `inbox/` into a home folder."""
    home = Home(folder)
    make_folder(home.inbox)
    replace_file(home.rates, files("hourtally.jobs").joinpath("sample.toml").read_bytes())
    for name, content in _event_files().items():
        replace_file(home.inbox / name, content)


def _event_files() -> dict[str, bytes]:
    """The content of every event file, by name."""
    # Meters report at the end of an interval: an event is in the file of the hour it ends in.
    by_hour: list[list[Json]] = [[] for _ in range(HOURS)]
    late = []
    for resource in _RESOURCES:
        for end_minute, event in _reports(resource):
            if event["id"] == _LATE_ID:
                late.append({**event, "time": _instant(_LATE_MINUTE)})
            else:
                by_hour[(end_minute - 1) // 60].append(event)
    resent = by_hour[1][:5]
    return {
        "hour-09.ndjson": _lines(by_hour[0]),
        "hour-10.ndjson.gz": gzip.compress(_lines(by_hour[1]), mtime=0),
        "hour-11.ndjson.zst": pa.compress(_lines(by_hour[2]), codec="zstd", asbytes=True),
        "clusters.parquet": _clusters_file(),
        "late.ndjson": _lines(late),
        "one-bad-line.ndjson": _lines([_backup("nightly", 150, 160), _backup("hourly", 170, 165)]),
        # Already sent in hour-10, and the first of them twice here.
        "resent.jsonl": _lines([*resent, resent[0]]),
    }


def _reports(resource: _Resource) -> Iterator[tuple[int, Json]]:
    """The events of a resource, each with the minute it ends."""
    for replica, (first, end) in enumerate(resource.spans):
        for start in range(first, end, resource.report_minutes):
            stop = min(start + resource.report_minutes, end)
            yield stop, _event(resource, f"{resource.ids[3]}/{replica}/{start}", start, stop)


def _backup(name: str, start: int, stop: int) -> Json:
    ids = ("acme", "web", "shop", f"backup-{name}")
    backup = _Resource(ids, ("Web", "Shop", ""), "job", {"cpuMillicores": 500})
    return _event(backup, f"backup-{name}", start, stop)


def _event(resource: _Resource, event_id: str, start: int, stop: int) -> Json:
    """A CloudEvent over some minutes; without the names that the resource lacks."""
    kinds = ("customer", "team", "project", "resource")
    ids = {f"{kind}Id": value for kind, value in zip(kinds, resource.ids, strict=True)}
    names = {f"{kind}Name": name for kind, name in zip(kinds[1:], resource.names, strict=True)}
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": _SOURCE,
        "type": RESOURCE_EVENT,
        "time": _instant(max(start, stop)),
        "data": {
            **ids,
            **{field: name for field, name in names.items() if name},
            "resourceType": resource.type,
            "region": "eu-west",
            "start": _instant(start),
            "end": _instant(stop),
            **resource.allocated,
        },
    }


def _clusters_file() -> bytes:
    """A Parquet event file with a row per hour and cluster."""
    rows = [
        {
            "event_id": f"{cluster}/{hour}",
            "event_source": _SOURCE,
            "event_type": CLUSTER_EVENT,
            "event_time": _ms(60 * hour + 60),
            "customer_id": customer,
            "cluster_id": cluster,
            "cluster_name": name,
            "region": region,
            "start": _ms(60 * hour),
            "end": _ms(60 * hour + 60),
            "vcpu_millicores": vcpu_millicores,
            "memory_mib": memory_mib,
            "gpu_memory_mib": gpu_mib,
            "cluster_count": 1,
        }
        for hour in range(HOURS)
        for customer, cluster, name, region, vcpu_millicores, memory_mib, gpu_mib in _CLUSTERS
    ]
    instant = pa.timestamp("ms", tz="UTC")
    types = {"event_time": instant, "start": instant, "end": instant}
    schema = pa.schema(
        [
            (name, types.get(name, pa.int64() if isinstance(value, int) else pa.string()))
            for name, value in rows[0].items()
        ]
    )
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return file.getvalue()


def _ms(minute: int) -> int:
    return FIRST_HOUR.start_ms + minute * MINUTE_MS


def _instant(minute: int) -> str:
    return format_instant(_ms(minute))


def _lines(events: Iterable[Json]) -> bytes:
    lines = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events]
    return "".join(f"{line}\n" for line in lines).encode()
