"""Event files in every form of the contract, as some producer or other might write them."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.support.events.random_events import HOUR_START_MS, Json

FORMATS = ("ndjson", "jsonl", "ndjson.gz", "ndjson.zst", "parquet")


@dataclass(frozen=True)
class Arrangement:
    """How events lie in files: the events of each file by number, its form, and a seed."""

    files: tuple[tuple[int, ...], ...]
    formats: tuple[str, ...]
    seed: int


@st.composite
def arrangements(draw: st.DrawFn, events: int, formats: Sequence[str] = FORMATS) -> Arrangement:
    """Every event in at least one of up to three files, some of them more than once."""
    extra = draw(st.lists(st.integers(0, events - 1), max_size=3))
    order = draw(st.permutations([*range(events), *extra]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=2)))
    bounds = [0, *cuts, len(order)]
    files = [tuple(order[a:b]) for a, b in itertools.pairwise(bounds) if a < b]
    return Arrangement(
        files=tuple(files),
        formats=tuple(draw(st.sampled_from(formats)) for _ in files),
        seed=draw(st.integers(0, 2**16)),
    )


def write_files(folder: Path, events: Sequence[Json], arrangement: Arrangement) -> list[Path]:
    """Write event files in an arrangement, in any white space and order of keys.

    The forms of files go round where there are more files than forms.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(arrangement.seed)
    paths = []
    for number, members in enumerate(arrangement.files):
        form = arrangement.formats[number % len(arrangement.formats)]
        path = folder / f"events-{number}.{form}"
        group = [events[member] for member in members]
        if form == "parquet":
            write_parquet(path, group, chance)
        else:
            lines = [written_line(event, chance) for event in group]
            path.write_bytes(_compressed(form, b"\n".join(lines) + b"\n"))
        paths.append(path)
    return paths


def as_cloud_event(event: Json) -> Json:
    """An event of `fresh_events` as the JSON object of its plainest line."""
    data = {name: value for name, value in event["data"].items() if value is not None}
    for name in ("start", "end"):
        data[name] = written_instant(data[name], 0, 3)
    attributes = {k: v for k, v in event.items() if k not in {"time", "data"}}
    if event["time"] is not None:
        attributes["time"] = written_time(event["time"], 0)
    return {**attributes, "data": data}


def written_line(event: Json, chance: random.Random) -> bytes:
    """One NDJSON line of an event, as some producer or other might write it."""
    data: Json = {}
    for name, value in event["data"].items():
        if name in {"start", "end"}:
            offset = chance.choice((0, 0, 60, -480, 345))
            # Digits below a millisecond are cut off.
            below_ms = chance.choice(("", "", "", "0", "999", "999999"))
            data[name] = written_instant(value, offset, chance.choice((0, 1, 3, 9)), below_ms)
        elif value is not None or chance.random() < 0.2:
            data[name] = value
    attributes = {k: v for k, v in event.items() if k not in {"time", "data"}}
    if event["time"] is not None:
        time = written_time(event["time"], chance.choice((0, 0, 60, -480)))
        # Digits below a microsecond are cut off.
        attributes["time"] = time[:26] + chance.choice(("", "0", "999", "0" * 20)) + time[26:]
    elif chance.random() < 0.3:
        # Go's zero time is no time.
        attributes["time"] = chance.choice((None, "0001-01-01T00:00:00Z"))
    if chance.random() < 0.2:
        attributes["datacontenttype"] = "application/json"
        data["unknown"] = {"ignored": [1.5, "x", None]}
    attributes["data"] = _shuffled(data, chance)
    if chance.random() < 0.1:
        encoded = base64.b64encode(json.dumps(attributes.pop("data")).encode())
        attributes["data_base64"] = encoded.decode()
    spaced = chance.random() < 0.3
    text = json.dumps(
        _shuffled(attributes, chance),
        ensure_ascii=chance.random() < 0.3,
        separators=(" ,\t", " : ") if spaced else (",", ":"),
    )
    return text.encode() + chance.choice((b"", b"", b"\r"))


