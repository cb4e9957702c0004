from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hourtally.errors import Damaged, HourNotPublished, StorageFault
from hourtally.model.hours import Hour
from hourtally.published.checked_files import read_checked
from hourtally.published.reader import find_document, published_hours, read_documents
from hourtally.store.durable import to_sealed_json
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, flip_byte, publish

HOUR = Hour.parse("2026-11-22T13")
START_MS = 1_795_352_400_000  # 2026-11-22T13:00:00Z
END_MS = 1_795_356_000_000
SETTLE_MS = 600_000
ACME = document(1795352400, cpu="12.5")
ZEBRA = document(1795352400, cpu="0.000000001", cluster="3")
ZERO = (
    b'{"data":{"timestamp":1795352400,"paasUsage":{"price":{"total":0,"cpu":0,"memory":0,'
    b'"storage":0,"gpu":0},"teams":[]},"byocUsage":{"price":{"total":0,"vcpu":0,"memory":0,'
    b'"gpuMemory":0,"cluster":0}}}}'
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def find(home: Home, customer: str, now_ms: int = END_MS + SETTLE_MS) -> bytes:
    return find_document(home, HOUR, customer, now_ms=now_ms, settle_ms=SETTLE_MS)


def test_a_document_is_found_by_its_customer(home: Home) -> None:
    publish(home, HOUR, {"acme": ACME, "zebra": ZEBRA})

    assert find(home, "acme") == ACME
    assert find(home, "zebra") == ZEBRA


def test_ids_sort_by_their_bytes_not_by_utf16_or_case(home: Home) -> None:
    # UTF-8: 41.. < 61.. < ef bd 9e < f0 9f 98 80.
    customers = ["\U0001f600", "\uff5e", "acme", "Acme", 'q"u\\o', "a" * 256]
    documents = {c: document(1795352400, cpu=f"{i + 1}") for i, c in enumerate(customers)}
    publish(home, HOUR, documents)

    assert {c: find(home, c) for c in customers} == documents


@pytest.mark.parametrize("customer", ["", "acm", "acme ", "acme\0", "zzz", "\udcff"])
def test_a_customer_without_events_in_a_published_hour_has_the_zero_document(
    home: Home, customer: str
) -> None:
    publish(home, HOUR, {"acme": ACME, "zebra": ZEBRA})

    assert find(home, customer) == ZERO


def test_in_an_hour_without_customers_every_document_is_zero(home: Home) -> None:
    publish(home, HOUR, {})

    assert find(home, "acme") == ZERO


def test_the_newest_revision_is_read_once_it_is_published(home: Home) -> None:
    publish(home, HOUR, {"acme": ACME})
    assert find(home, "acme") == ACME
    restated = document(1795352400, cpu="13")
    publish(home, HOUR, {"acme": restated}, revision=2)

    assert find(home, "acme") == restated


@pytest.mark.parametrize(
    ("now_ms", "says"),
    [
        (START_MS - 1, "is in the future: it starts at 2026-11-22T13:00:00Z"),
        (START_MS, "is still open: it closes at 2026-11-22T14:10:00Z"),
        (END_MS + SETTLE_MS - 1, "is still open"),
        (END_MS + SETTLE_MS, "was never built, although it closed at 2026-11-22T14:10:00Z"),
    ],
)
def test_of_an_hour_that_is_not_published_it_is_said_why(
    home: Home, now_ms: int, says: str
) -> None:
    with pytest.raises(HourNotPublished, match=says):
        find(home, "acme", now_ms)


def test_how_to_build_an_hour_that_was_never_built_is_said(home: Home) -> None:
    with pytest.raises(
        HourNotPublished, match="hourtally backfill --from 2026-11-22T13 --to 2026-11-22T14"
    ):
        find(home, "acme")


def test_a_damaged_document_is_refused_and_its_neighbour_is_not(home: Home) -> None:
    manifest = publish(home, HOUR, {"acme": ACME, "zebra": ZEBRA})
    path = manifest.folder / "documents.ndjson"
    flip_byte(path, path.read_bytes().index(b"12.5"))

    with pytest.raises(Damaged, match="'acme'") as caught:
        find(home, "acme")
    assert caught.value.path == path
    assert find(home, "zebra") == ZEBRA


def test_a_truncated_documents_file_is_damaged(home: Home) -> None:
    manifest = publish(home, HOUR, {"acme": ACME, "zebra": ZEBRA})
    path = manifest.folder / "documents.ndjson"
    path.write_bytes(path.read_bytes()[:-3])

    assert find(home, "acme") == ACME
    with pytest.raises(Damaged, match="'zebra'"):
        find(home, "zebra")


def test_each_damaged_byte_of_the_index_is_noticed(home: Home) -> None:
    manifest = publish(home, HOUR, {"acme": ACME, "zebra": ZEBRA})
    path = manifest.folder / "customers.parquet"
    sha256 = manifest.record["files"]["customers.parquet"]["sha256"]
    whole = path.read_bytes()
    assert read_checked(path, sha256) == whole

    for offset in range(0, len(whole), 97):
        flip_byte(path, offset)
        with pytest.raises(Damaged, match=r"customers\.parquet: damaged"):
            read_checked(path, sha256)
        path.write_bytes(whole)


def test_a_damaged_index_is_refused(home: Home) -> None:
    manifest = publish(home, HOUR, {"acme": ACME})
    flip_byte(manifest.folder / "customers.parquet", 100)

    with pytest.raises(Damaged) as caught:
        find(home, "acme")
    assert caught.value.path == manifest.folder / "customers.parquet"


@pytest.mark.parametrize("name", ["customers.parquet", "documents.ndjson"])
def test_a_missing_file_is_named(home: Home, name: str) -> None:
    manifest = publish(home, HOUR, {"acme": ACME})
    (manifest.folder / name).unlink()

    with pytest.raises(Damaged, match="it is missing") as caught:
        find(home, "acme")
    assert caught.value.path == manifest.folder / name


def test_a_manifest_without_the_digest_of_a_file_is_damaged(home: Home) -> None:
    manifest = publish(home, HOUR, {"acme": ACME})
    manifest.path.write_bytes(to_sealed_json(manifest.record | {"files": {"other": {}}}))

    with pytest.raises(Damaged, match=r"it records no SHA-256 of customers\.parquet") as caught:
        find(home, "acme")
    assert caught.value.path == manifest.path


def test_what_the_system_refuses_names_the_file(home: Home) -> None:
    manifest = publish(home, HOUR, {"acme": ACME})
    path = manifest.folder / "documents.ndjson"
    path.unlink()
    path.mkdir()

    with pytest.raises(StorageFault, match=r"documents\.ndjson"):
        find(home, "acme")


def test_all_documents_of_a_revision_come_in_the_order_of_their_customers(home: Home) -> None:
    manifest = publish(home, HOUR, {"zebra": ZEBRA, "acme": ACME})

    assert list(read_documents(manifest)) == [("acme", ACME), ("zebra", ZEBRA)]


def test_published_hours_are_those_of_a_half_open_range(home: Home) -> None:
    hours = [Hour.parse(f"2026-11-22T{hour}") for hour in (11, 12, 13)]
    for hour in hours:
        publish(home, hour, {})
    (home.hours / "notes").mkdir()

    assert published_hours(home) == hours
    assert published_hours(home, hours[1]) == hours[1:]
    assert published_hours(home, hours[0], hours[2]) == hours[:2]
    assert published_hours(Home(home.root / "none")) == []


def test_reading_a_document_does_not_wait_for_polars_or_duckdb(home: Home) -> None:
    publish(home, HOUR, {"acme": ACME})
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hourtally.store.layout import Home\n"
        "from hourtally.model.hours import Hour\n"
        "from hourtally.published.reader import find_document\n"
        "from hourtally.published.views import view\n"
        f"home, hour = Home(Path({str(home.root)!r})), Hour(1795352400)\n"
        f"document = find_document(home, hour, 'acme', now_ms={END_MS}, settle_ms=0)\n"
        "view(document, team=None, project=None, resource_type=None)\n"
        "print(sorted({'polars', 'duckdb', 'pandas', 'prefect', 'rich'} & sys.modules.keys()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )

    assert run.stdout == "[]\n"
