from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hourtally.errors import FileRejected
from hourtally.ingest.parquet import reader, small_file
from hourtally.ingest.parsed import ParsedBlock
from hourtally.model.schemas import EVENTS
from tests.support.events.event_files import write_parquet
from tests.support.events.one_resource import make_event
from tests.support.ingest.parsed_parquet import read_parquet

pytestmark = pytest.mark.usefixtures("both_ways")

# 2026-11-22T13:00:00Z.
START_MS = 1_795_352_400_000
END_MS = START_MS + 60_000
UTC_MS = pa.timestamp("ms", tz="UTC")
INTEGERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
]


def cluster(**columns: Any) -> pa.Table:
    """One cluster's event; columns in place of its own, or besides them."""
    own = {
        "event_id": ["1"],
        "event_source": ["meter"],
        "event_type": ["metering.cluster.v1"],
        "customer_id": ["c"],
        "cluster_id": ["k"],
        "start": pa.array([START_MS], UTC_MS),
        "end": pa.array([END_MS], UTC_MS),
    }
    return pa.table({**own, **columns})


def read(folder: Path, table: pa.Table) -> list[ParsedBlock]:
    pq.write_table(table, folder / "e.parquet")
    return list(read_parquet(folder / "e.parquet"))


def event(folder: Path, table: pa.Table) -> dict[str, Any]:
    """The one event of a file that has one good row."""
    [parsed] = read(folder, table)
    assert (parsed.lines, parsed.quarantined) == (1, [])
    [row] = parsed.events.to_dicts()
    return row


def violation(folder: Path, table: pa.Table) -> tuple[str, str]:
    """Rule and message of a file's only row, which breaks a rule."""
    [parsed] = read(folder, table)
    assert (parsed.lines, len(parsed.events)) == (1, 0)
    [line] = parsed.quarantined
    return line.rule, line.message


def test_a_row_has_all_columns_of_an_event(tmp_path: Path) -> None:
    table = cluster(vcpu_millicores=[4_000], cluster_name=["Blue"], unknown=[1.5])
    row = event(tmp_path, table)
    assert list(row) == list(EVENTS)
    known = {key: value for key, value in row.items() if value not in (None, 0)}
    assert known == {
        "event_type": "metering.cluster.v1",
        "customer_id": "c",
        "resource_id": "k",
        "resource_name": "Blue",
        "start_ms": START_MS,
        "end_ms": END_MS,
        "vcpu_millicores": 4_000,
        # The default of an absent one.
        "cluster_count": 1,
        "event_source": "meter",
        "event_id": "1",
        # printf 'meter\\0001' | md5sum: f96a159f938ef4543ffdd11f899d1620. Of it the last eight
        # bytes, the least one first.
        "identity": 0x20169D891FD1FD3F,
    }


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_a_quantity_may_be_an_integer_of_any_width(tmp_path: Path, dtype: pa.DataType) -> None:
    table = cluster(vcpu_millicores=pa.array([100], dtype))
    assert event(tmp_path, table)["vcpu_millicores"] == 100


def test_the_greatest_number_of_64_bits_is_out_of_range_and_not_wrapped(tmp_path: Path) -> None:
    table = cluster(vcpu_millicores=pa.array([2**64 - 1], pa.uint64()))
    assert violation(tmp_path, table) == (
        "quantity_out_of_range",
        "vcpuMillicores must be 0 to 10000000000, but is 18446744073709551615",
    )


@pytest.mark.parametrize("dtype", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_text_may_be_of_any_type_of_text(tmp_path: Path, dtype: pa.DataType) -> None:
    table = cluster(customer_id=pa.array(["é"], dtype))
    assert event(tmp_path, table)["customer_id"] == "é"


def test_every_column_may_be_a_dictionary(tmp_path: Path) -> None:
    plain = cluster(vcpu_millicores=[7], region=["eu"])
    coded = pa.table({name: plain[name].dictionary_encode() for name in plain.column_names})
    assert event(tmp_path, coded) == event(tmp_path, plain)


@pytest.mark.parametrize(
    "column",
    ["event_time", "region", "cluster_name", "vcpu_millicores", "cluster_count", "team_id"],
)
def test_a_column_of_nulls_is_as_good_as_none(tmp_path: Path, column: str) -> None:
    assert event(tmp_path, cluster(**{column: pa.nulls(1)})) == event(tmp_path, cluster())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "+00:00", "-08:00", "Europe/Berlin", "Z", "No/Where"])
