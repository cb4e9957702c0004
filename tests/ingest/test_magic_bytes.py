"""A file whose first bytes contradict its name is rejected, with the name that it should have."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.magic_bytes import check_first_bytes, right_name
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.quarantine.structure_cases import NOW_MS, PLAIN

LINE = PLAIN.line + b"\n"


def parquet_bytes() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"event_id": ["1"]}), file)
    return file.getvalue()


CONTENTS = {
    "plain": LINE,
    "gzip": gzip.compress(LINE),
    "zstd": bytes(pa.compress(LINE, codec="zstd", asbytes=True)),
    "parquet": parquet_bytes(),
}
NAMES = {"e.ndjson": "plain", "e.JSONL.gz": "gzip", "e.json.ZST": "zstd", "e.parquet": "parquet"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_file_is_rejected_where_its_first_bytes_are_of_another_kind(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENTS[kind])
    if NAMES[name] == kind:
        check_first_bytes(path)
        return
    with pytest.raises(FileRejected, match=rf"name it {right_name(name, kind)} and ingest"):
        check_first_bytes(path)


@pytest.mark.parametrize(
    ("name", "kind", "right"),
    [
        ("e.ndjson", "gzip", "e.ndjson.gz"),
        ("e.jsonl.gz", "zstd", "e.jsonl.zst"),
        ("e.json.zst", "plain", "e.json"),
        ("E.NDJSON.GZ", "parquet", "E.parquet"),
        ("e.v1.parquet", "gzip", "e.v1.ndjson.gz"),
        ("e.parquet", "plain", "e.ndjson"),
        ("e.json", "parquet", "e.parquet"),
    ],
)
def test_the_right_name_keeps_what_is_right_of_it(name: str, kind: str, right: str) -> None:
    assert right_name(name, kind) == right


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.ndjson", b""),
        ("e.ndjson.gz", b""),
        ("e.ndjson", b"\xef\xbb\xbf{"),
        ("e.ndjson", b"not JSON"),
        # A frame that a reader of zstd passes over.
        ("e.ndjson.zst", bytes.fromhex("502a4d1800000000")),
        ("e.parquet", b"not Parquet, but nothing else either"),
    ],
)
def test_a_file_whose_first_bytes_say_nothing_is_read(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    check_first_bytes(tmp_path / name)


def test_nothing_is_recorded_of_a_file_of_another_kind(tmp_path: Path) -> None:
    wrong, right = tmp_path / "e.ndjson", tmp_path / "e.ndjson.gz"
    wrong.write_bytes(CONTENTS["gzip"])
    home = Home(tmp_path / "home")

    report = ingest_paths(home, [wrong], NOW_MS, Settings(threads=1))
    assert [refusal.path for refusal in report.refused] == [wrong]
    assert not home.batches.exists()

    wrong.rename(right)
    [receipt] = ingest_paths(home, [right], NOW_MS, Settings(threads=1)).files
    assert (receipt.accepted, receipt.skipped) == (1, False)


def test_an_empty_parquet_file_does_not_count_as_the_batch_of_an_empty_file_of_lines(
    tmp_path: Path,
) -> None:
    lines, rows = tmp_path / "e.ndjson", tmp_path / "e.parquet"
    for file in (lines, rows):
        file.touch()
    report = ingest_paths(Home(tmp_path / "home"), [lines, rows], NOW_MS, Settings(threads=1))
    assert len(report.files) == 1
    [refusal] = report.refused
    assert str(refusal).startswith(f"{rows}: rejected")
    assert "it is empty, which no Parquet file is: write it again" in str(refusal)
