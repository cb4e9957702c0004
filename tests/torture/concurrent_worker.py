"""One of many processes that use a home: `-m tests.torture.concurrent_worker ROLE HOME STOP`.

It prints `ready`, works until the file STOP exists, and exits with 0 if everything it saw was
consistent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from hourtally.model.hours import Hour
from hourtally.published.reader import read_documents
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest
from tests.torture.faults.two_hours import HOURS, run


def write(home: Home, stop: Path) -> None:
    """Ingest the inbox and build stale hours, over and over."""
    while not stop.exists():
        assert run(home) == []


def read(home: Home, stop: Path) -> None:
    """Read every hour over and over: each read is one whole revision, never an older one."""
    seen: dict[Hour, Manifest] = {}
    while not stop.exists():
        for hour in HOURS:
            manifest = current_manifest(home, hour)
            before = seen.get(hour)
            if manifest is None:
                assert before is None
                continue
            if before is not None:
                assert manifest.revision >= before.revision
                assert set(manifest.inputs["batches"]) >= set(before.inputs["batches"])
            seen[hour] = manifest
            total = sum(_nanocents(document) for _, document in read_documents(manifest))
            assert total == manifest.record["totals"]["total"]


def _nanocents(document: bytes) -> int:
    data = json.loads(document, parse_float=Decimal)["data"]
    totals = (data[usage]["price"]["total"] for usage in ("paasUsage", "byocUsage"))
    return sum(int(Decimal(total).scaleb(9)) for total in totals)


def main(role: str, home: str, stop: str) -> None:
    roles: dict[str, Callable[[Home, Path], None]] = {"write": write, "read": read}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    roles[role](Home(Path(home)), Path(stop))


if __name__ == "__main__":
    main(*sys.argv[1:])
