"""Parquet files built to exhaust or mislead the reader."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.parquet import columns as parquet_columns
from hourtally.ingest.parquet import small_file
from tests.ingest.parquet.test_reader import END_MS, START_MS, UTC_MS, cluster, event
from tests.support.command_line import environment
from tests.support.ingest.parsed_parquet import read_parquet
from tests.torture.hostile.measured_command import Measured, measured

MOST_MIB = 700


def clusters(rows: int, **columns: Any) -> pa.Table:
    """So many events of a cluster, each with an id of its own."""
    own = {
        "event_id": pa.array(range(rows)).cast(pa.string()),
        **{name: pa.repeat(text, rows) for name, text in _TEXTS.items()},
        "start": pa.repeat(pa.scalar(START_MS, UTC_MS), rows),
        "end": pa.repeat(pa.scalar(END_MS, UTC_MS), rows),
    }
    return pa.table({**own, **columns})


_TEXTS = {
    "event_source": "meter",
    "event_type": "metering.cluster.v1",
    "customer_id": "c",
    "cluster_id": "k",
}


def ingested(path: Path) -> Measured:
    return measured(
        *("ingest", path, "--home", path.parent / "home", "--now", "2026-11-22T15:00:00Z")
    )


def one_text(rows: int, size: int) -> pa.Array:
    """A text of so many bytes in every row, once in the file."""
    indices = pa.repeat(pa.scalar(0, pa.int32()), rows)
    return pa.DictionaryArray.from_arrays(indices, pa.array(["x" * size]))


def test_a_dictionary_that_expands_to_100_gib_is_rejected_before_decoding(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(
        clusters(100_000, region=one_text(100_000, 1 << 20)),
        path,
        compression="zstd",
        dictionary_pagesize_limit=1 << 30,
    )
    assert path.stat().st_size < 1 << 20
    done = ingested(path)
    assert done.status == 1
    assert "its texts expand to 104860" in done.err
    assert done.peak_mib < MOST_MIB


def test_long_texts_are_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    # 800 MiB, which is below the cap.
    pq.write_table(clusters(8_000, region=one_text(8_000, 100_000)), path)
    parts = [part.lines for part in read_parquet(path)]
    # 2^28 / 100,034 bytes of the longest texts: meter, metering.cluster.v1, c, k, 7999.
    assert parts == [*[670] * 11, 630]


def test_a_row_too_large_for_memory_rejects_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.parquet"
    monkeypatch.setattr(small_file, "_MOST_ROWS", 0)
    monkeypatch.setattr(parquet_columns, "_MOST_ROW_BYTES", 1 << 20)
    pq.write_table(clusters(1, region=["x" * (1 << 20)]), path)
    with pytest.raises(FileRejected, match="its longest texts have 10486"):
        next(read_parquet(path))


@pytest.mark.parametrize("names", [("customer_id", "Customer_ID"), ("Customer_ID", "customer_id")])
def test_columns_that_differ_only_in_case_are_distinct(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    # DuckDB takes them for one, so it is not asked; and ids of customers are case-sensitive too.
    table = cluster()
    other = table.append_column("Customer_ID", pa.array(["x" * 1_000]))
    ordered = other.select([*names, *(n for n in table.column_names if n != "customer_id")])
    assert event(tmp_path, ordered)["customer_id"] == "c"


def test_chunk_sizes_are_used_where_duckdb_reports_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(clusters(1_000, region=one_text(1_000, 1_000)), path)
    monkeypatch.setattr(small_file, "_MOST_ROWS", 0)
    monkeypatch.setattr(parquet_columns, "_measure", lambda *_: None)
    monkeypatch.setattr(parquet_columns, "_BATCH_BYTES", 1 << 20)
    parts = [part.lines for part in read_parquet(path)]
    assert sum(parts) == 1_000
    assert 1 < parts[0] < 500


def test_a_row_group_of_ten_million_rows_is_read_in_bounded_memory(
    tmp_path: Path, long: bool
) -> None:
    rows = 10_000_000 if long else 300_000
    path = tmp_path / "e.parquet"
    pq.write_table(clusters(rows), path, row_group_size=rows)
    assert pq.ParquetFile(path).num_row_groups == 1
    done = ingested(path)
    assert (done.status, str(rows) in done.out) == (0, True)
    # All are of one resource and hour: what is held of them is a run and some portions.
    assert done.peak_mib < 1_500


def test_a_file_of_very_many_row_groups_is_read(tmp_path: Path, long: bool) -> None:
    """Of a row each. A group takes 14 KB of the readers' memory, from 1.2 KB of the footer."""
    groups = 100_000 if long else 3_000
    path = tmp_path / "e.parquet"
    table = clusters(groups)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table, row_group_size=1)
    done = ingested(path)
    assert (done.status, str(groups) in done.out) == (0, True)
    assert done.peak_mib < 2_000


