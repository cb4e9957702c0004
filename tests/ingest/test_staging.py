from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path

import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.ndjson import blocks as blocks_module
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import NOW_MS
from tests.support.ingest.ingest_outcome import ingest, written

EVENTS = [{**make_event(n % 7), "id": f"{n % 150}"} for n in range(160)]
LINES = b"".join(json.dumps(as_cloud_event(event)).encode() + b"\n" for event in EVENTS)


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of many blocks."""
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 4_000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("events.ndjson", LINES + b"no JSON\n"),
        ("events.ndjson.gz", gzip.compress(b"no JSON\n" + LINES, mtime=0)),
        ("events.ndjson", b""),
    ],
)
def test_a_file_of_many_blocks_gives_what_one_block_gives(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, content: bytes
) -> None:
    file = written(tmp_path, content, name)
    [expected] = ingest(Home(tmp_path / "one"), [file])
    request.getfixturevalue("_small_blocks")

    [found] = ingest(Home(tmp_path / "two"), [file])

    assert found.record == expected.record
    assert found.quarantine == expected.quarantine
    assert found.slices.equals(expected.slices)


@pytest.mark.usefixtures("_small_blocks")
def test_an_ingested_file_is_skipped_and_leaves_no_thread(tmp_path: Path) -> None:
    file = written(tmp_path, LINES)
    home = Home(tmp_path / "home")
    ingest(home, [file])

    report = ingest_paths(home, [file], NOW_MS, Settings(threads=2))

    assert [receipt.skipped for receipt in report.files] == [True]
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("ThreadPoolExecutor")]


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("kept", [12, 0.9])
def test_a_file_that_ends_early_is_rejected_wherever_it_ends(tmp_path: Path, kept: float) -> None:
    whole = gzip.compress(LINES)
    file = written(
        tmp_path, whole[: int(kept if kept > 1 else kept * len(whole))], "events.ndjson.gz"
    )
    home = Home(tmp_path / "home")

    report = ingest_paths(home, [file], NOW_MS, Settings(threads=2))

    [refusal] = report.refused
    assert isinstance(refusal, FileRejected)
    assert str(file) in str(refusal)
    assert not home.batches.exists()
    assert not [path for path in home.root.rglob("*") if path.is_file()]
