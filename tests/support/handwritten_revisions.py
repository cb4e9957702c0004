"""Revisions of hours, written by hand as the contract's section 7 has them on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from hourtally.model.components import BYOC_HOURS, BYOC_PRICES, PAAS_HOURS, PAAS_PRICES
from hourtally.model.hours import Hour
from hourtally.model.schemas import CUSTOMERS, NANOHOURS
from hourtally.store.durable import to_sealed_json
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest

BYOC_KEYS = ("total", "vcpu", "memory", "gpuMemory", "cluster")
# What revisions had before they kept quantities.
WITHOUT_QUANTITIES = {
    name: dtype
    for name, dtype in CUSTOMERS.items()
    if not name.endswith(NANOHOURS) and not name.startswith("usage_")
}


def document(timestamp: int, cpu: str = "0", cluster: str = "0", teams: str = "") -> bytes:
    """A document whose only charges, in cents, are for cpu and for clusters."""
    return (
        f'{{"data":{{"timestamp":{timestamp},"paasUsage":{{"price":'
        f'{{"total":{cpu},"cpu":{cpu},"memory":0,"storage":0,"gpu":0}},"teams":[{teams}]}},'
        f'"byocUsage":{{"price":{{"total":{cluster},"vcpu":0,"memory":0,"gpuMemory":0,'
        f'"cluster":{cluster}}}}}}}}}'
    ).encode()


def publish(
    home: Home,
    hour: Hour,
    documents: Mapping[str, bytes],
    *,
    revision: int = 1,
    currency: str = "EUR",
    usage: Mapping[str, bytes] | None = None,
) -> Manifest:
    """A revision with these documents by customer; only the files that readers of them need.

    usage: the usage documents; without, the revision is of a build that kept no quantities.
    """
    folder = home.hour(hour) / f"rev-{revision:06d}-{hour.timestamp:08x}"
    folder.mkdir(parents=True)
    customers = sorted(documents, key=str.encode)
    places = _write_lines(folder / "documents.ndjson", customers, documents)
    rows: list[tuple[Any, ...]] = [
        (customer, *_nanocents(documents[customer])) for customer in customers
    ]
    if usage is None:
        schema = WITHOUT_QUANTITIES
    else:
        schema = CUSTOMERS
        more = _write_lines(folder / "usage.ndjson", customers, usage)
        places = [one + other for one, other in zip(places, more, strict=True)]
        rows = [(*row, *_nanohours(usage[row[0]])) for row in rows]
    rows = [(*row, *place, False) for row, place in zip(rows, places, strict=True)]
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "customers.parquet")
    record = {
        "hour": hour.name,
        "timestamp": hour.timestamp,
        "revision": revision,
        "folder": folder.name,
        "currency": currency,
        "inputs": {"batches": [], "rates": "", "build": 1 if usage is None else 3},
        "files": {path.name: _digest(path) for path in folder.iterdir()},
        "rows": {"customers": len(rows)},
        "totals": {},
        "conflicts": {"count": 0, "listed": []},
    }
    path = home.manifest(hour, revision)
    path.write_bytes(to_sealed_json(record))
    return Manifest(hour, revision, path, record)


def _write_lines(
    path: Path, customers: Sequence[str], documents: Mapping[str, bytes]
) -> list[tuple[Any, ...]]:
    """A line for each customer; where each document lies, and its SHA-256."""
    places, lines = [], b""
    for customer in customers:
        head = f'{{"customerId":{json.dumps(customer, ensure_ascii=False)},"document":'.encode()
        content = documents[customer]
        places.append((len(lines) + len(head), len(content), hashlib.sha256(content).hexdigest()))
        lines += head + content + b"}\n"
    path.write_bytes(lines)
    return places


def flip_byte(path: Path, offset: int) -> None:
    """Damage a file without changing its size."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def _digest(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _nanocents(content: bytes) -> list[int]:
    data = json.loads(content, parse_float=Decimal)["data"]
    paas, byoc = data["paasUsage"]["price"], data["byocUsage"]["price"]
    cents = [*(paas[name] for name in PAAS_PRICES), *(byoc[key] for key in BYOC_KEYS)]
    assert len(cents) == len(PAAS_PRICES) + len(BYOC_PRICES)
    return [int(Decimal(value).scaleb(9)) for value in cents]


def _nanohours(content: bytes) -> list[int]:
    data = json.loads(content, parse_float=Decimal)["data"]
    halves = ((data["paas"]["usage"], PAAS_HOURS), (data["byoc"]["usage"], BYOC_HOURS))
    hours = [usage[key] for usage, of_half in halves for key, _ in of_half.values()]
    return [int(Decimal(value).scaleb(9)) for value in hours]
