"""Days of two months as a FOCUS dataset: rows as the specification says, sums as the documents."""

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

# Of each month. Four groups of a build, and the end of a billing period among them.
HOURS = 48
SETTINGS = Settings(threads=2)


def events_of_two_months() -> str:
    """Twenty resources of two customers and a cluster, in use from 29 April to 2 May 2026."""
    interval = {"start": "2026-04-29T00:00:00Z", "end": "2026-05-03T00:00:00Z"}
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
def test_hours_of_two_months_are_valid_and_add_up_to_the_documents(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    (home.root / "months.ndjson").write_text(events_of_two_months())
    now_ms = 1_777_852_800_000  # 2026-05-04
    ingest_paths(home, [home.root / "months.ndjson"], now_ms, SETTINGS)
    card = parse_rate_card(RATES, "rates.toml")
    stale = stale_hours(home, card, now_ms, DEFAULT_SETTLE_MS)
    assert Builder(home, card, now_ms, SETTINGS).build(stale).failed == []

    work = FocusExport(home, "1.2", "parquet", FocusNames(), SETTINGS)
    assert export_focus(work, tmp_path / "tree", published_hours(home)).written == 2 * HOURS
    files = []
    for month in ("2026-04", "2026-05"):
        of_month = sorted((tmp_path / "tree" / f"billing_period={month}").iterdir())
        assert len(of_month) == HOURS
        files += of_month
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