class _Keys(pe.KmsClient):  # type: ignore[misc]
    """Keys that are not kept from anybody, as far as tests are concerned."""

    def __init__(self, _: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, _: str) -> bytes:
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("plaintext_footer", [False, True])
def test_an_encrypted_footer_or_column_rejects_the_file(
    tmp_path: Path, plaintext_footer: bool
) -> None:
    config = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["customer_id"]}, plaintext_footer=plaintext_footer
    )
    factory = pe.CryptoFactory(_Keys)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    path = tmp_path / "e.parquet"
    with pq.ParquetWriter(path, cluster().schema, encryption_properties=properties) as writer:
        writer.write_table(cluster())
    with pytest.raises(FileRejected, match="cannot be read to its end as Parquet"):
        list(read_parquet(path))


@pytest.mark.usefixtures("both_ways")
def test_a_file_with_a_changed_footer_byte_is_rejected_or_read_whole(
    tmp_path: Path, long: bool
) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(cluster(), path, write_page_checksum=True, store_schema=False)
    whole = path.read_bytes()
    [expected] = list(read_parquet(path))
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused, tried = 0, range(footer, len(whole), 1 if long else 29)
    for place in tried:
        for change in (0x01, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= change
            path.write_bytes(damaged)
            try:
                found = list(read_parquet(path))
            except FileRejected:
                refused += 1
                continue
            # A footer has no digest: what it says of a column's type can change its meaning.
            for part in found:
                assert part.lines <= 1
                assert part.events.schema == expected.events.schema
    assert refused > len(tried) // 2


_READS_ANY = """
import random, sys
from pathlib import Path
from hourtally.errors import FileRejected
from hourtally.ingest.parquet import small_file
from tests.support.ingest.parsed_parquet import read_parquet
from tests.torture.hostile.mutations import mutated
seed, path = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
small_file._MOST_ROWS = int(sys.argv[4])
read = 0
for number in range(int(sys.argv[3])):
    path.write_bytes(mutated([seed], [b"PAR1", b"PARE"], random.Random(number)))
    try:
        read += sum(part.lines == len(part.events) + len(part.voids) + len(part.quarantined)
                    for part in read_parquet(path))
    except FileRejected:
        pass
print(read)
"""


@pytest.mark.parametrize("most_rows", ["4096", "0"], ids=["small files", "large files"])
def test_arbitrary_bytes_are_read_or_rejected(tmp_path: Path, long: bool, most_rows: str) -> None:
    """In a process of its own, which a fault in a native reader would end."""
    seed = tmp_path / "seed.parquet"
    pq.write_table(clusters(20, region=pa.repeat("eu", 20)), seed, write_page_checksum=True)
    count = "5000" if long else "60"
    done = subprocess.run(
        [sys.executable, "-c", _READS_ANY, seed, tmp_path / "e.parquet", count, most_rows],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # Some are read: a changed byte may be one that nobody looks at.
    assert int(done.stdout) > 0


NESTED = {
    "a struct": pa.array([{"a": {"b": [1, 2]}}]),
    "a list": pa.array([[["x"]]]),
    "a map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "a large list": pa.array([["x"]], pa.large_list(pa.string())),
    "a decimal of 70 digits": pa.array([1], pa.decimal256(70, 0)),
    "a time": pa.array([1], pa.time64("ns")),
    "a duration": pa.array([1], pa.duration("s")),
    "a half": pa.array([1.0], pa.float16()),
    "bytes": pa.array([b"\xff"]),
    "bytes of a fixed size": pa.array([b"\xff"], pa.binary(1)),
}


@pytest.mark.parametrize("values", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("name", ["other", "start.x", "customer_id.x", 'a"; DROP TABLE x; --'])
def test_an_unknown_column_may_have_any_type(tmp_path: Path, values: pa.Array, name: str) -> None:
    assert event(tmp_path, cluster(**{name: values})) == event(tmp_path, cluster())


@pytest.mark.parametrize("values", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("name", ["customer_id", "region", "start", "vcpu_millicores"])
def test_a_known_column_of_a_nested_type_rejects_the_file(
    tmp_path: Path, values: pa.Array, name: str
) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(cluster(**{name: values}), path)
    if name == "vcpu_millicores" and values in (NESTED["a decimal of 70 digits"], NESTED["a half"]):
        # Whole numbers of any type are quantities.
        assert event(tmp_path, cluster(**{name: values}))[name] == 1
        return
    with pytest.raises(FileRejected, match=f"column {name} is "):
        list(read_parquet(path))


def test_a_file_of_2_000_columns_is_read(tmp_path: Path) -> None:
    more = {f"x{number}": [number] for number in range(2_000)}
    assert event(tmp_path, cluster(**more)) == event(tmp_path, cluster())
