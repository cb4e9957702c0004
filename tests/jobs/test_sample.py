from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hourtally.jobs.sample import FIRST_HOUR, write_sample
from hourtally.model.components import RESOURCE_TYPES
from hourtally.model.hours import Hour
from hourtally.ratecard import load_rate_card
from hourtally.store.layout import Home

COMMITTED = Path(__file__).parents[2] / "data" / "sample"
FILES = (
    "clusters.parquet",
    "hour-09.ndjson",
    "hour-10.ndjson.gz",
    "hour-11.ndjson.zst",
    "late.ndjson",
    "one-bad-line.ndjson",
    "resent.jsonl",
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("sample"))
    write_sample(home.root)
    return home


def content_of(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".zst":
        with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
            text: bytes = stream.read()
        return text
    return content


def events_in(home: Home, *names: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for name in names for line in content_of(home.inbox / name).splitlines()
    ]


def all_events(home: Home) -> list[dict[str, Any]]:
    return events_in(home, *(name for name in FILES if not name.endswith(".parquet")))


def test_it_is_the_same_files_every_time(sample: Home, tmp_path: Path) -> None:
    write_sample(tmp_path)

    assert sorted(path.name for path in sample.inbox.iterdir()) == list(FILES)
    for name in FILES:
        assert (tmp_path / "inbox" / name).read_bytes() == (sample.inbox / name).read_bytes()


def test_the_committed_files_are_what_it_writes(sample: Home) -> None:
    # Where this fails after a change of the sample, run write_sample(Path("data/sample")).
    # Compressed bytes may differ between versions of the compressors; what they hold may not.
    committed = COMMITTED / "inbox"

    assert (COMMITTED / "rates.toml").read_bytes() == sample.rates.read_bytes()
    assert sorted(path.name for path in committed.iterdir()) == list(FILES)
    for name in FILES:
        if name.endswith(".parquet"):
            assert pq.read_table(committed / name).equals(pq.read_table(sample.inbox / name))
        else:
            assert content_of(committed / name) == content_of(sample.inbox / name)


def test_the_committed_files_are_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*.*")) < 300_000


def test_a_price_changes_inside_its_second_hour() -> None:
    card = load_rate_card(COMMITTED / "rates.toml")
    half_past = FIRST_HOUR.end_ms + 30 * 60_000

    assert len(card.periods(FIRST_HOUR)) == 1
    assert card.periods(Hour.parse("2026-11-02T10")) == (
        (FIRST_HOUR.end_ms, half_past),
        (half_past, FIRST_HOUR.end_ms + 60 * 60_000),
    )


def test_it_has_nearly_every_type_of_resource_and_two_models_of_gpu(sample: Home) -> None:
    data = [event["data"] for event in all_events(sample)]

    assert {entry["resourceType"] for entry in data} == {*RESOURCE_TYPES} - {"harness"}
    assert {entry["gpuModel"] for entry in data if "gpuModel" in entry} == {"h100", "l4"}


def test_it_has_several_customers_one_of_them_with_a_single_team(sample: Home) -> None:
    teams = {(event["data"]["customerId"], event["data"]["teamId"]) for event in all_events(sample)}
    clusters = pq.read_table(sample.inbox / "clusters.parquet")

    assert teams == {("acme", "web"), ("acme", "data"), ("globex", "research")}
    assert set(clusters["customer_id"].to_pylist()) == {"globex", "initech"}


def test_three_replicas_of_one_resource_overlap(sample: Home) -> None:
    at = "2026-11-02T10:25:00Z"
    running = {
        event["id"]
        for event in all_events(sample)
        if event["data"]["resourceId"] == "api"
        and event["data"]["start"] <= at < event["data"]["end"]
    }

    assert len(running) == 3


def test_one_event_lies_over_the_end_of_an_hour(sample: Home) -> None:
    over = [
        event["data"]
        for event in all_events(sample)
        if event["data"]["start"] < "2026-11-02T10:00:00Z" < event["data"]["end"]
    ]

    assert [(entry["start"], entry["end"]) for entry in over] == [
        ("2026-11-02T09:40:00Z", "2026-11-02T10:20:00Z")
    ]


def test_the_late_file_tells_of_an_hour_that_had_closed(sample: Home) -> None:
    (late,) = events_in(sample, "late.ndjson")

    assert late["data"]["end"] == "2026-11-02T10:00:00Z"
    assert late["time"] == "2026-11-02T11:05:00Z"


def test_the_resent_file_repeats_lines_of_another_and_one_of_its_own(sample: Home) -> None:
    resent = content_of(sample.inbox / "resent.jsonl").splitlines()

    assert set(resent) < set(content_of(sample.inbox / "hour-10.ndjson.gz").splitlines())
    assert len(resent) == 6
    assert len(set(resent)) == 5
