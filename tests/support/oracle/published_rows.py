"""What the current revisions of a home hold, read as plainly as can be."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

Row = dict[str, Any]


def current_manifests(home: Path) -> list[Row]:
    """The newest manifest of each hour, in order."""
    found = []
    for hour in sorted((home / "hours").iterdir()):
        names = sorted(path for path in hour.glob("*.json") if path.stem.isdigit())
        if names:
            found.append(json.loads(names[-1].read_bytes()))
    return found


def current_rows(home: Path, table: str) -> list[Row]:
    """The rows of a table in the current revision of each hour, with hour and currency."""
    rows = []
    for manifest in current_manifests(home):
        path = home / "hours" / manifest["hour"] / manifest["folder"] / f"{table}.parquet"
        if path.exists():
            rows += [
                {**row, "hour": manifest["hour"], "currency": manifest["currency"]}
                for row in pl.read_parquet(path).iter_rows(named=True)
            ]
    return rows


def as_sql(rows: list[Row]) -> list[Row]:
    """Rows as the views have them: billionths as decimals, instants as datetimes."""
    found = []
    for row in rows:
        shown = {}
        for name, value in row.items():
            for ending, written in (("_nanocents", "_cents"), ("_nanohours", "_hours")):
                if name.endswith(ending):
                    name = name.removesuffix(ending) + written
                    value = None if value is None else Decimal(value).scaleb(-9)
            if name == "hour":
                value = dt.datetime.strptime(value, "%Y-%m-%dT%H")  # noqa: DTZ007 - of a view
            shown[name] = value
        found.append(shown)
    return found
