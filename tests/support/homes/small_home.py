"""Homes with a few events in and around one hour: ingest, build, inspect."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.ingest.files import ingest_paths
from hourtally.model.hours import Hour, HourRange
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.events.event_files import Arrangement, as_cloud_event, write_files
from tests.support.events.random_events import HOUR, NOW_MS, Json

MIDDLE = Hour(HOUR)
NEXT = Hour(HOUR + 3_600)


class Built(NamedTuple):
    """What a home holds of one hour, in its newest revision."""

    documents: dict[str, bytes]
    usage_documents: dict[str, bytes]
    tables: dict[str, pl.DataFrame]
    manifest: Json


@contextmanager
def many_small_builds() -> Iterator[None]:
    """Skip fsync, which is most of the time of thousands of small builds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def fresh_home(folder: Path) -> Home:
    return Home(Path(tempfile.mkdtemp(dir=folder)))


def ingest(
    home: Home, events: Sequence[Json], arrangement: Arrangement, threads: int = 1
) -> list[list[Json]]:
    """Ingest the events in an arrangement of files.

    Returns:
        The events of each file, but for files of the bytes of an earlier one: such a file is a
        batch that exists.
    """
    seen = {path.read_bytes() for path in home.root.glob("files-*/*")}
    folder = Path(tempfile.mkdtemp(prefix="files-", dir=home.root))
    paths = write_files(folder, events, arrangement)
    report = ingest_paths(home, paths, NOW_MS, Settings(threads=threads))
    assert (report.refused, report.quarantined) == ([], 0)
    files = {p.read_bytes(): m for p, m in zip(paths, arrangement.files, strict=True)}
    return [
        [as_cloud_event(events[member]) for member in members]
        for content, members in files.items()
        if content not in seen
    ]


def stale(home: Home, rates: str) -> set[int]:
    """Every stale hour."""
    card = parse_rate_card(rates, "rates.toml")
    return {one.hour.timestamp for one in stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)}


def build(home: Home, rates: str, threads: int = 1, *, force: bool = False) -> set[int]:
    """Build the middle hour if it is stale or by force; the hours built."""
    card = parse_rate_card(rates, "rates.toml")
    choices = Settings(threads=threads)
    within = HourRange(MIDDLE, NEXT)
    found = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS, within, force=force)
    report = Builder(home, card, NOW_MS, choices, force).build(found)
    assert report.failed == []
    return {Hour.parse(receipt.hour).timestamp for receipt in report.built}


def built(home: Home) -> Built:
    """What was built of the middle hour; nothing at all where it never was."""
    manifests = sorted(home.hour(MIDDLE).glob("*.json"))
    if not manifests:
        return Built({}, {}, {}, {})
    manifest = json.loads(manifests[-1].read_bytes())
    revision = manifests[-1].parent / manifest["folder"]
    names = ("charges", "clusters", "types", "projects", "teams", "customers")
    tables = {name: pl.read_parquet(revision / f"{name}.parquet") for name in names}
    if (revision / "held.parquet").exists():
        tables["held"] = pl.read_parquet(revision / "held.parquet")
    documents, usage_documents = (
        _documents(revision / name, tables["customers"], prefix)
        for name, prefix in (("documents.ndjson", ""), ("usage.ndjson", "usage_"))
    )
    return Built(documents, usage_documents, tables, manifest)


def _documents(path: Path, customers: pl.DataFrame, prefix: str) -> dict[str, bytes]:
    """The documents of a file by customer, each checked by its place and digest."""
    content = path.read_bytes()
    documents = {}
    places = (f"{prefix}{name}" for name in ("offset", "length", "sha256"))
    columns = customers.filter(~pl.col("held")).select("customer_id", *places)
    for customer, offset, length, sha256 in columns.iter_rows():
        documents[customer] = content[offset : offset + length]
        assert hashlib.sha256(documents[customer]).hexdigest() == sha256
    assert content == b"".join(
        b'{"customerId":%b,"document":%b}\n' % (json.dumps(name, ensure_ascii=False).encode(), text)
        for name, text in documents.items()
    )
    return documents