def written_instant(instant_ms: int, offset_minutes: int, digits: int, below_ms: str = "") -> str:
    """RFC 3339 of an instant at an offset, with at least so many digits of a second."""
    zone = dt.timezone(dt.timedelta(minutes=offset_minutes))
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=instant_ms)
    local = moment.astimezone(zone)
    fraction = f"{instant_ms % 1_000:03d}{below_ms}"
    if not below_ms:
        fraction = fraction.rstrip("0").ljust(digits, "0")
    suffix = "Z" if offset_minutes == 0 else local.isoformat()[-6:]
    return f"{local:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + suffix


def written_time(microseconds: int, offset_minutes: int) -> str:
    """The `time` of an event that lies so many microseconds after the hour's start."""
    whole, rest = divmod(microseconds, 1_000_000)
    text = written_instant(HOUR_START_MS + whole * 1_000, offset_minutes, 0)
    return f"{text[:19]}.{rest:06d}{text[19:]}"


def _shuffled(record: Json, chance: random.Random) -> Json:
    items = list(record.items())
    chance.shuffle(items)
    return dict(items)


def _compressed(form: str, content: bytes) -> bytes:
    if form.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    if form.endswith(".zst"):
        return bytes(pa.compress(content, codec="zstd", asbytes=True))
    return content


_TEXT_COLUMNS = {
    "customer_id": "customerId",
    "team_id": "teamId",
    "project_id": "projectId",
    "resource_id": "resourceId",
    "team_name": "teamName",
    "project_name": "projectName",
    "resource_name": "resourceName",
    "resource_type": "resourceType",
    "gpu_model": "gpuModel",
    "gpu_capacity": "gpuCapacity",
    "cluster_id": "clusterId",
    "cluster_name": "clusterName",
    "region": "region",
    "voided_source": "voidedSource",
    "voided_id": "voidedId",
    "reason": "reason",
}
_INTEGER_COLUMNS = {
    "cpu_millicores": "cpuMillicores",
    "memory_mib": "memoryMiB",
    "storage_mib": "storageMiB",
    "gpu_milli": "gpuMilli",
    "vcpu_millicores": "vcpuMillicores",
    "gpu_memory_mib": "gpuMemoryMiB",
    "cluster_count": "clusterCount",
}


# Quantities as pandas (with a null in the column), DuckDB and Spark write them.
_QUANTITY_TYPES = (pa.int64(), pa.int64(), pa.float64(), pa.decimal128(20, 0), pa.decimal128(21, 2))
_INSTANT_TYPES = tuple(pa.timestamp(unit, tz="UTC") for unit in ("ms", "us", "ns"))


def write_parquet(path: Path, events: Sequence[Json], chance: random.Random | None = None) -> None:
    """The same events as flat columns; what an event does not have is null.

    chance: for the types of columns and absent columns, as some tool or other might write them.
    """

    def column(values: list[Any], dtype: pa.DataType) -> pa.Array:
        return pa.array(values, type=dtype)

    rows = [event["data"] for event in events]
    times = [e["time"] if e["time"] is None else HOUR_START_MS * 1_000 + e["time"] for e in events]
    instant_type = chance.choice(_INSTANT_TYPES) if chance else _INSTANT_TYPES[0]
    columns = {
        "event_id": column([e["id"] for e in events], pa.string()),
        "event_source": column([e["source"] for e in events], pa.string()),
        "event_type": column([e["type"] for e in events], pa.string()),
        "event_time": column(times, pa.timestamp("us", tz="UTC")),
        "start": column([row["start"] for row in rows], _INSTANT_TYPES[0]).cast(instant_type),
        "end": column([row["end"] for row in rows], _INSTANT_TYPES[0]).cast(instant_type),
    }
    for name, field in _TEXT_COLUMNS.items():
        columns[name] = column([row.get(field) for row in rows], pa.string())
    for name, field in _INTEGER_COLUMNS.items():
        dtype = chance.choice(_QUANTITY_TYPES) if chance else pa.int64()
        columns[name] = column([row.get(field) for row in rows], pa.int64()).cast(dtype, safe=False)
    if chance:
        for name in [name for name in columns if columns[name].null_count == len(events)]:
            # All null: of any type, or no column at all, but for a quantity.
            if name in _INTEGER_COLUMNS or chance.random() < 0.5:
                columns[name] = pa.nulls(len(events), chance.choice((pa.null(), pa.float64())))
            else:
                del columns[name]
    is_int96 = chance is not None and chance.random() < 0.3
    pq.write_table(pa.table(columns), path, use_deprecated_int96_timestamps=is_int96)
