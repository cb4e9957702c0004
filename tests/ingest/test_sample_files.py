"""The files of the sample, ingested: what becomes of each one's lines."""

from __future__ import annotations

import pytest

from hourtally.ingest.batch import Ingesting, ingest_together
from hourtally.ingest.receipts import IngestReceipt
from hourtally.jobs.sample import NOW_MS, write_sample
from hourtally.store.layout import Home


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("sample"))
    write_sample(home.root)
    return home


@pytest.mark.parametrize(
    ("name", "lines", "accepted", "duplicates", "quarantined"),
    [
        # 3 clusters in 3 hours
        ("clusters.parquet", 9, 9, 0, 0),
        # a report a quarter of an hour and replica: api 2 x 4 less the late one, postgres 4,
        # search 4, stack 1, disk 1, llama 4, gateway 2 x 4
        ("hour-09.ndjson", 29, 29, 0, 0),
        # api 2 x 4 + 2 of the third replica, postgres 4, search 4, etl 1, disk 1, llama 4,
        # gateway 8, tune 2
        ("hour-10.ndjson.gz", 34, 34, 0, 0),
        # api 8, postgres 4, search 4, stack 1, disk 1, llama 4, gateway 8, tune 3
        ("hour-11.ndjson.zst", 33, 33, 0, 0),
        ("late.ndjson", 1, 1, 0, 0),
        ("one-bad-line.ndjson", 2, 1, 0, 1),
        ("resent.jsonl", 6, 5, 1, 0),
    ],
)
def test_every_file_is_ingested_as_it_is_meant_to_be(
    sample: Home, name: str, lines: int, accepted: int, duplicates: int, quarantined: int
) -> None:
    [receipt] = ingest_together(Ingesting(sample, NOW_MS, threads=1), [sample.inbox / name])
    assert isinstance(receipt, IngestReceipt)

    assert (receipt.lines, receipt.accepted) == (lines, accepted)
    assert (receipt.duplicates, receipt.quarantined) == (duplicates, quarantined)