def test_a_timestamp_is_the_same_instant_in_any_unit_and_zone(
    tmp_path: Path, unit: str, zone: str
) -> None:
    per_ms = {"s": 1, "ms": 1, "us": 1_000, "ns": 1_000_000}[unit]
    count = START_MS // 1_000 if unit == "s" else START_MS * per_ms
    table = cluster(start=pa.array([count], pa.timestamp(unit, tz=zone)))
    assert event(tmp_path, table)["start_ms"] == START_MS


@pytest.mark.parametrize(
    ("unit", "more", "start_ms"),
    [
        ("us", 999, START_MS),
        ("us", 1_000, START_MS + 1),
        ("ns", 1, START_MS),
        ("ns", 999_999, START_MS),
    ],
)
def test_a_timestamp_is_floored_to_the_millisecond(
    tmp_path: Path, unit: str, more: int, start_ms: int
) -> None:
    per_ms = {"us": 1_000, "ns": 1_000_000}[unit]
    table = cluster(start=pa.array([START_MS * per_ms + more], pa.timestamp(unit, tz="UTC")))
    assert event(tmp_path, table)["start_ms"] == start_ms


def test_an_interval_within_a_millisecond_ends_before_it_starts(tmp_path: Path) -> None:
    instants = pa.array(
        [START_MS * 1_000 + 1, START_MS * 1_000 + 999], pa.timestamp("us", tz="UTC")
    )
    assert violation(tmp_path, cluster(start=instants[:1], end=instants[1:])) == (
        "ends_before_start",
        "start and end are both 2026-11-22T13:00:00Z once floored to the millisecond",
    )


@pytest.mark.parametrize(
    ("column", "count"),
    [("start", -1), ("end", 253_402_300_800_000), ("end", 2**62), ("start", -(2**62))],
)
def test_a_start_or_end_before_1970_or_after_9999_is_refused(
    tmp_path: Path, column: str, count: int
) -> None:
    table = cluster(**{column: pa.array([count], UTC_MS)})
    assert violation(tmp_path, table)[0] == "bad_timestamp"


def test_the_zero_time_of_go_is_no_time(tmp_path: Path) -> None:
    time = pa.array([-62_135_596_800], pa.timestamp("s", tz="UTC"))
    assert event(tmp_path, cluster(event_time=time))["event_time_us"] is None


@pytest.mark.parametrize(
    ("unit", "count", "time_us"),
    [
        ("ms", START_MS, START_MS * 1_000),
        ("us", START_MS * 1_000 + 1, START_MS * 1_000 + 1),
        # Digits past microseconds are cut off, before 1970 too.
        ("ns", START_MS * 1_000_000 + 1_999, START_MS * 1_000 + 1),
        ("ns", -1, -1),
    ],
)
def test_the_time_is_counted_in_whole_microseconds(
    tmp_path: Path, unit: str, count: int, time_us: int
) -> None:
    table = cluster(event_time=pa.array([count], pa.timestamp(unit, tz="UTC")))
    assert event(tmp_path, table)["event_time_us"] == time_us


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63), 2**61 + START_MS, 253_402_300_800_000])
def test_a_time_out_of_the_calendar_is_refused_however_it_would_wrap(
    tmp_path: Path, count: int
) -> None:
    # 2^61 x 1000 is a multiple of 2^64: in 64 bits of microseconds it would be START_MS.
    table = cluster(event_time=pa.array([count], UTC_MS))
    assert violation(tmp_path, table)[0] == "bad_timestamp"


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("customer_id", pa.array([b"c"]), "column customer_id is binary, not text"),
        ("customer_id", pa.nulls(1), "column customer_id is null, not text"),
        ("customer_id", pa.array([{"a": "c"}]), "column customer_id is struct<a: string>"),
        ("vcpu_millicores", pa.array([True]), "column vcpu_millicores is bool, not an integer"),
        ("vcpu_millicores", pa.array(["1"]), "column vcpu_millicores is string, not an integer"),
        (
            "start",
            pa.array([START_MS], pa.timestamp("ms")),
            r"column start is timestamp\[ms\], not a timestamp with a time zone; .*pandas.*Spark",
        ),
        ("start", pa.array([dt.date(2026, 1, 1)]), "column start is date32"),
        ("end", pa.array(["2026-11-22T13:00:00Z"]), "column end is string, not a timestamp"),
        ("event_time", pa.array([START_MS]), "column event_time is int64, not a timestamp"),
    ],
)
def test_a_column_of_another_type_refuses_the_file(
    tmp_path: Path, column: str, values: pa.Array, said: str
) -> None:
    with pytest.raises(FileRejected, match=said):
        read(tmp_path, cluster(**{column: values}))


