"""Ingest in a test, and what it left of each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from hourtally.ingest.files import ingest_paths
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.quarantine.structure_cases import NOW_MS

Json = dict[str, Any]


class Outcome(NamedTuple):
    """What an ingest left of one file: its record, its quarantine by line, its slices."""

    record: Json
    quarantine: dict[int, Json]
    slices: pl.DataFrame

    @property
    def rules(self) -> dict[int, str]:
        return {number: kept["rule"] for number, kept in self.quarantine.items()}


def ingest(home: Home, paths: Sequence[Path]) -> list[Outcome]:
    ingest_paths(home, paths, NOW_MS, Settings(threads=2))
    return [_outcome(home, path) for path in paths]


def _outcome(home: Home, path: Path) -> Outcome:
    batch = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    kept = home.quarantine(batch)
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    quarantine = {entry["line"]: entry for entry in map(json.loads, lines)}
    assert len(quarantine) == len(lines), "a line is quarantined once"
    record = json.loads(home.batch_record(batch).read_bytes())
    files = sorted(home.events.glob(f"hour=*/{batch}.parquet"))
    slices = pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()
    return Outcome(record, quarantine, slices)


def written(folder: Path, content: bytes, name: str = "events.ndjson") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def ingested(folder: Path, content: bytes, name: str = "events.ndjson") -> Outcome:
    return ingest(Home(folder / "home"), [written(folder, content, name)])[0]
