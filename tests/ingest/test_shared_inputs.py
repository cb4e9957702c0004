"""Small files as people's tools write them, each after somebody's loss of data or time.

They lie beside the repository where it is worked on; the tests beside this one have inputs of the
same kinds of their own.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from hourtally.ingest.files import IngestReport, ingest_paths
from hourtally.ingest.receipts import IngestReceipt
from hourtally.settings import Settings
from hourtally.store.layout import Home

INPUTS: Final = Path(__file__).parents[2].resolve().parent / "shared" / "inputs"
NOW_MS: Final = 1_762_300_800_000

pytestmark = pytest.mark.skipif(not INPUTS.is_dir(), reason=f"there is no folder {INPUTS}")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def ingested(home: Home, name: str) -> IngestReport:
    return ingest_paths(home, [INPUTS / name], NOW_MS, Settings(threads=1))


def only_receipt(report: IngestReport) -> IngestReceipt:
    assert report.refused == []
    [receipt] = report.files
    return receipt


def quarantine(home: Home, receipt: IngestReceipt) -> list[str]:
    return home.quarantine(receipt.record).read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("spark_default_int96.parquet", 3),
        ("start_microseconds.ndjson", 1),
        ("start_seven_zeros.ndjson", 1),
        ("start_six_zeros.ndjson", 1),
        ("cloudevents_sdk_data_base64.ndjson", 1),
        ("pandas_integer_column_with_null.parquet", 3),
        ("pandas_concat_of_two_types.parquet", 4),
        ("ignored_key_twice.ndjson", 1),
        ("one_id_for_twelve_events.ndjson", 12),
        ("correction_sent_later.ndjson", 1),
    ],
)
def test_an_input_is_taken(home: Home, name: str, lines: int) -> None:
    receipt = only_receipt(ingested(home, name))
    assert (receipt.lines, receipt.accepted) == (lines, lines)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "pandas_normalized_quantity_names.parquet",
            "the column data.cpuMillicores is unknown and cpu_millicores is absent",
        ),
        ("gzip_named_plain.ndjson", "a gzip file: name it gzip_named_plain.ndjson.gz"),
        ("hive_folders", "the folder's name customer_id=acme seems to hold customer_id"),
    ],
)
def test_an_input_is_rejected(home: Home, name: str, reason: str) -> None:
    report = ingested(home, name)
    assert report.files == []
    assert report.refused
    assert all(reason in refusal.reason for refusal in report.refused)
    assert not home.batches.exists()


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("json_array_on_one_line.ndjson", "not_cloudevent", "it is a JSON array: write one event"),
        ("objects_without_newlines.ndjson", "not_json", "it holds several JSON objects"),
    ],
)
def test_what_is_recognised_in_an_input_is_named(
    home: Home, name: str, rule: str, message: str
) -> None:
    receipt = only_receipt(ingested(home, name))
    assert receipt.quarantined == receipt.lines == 1
    [kept] = quarantine(home, receipt)
    assert f'"rule": "{rule}"' in kept
    assert message in kept


def test_microseconds_are_floored(home: Home) -> None:
    receipt = only_receipt(ingested(home, "start_microseconds.ndjson"))
    files = sorted(home.events.glob(f"hour=*/{receipt.record}.parquet"))
    assert (pl.read_parquet(files)["start_ms"] % 1_000).to_list() == [123]


def test_a_gzip_file_under_its_right_name_is_taken(home: Home, tmp_path: Path) -> None:
    ingested(home, "gzip_named_plain.ndjson")
    renamed = tmp_path / "gzip_named_plain.ndjson.gz"
    shutil.copy(INPUTS / "gzip_named_plain.ndjson", renamed)
    receipt = only_receipt(ingest_paths(home, [renamed], NOW_MS, Settings(threads=1)))
    assert (receipt.skipped, receipt.quarantined) == (False, 0)
    assert receipt.accepted > 0