@pytest.mark.parametrize(
    "column",
    ["event_id", "event_source", "event_type", "customer_id", "start", "end", "cluster_id"],
)
def test_a_missing_column_refuses_the_file(tmp_path: Path, column: str) -> None:
    with pytest.raises(FileRejected, match=rf"missing column.*{column}"):
        read(tmp_path, cluster().drop_columns(column))


def test_a_row_of_a_type_whose_columns_are_missing_refuses_the_file(tmp_path: Path) -> None:
    # A resource's event in a file of clusters: it is the file that is wrong, not the row.
    with pytest.raises(FileRejected, match="missing column team_id, project_id, resource_id, res"):
        read(tmp_path, cluster(event_type=["metering.resource.v1"]))


def test_a_column_that_is_there_twice_refuses_the_file(tmp_path: Path) -> None:
    table = cluster()
    twice = table.append_column("customer_id", pa.array(["d"]))
    with pytest.raises(FileRejected, match="appears twice"):
        read(tmp_path, twice)


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("event_id", "not_cloudevent"),
        ("event_source", "not_cloudevent"),
        ("event_type", "not_cloudevent"),
        ("customer_id", "missing_field"),
        ("cluster_id", "missing_field"),
        ("start", "missing_field"),
        ("end", "missing_field"),
    ],
)
def test_a_null_where_there_must_be_a_value_refuses_the_row(
    tmp_path: Path, column: str, rule: str
) -> None:
    dtype = cluster().schema.field(column).type
    assert violation(tmp_path, cluster(**{column: pa.array([None], dtype)}))[0] == rule


def test_rows_are_numbered_through_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_file, "_MOST_ROWS", 0)
    monkeypatch.setattr(reader, "_BATCH_ROWS", 3)
    bad = {2, 3, 7}
    events = [make_event(n, teamId="" if n in bad else "t") for n in range(8)]
    write_parquet(tmp_path / "e.parquet", events)
    parts = list(read_parquet(tmp_path / "e.parquet"))
    assert [part.lines for part in parts] == [3, 3, 2]
    quarantined = [(r.number, r.rule) for part in parts for r in part.quarantined]
    # Rows are counted from 1.
    assert quarantined == [(3, "bad_identifier"), (4, "bad_identifier"), (8, "bad_identifier")]
    events_read = pl.concat([part.events for part in parts])["event_id"].to_list()
    assert events_read == [f"identity {n}" for n in range(8) if n not in bad]


def test_a_file_cut_anywhere_is_violation(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(cluster(), path)
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 37), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(FileRejected, match="cannot be read to its end as Parquet"):
            list(read_parquet(path))


def test_a_file_with_a_byte_changed_is_refused_or_says_what_it_said(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(cluster(), path, write_page_checksum=True)
    whole = path.read_bytes()
    [expected] = list(read_parquet(path))
    wrong = 0
    # From the first byte of the pages to the last one before the footer.
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(4, footer, 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            [found] = list(read_parquet(path))
        except FileRejected:
            wrong += 1
        else:
            assert found.events.equals(expected.events)
    assert wrong > 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"not parquet at all" * 10])
def test_what_is_no_parquet_is_violation(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "e.parquet").write_bytes(content)
    with pytest.raises(FileRejected):
        list(read_parquet(tmp_path / "e.parquet"))


def test_a_file_with_an_encrypted_footer_is_violation(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(cluster(), path)
    whole = path.read_bytes()
    # "PARE" in place of "PAR1" is how Parquet marks an encrypted footer.
    path.write_bytes(b"PARE" + whole[4:-4] + b"PARE")
    with pytest.raises(FileRejected, match="cannot be read to its end as Parquet"):
        list(read_parquet(path))


def test_text_that_is_not_utf8_refuses_the_file(tmp_path: Path) -> None:
    bad = pa.array([b"\xff"]).cast(pa.string(), safe=False)
    with pytest.raises(FileRejected, match="UTF"):
        read(tmp_path, cluster(customer_id=bad))


def test_a_file_without_rows_has_no_lines(tmp_path: Path) -> None:
    assert sum(parsed.lines for parsed in read(tmp_path, cluster().slice(0, 0))) == 0
