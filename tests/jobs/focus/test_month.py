"""A month of hours as a FOCUS dataset: rows as the specification says, sums as the documents."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import ingest_paths
from hourtally.jobs.focus import FocusExport, export_focus
from hourtally.published.reader import published_hours
from hourtally.ratecard import FocusNames, parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.focus_facts import broken
from tests.support.homes.eventful_home import RATES
from tests.support.oracle.published_rows import current_manifests

HOURS = 720
SETTINGS = Settings(threads=2)


def month_of_events() -> str:
    """Twenty resources of two customers and a cluster, each in use all through April 2026."""
    interval = {"start": "2026-04-01T00:00:00Z", "end": "2026-05-01T00:00:00Z"}
    lines = []
    for number in range(21):
        kind = "cluster" if number == 20 else "resource"
        data = {"customerId": ("acme", "globex")[number % 2], **interval}
        if kind == "cluster":
            data |= {"clusterId": "k1"}
        else:
            data |= {"teamId": f"t{number % 3}", "projectId": "p", "resourceId": f"r{number}"}
            data |= {"resourceType": ("service", "addon", "volume")[number % 3]}
            data |= {"cpuMillicores": 7 * number, "memoryMiB": 1000 + number}  # type: ignore[dict-item]
        event = {"specversion": "1.0", "id": str(number), "source": "m"}
        event |= {"type": f"metering.{kind}.v1", "data": data}  # type: ignore[dict-item]
        lines.append(json.dumps(event) + "\n")
    return "".join(lines)


@pytest.mark.slow
def test_a_month_of_hours_is_valid_and_adds_up_to_the_documents(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    (home.root / "month.ndjson").write_text(month_of_events())
    now_ms = 1_777_680_000_000  # 2026-05-02
    ingest_paths(home, [home.root / "month.ndjson"], now_ms, SETTINGS)
    card = parse_rate_card(RATES, "rates.toml")
    stale = stale_hours(home, card, now_ms, DEFAULT_SETTLE_MS)
    assert Builder(home, card, now_ms, SETTINGS).build(stale).failed == []

    work = FocusExport(home, "1.2", "parquet", FocusNames(), SETTINGS)
    assert export_focus(work, tmp_path / "tree", published_hours(home)).written == HOURS
    files = sorted((tmp_path / "tree" / "billing_period=2026-04").iterdir())
    assert len(files) == HOURS
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for file in files:
        rows = pl.read_parquet(file).to_dicts()
        # r0 has no vCPU: 19 rows of it, 20 of memory, 1 of a cluster.
        assert len(rows) == 40
        assert broken("1.2", rows) == []
        for row in rows:
            sums[row["x_Hour"]] += row["BilledCost"] * 100
    totals = {
        m["hour"]: Decimal(m["totals"]["total"]).scaleb(-9) for m in current_manifests(home.root)
    }
    assert sums == totals
