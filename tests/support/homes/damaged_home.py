"""Damage to a published hour, with or without its records adjusted to match."""

from __future__ import annotations

import functools
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from hourtally.build.builder import Builder
from hourtally.build.staleness import FORCED, StaleHour
from hourtally.ingest.files import ingest_paths
from hourtally.model.hours import Hour
from hourtally.ratecard import parse_rate_card
from hourtally.settings import Settings
from hourtally.store.durable import describe_file, read_sealed_json, to_sealed_json
from hourtally.store.layout import Home
from hourtally.verify import MAX_LISTED, Findings, verify_hours
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.golden_hour import FIRST_FILE, HOUR, RATES, SECOND_FILE, TIMESTAMP

GOLDEN = Hour(TIMESTAMP)
AFTER_MS = GOLDEN.end_ms + 3_600_000
CARD = parse_rate_card(RATES, "rates.toml")
SETTINGS = Settings(threads=1)


@functools.cache
def _golden() -> tuple[Home, tempfile.TemporaryDirectory[str]]:
    """The golden hour, built once per process, and the folder that keeps it alive."""
    folder = tempfile.TemporaryDirectory(prefix="hourtally-golden-")
    home = Home(Path(folder.name) / "home")
    home.root.mkdir()
    home.rates.write_text(RATES)
    paths = [home.root / "first.ndjson", home.root / "second.ndjson"]
    for path, lines in zip(paths, (FIRST_FILE, SECOND_FILE), strict=True):
        path.write_bytes(b"\n".join(lines) + b"\n")
    ingest_paths(home, paths, AFTER_MS, SETTINGS)
    build_golden(home)
    return home, folder


def golden_home(folder: Path) -> Home:
    """A copy of the built golden hour, ready to be damaged."""
    return Home(shutil.copytree(_golden()[0].root, folder / "home"))


def verify(home: Home) -> Findings:
    return verify_hours(home, [GOLDEN], SETTINGS)


def found(home: Home) -> list[str]:
    """Every difference; paths are relative to the hour, the first revision's folder is `rev`."""
    findings = verify(home)
    assert min(findings.differences, MAX_LISTED) == len(findings.listed)
    above = f"{home.hour(GOLDEN)}/(?:rev-000001-[0-9a-f]+(?=/))?|{home.root}/"

    def short(match: re.Match[str]) -> str:
        return "rev" if "rev-" in match[0] else ""

    return [re.sub(above, short, str(difference)) for difference in findings.listed]


def build_golden(home: Home) -> None:
    """Build one more revision of the golden hour."""
    stale = [StaleHour(GOLDEN, (FORCED,))]
    report = Builder(home, CARD, AFTER_MS, SETTINGS, force=True).build(stale)
    assert report.failed == []


def folder_of(home: Home) -> Path:
    """The folder of the first revision."""
    [folder] = (home.hours / HOUR).glob("rev-000001-*")
    return folder


def rewrite_table(
    home: Home, name: str, change: Callable[[pl.DataFrame], pl.DataFrame], *, refit: bool = True
) -> None:
    """Change a table of the revision, and by default update the manifest to match."""
    path = folder_of(home) / f"{name}.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    if refit:
        refit_manifest(home)


def rewrite_cell(home: Home, table: str, column: str, value: object, **key: str) -> None:
    """Change one value in a table of the revision, and update the manifest to match."""
    here = pl.all_horizontal(pl.col(name) == text for name, text in key.items())

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        assert len(rows.filter(here)) == 1
        new = pl.when(here).then(pl.lit(value, dtype=rows.schema[column])).otherwise(column)
        return rows.with_columns(new.alias(column))

    rewrite_table(home, table, change)


def refit_manifest(home: Home) -> None:
    """Update the manifest's checksums to the files as they are now."""

    def change(record: dict[str, Any]) -> None:
        for name in record["files"]:
            record["files"][name] = describe_file(folder_of(home) / name)

    rewrite_record(home.manifest(GOLDEN, 1), change)


def rewrite_record(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest or an ingest record, and recompute its digest."""
    record = read_sealed_json(path)
    change(record)
    path.write_bytes(to_sealed_json(record))


def slices_of(home: Home, event_id: str) -> tuple[Path, Path]:
    """The slices file that holds an event, and its batch record."""
    for path in (home.events / f"hour={HOUR}").iterdir():
        if event_id in pl.read_parquet(path)["event_id"]:
            return path, home.batch_record(path.stem)
    raise AssertionError(event_id)


def rewrite_slices(
    home: Home, event_id: str, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    """Change the slices file that holds an event, and update its batch record to match."""
    path, record_path = slices_of(home, event_id)
    rows = change(pl.read_parquet(path))
    rows.write_parquet(path)
    entry = {"rows": len(rows), **describe_file(path)}
    rewrite_record(record_path, lambda record: record["hours"].update({HOUR: entry}))


def rewrite_document(home: Home, old: bytes, new: bytes) -> None:
    """Replace the first occurrence of bytes in the documents; no record is updated."""
    rewrite_lines(home, "documents.ndjson", old, new)


def rewrite_lines(home: Home, name: str, old: bytes, new: bytes) -> None:
    """Replace the first occurrence of bytes in one of the files of documents."""
    path = folder_of(home) / name
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def set_in(path: Path, *names: str, value: object) -> None:
    """Set one field of a manifest or an ingest record, and recompute its digest."""

    def change(record: dict[str, Any]) -> None:
        for name in names[:-1]:
            record = record[name]
        record[names[-1]] = value

    rewrite_record(path, change)


def manifest_of(home: Home) -> Path:
    return home.manifest(GOLDEN, 1)


def flip_middle(path: Path) -> None:
    flip_byte(path, path.stat().st_size // 2)


def redigit_everywhere(home: Home) -> None:
    """Change a digit of acme's document and update every record but the document index."""
    rewrite_document(home, b"211.638888892", b"211.638888893")
    refit_manifest(home)


def change_a_quantity_of_the_usage_documents(home: Home) -> None:
    """Change a digit of acme's usage document and the manifest."""
    rewrite_lines(home, "usage.ndjson", b'"vcpuHours":2.833333333', b'"vcpuHours":2.833333334')
    refit_manifest(home)
