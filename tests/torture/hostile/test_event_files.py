"""Event files built to exhaust the reader or be half-read: memory is bounded, nothing counts."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import re
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from hourtally.cli.app import call
from hourtally.events.strict_json import MAX_LINE_BYTES
from hourtally.ingest.ndjson.blocks import MAX_KEPT_LINE_BYTES, MIN_EXPANDED_BYTES
from tests.support.quarantine.structure_cases import PLAIN, resource
from tests.torture.hostile.measured_command import Measured, measured

MIB = 1 << 20
NOW = "2026-11-22T15:00:00Z"
# An ingest of one line holds about 180 MiB; blocks of 12 MiB, read ahead, and a kept beginning
# of 16 MiB, with its JSON, come on top of it.
MOST_MIB = 700


def ingested(path: Path) -> Measured:
    return measured("ingest", path, "--home", path.parent / "home", "--now", NOW)


def status_of(path: Path) -> int:
    """The exit status of an ingest in this process, for quick files."""
    return call(["ingest", str(path), "--home", str(path.parent / "home"), "--now", NOW])


def record_of(path: Path) -> dict[str, object]:
    [record] = (path.parent / "home" / "batches").iterdir()
    loaded: dict[str, object] = json.loads(record.read_bytes())
    return loaded


def assert_nothing_counts(path: Path) -> None:
    """A rejected file leaves no batch, slice, quarantine or staging."""
    left = [p for p in (path.parent / "home").rglob("*") if p.is_file()]
    assert left == []


def packed(form: str, piece: bytes, times: int) -> bytes:
    """This many pieces, each a gzip member or zstd frame: quick to make."""
    if form == "gz":
        packer = zlib.compressobj(9, wbits=31)
        return (packer.compress(piece) + packer.flush()) * times
    return bytes(pa.compress(piece, codec="zstd", asbytes=True)) * times


@pytest.mark.parametrize("form", ["", ".gz", ".zst"])
@pytest.mark.parametrize("ending", [b"", b"\n" + PLAIN.line])
def test_a_line_of_a_gib_is_quarantined_in_bounded_memory(
    tmp_path: Path, long: bool, form: str, ending: bytes
) -> None:
    # 100,000 bytes short of the GiB to which a compressed file may expand.
    size = (1 << 30) - 100_000 if long else 64 * MIB
    path = tmp_path / f"e.ndjson{form}"
    head, piece = b'{"specversion":"', b"\xc3\xa9" * MIB
    whole, rest = divmod(size - len(head), len(piece))
    tail = piece[:rest] + ending
    if form:
        kind = form[1:]
        parts = [packed(kind, head, 1), packed(kind, piece, whole), packed(kind, tail, 1)]
        path.write_bytes(packed(kind, PLAIN.line + b"\n", 1) + b"".join(parts))
    else:
        with path.open("wb") as file:
            file.write(PLAIN.line + b"\n" + head)
            for _ in range(whole):
                file.write(piece)
            file.write(tail)

    done = ingested(path)

    assert done.status == 3
    assert done.peak_mib < MOST_MIB
    record = record_of(path)
    assert (record["rules"], record["quarantined"]) == ({"line_too_long": 1}, 1)
    [kept] = (tmp_path / "home" / "quarantine").iterdir()
    refusal = json.loads(kept.read_bytes())
    assert (refusal["line"], refusal["raw_length"]) == (2, size)
    digest = hashlib.sha256(head)
    for _ in range(whole):
        digest.update(piece)
    digest.update(piece[:rest])
    assert refusal["raw_sha256"] == digest.hexdigest()
    # The kept beginning ends inside a character, so it is kept as bytes.
    assert set(refusal) >= {"file", "message", "raw_base64"} or len(refusal["raw"]) > MIB
    # Two more lines of one content are one that counts and a duplicate.
    assert (record["lines"], record["accepted"]) == (2 + bool(ending), 1)


def test_a_line_of_16_mib_is_kept_whole_and_a_longer_one_is_cut(
    tmp_path: Path,
) -> None:
    path = tmp_path / "e.ndjson"
    sizes = (MAX_LINE_BYTES + 1, MAX_KEPT_LINE_BYTES - 1, MAX_KEPT_LINE_BYTES + 1)
    path.write_bytes(b"\n".join(b"x" * size for size in sizes))
    assert ingested(path).status == 3
    [kept] = (tmp_path / "home" / "quarantine").iterdir()
    lengths = [len(json.loads(line)["raw"]) for line in kept.read_bytes().splitlines()]
    assert lengths == [*sizes[:2], MAX_KEPT_LINE_BYTES]


@pytest.mark.parametrize("form", ["gz", "zst"])
@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"\0" * MIB, id="line"),
        # A GiB of quarantine is written.
        pytest.param((b"x" * 9_999 + b"\n") * 100, id="lines", marks=pytest.mark.long),
    ],
)
def test_a_decompression_bomb_is_rejected_at_the_cap(
    tmp_path: Path, long: bool, form: str, piece: bytes
) -> None:
    path = tmp_path / f"bomb.ndjson.{form}"
    # 1.5 GiB; or 8, of which gzip's 8.5 MB are read up to 4, and zstd's up to the first.
    whole = 8 << 30 if long and b"\n" not in piece else 3 << 29
    path.write_bytes(packed(form, piece, whole // len(piece)))
    done = ingested(path)

    assert done.status == 1
    assert re.search(r"it expands to over [0-9]+ bytes, 500 times its size", done.err)
    assert done.peak_mib < MOST_MIB
    assert_nothing_counts(path)


@pytest.mark.long
def test_a_file_that_expands_to_the_cap_is_read(tmp_path: Path) -> None:
    """1 GiB of it is allowed, and a byte more is not."""
    path = tmp_path / "e.ndjson.gz"
    rest = MIN_EXPANDED_BYTES - len(PLAIN.line) - 1
    pieces = [packed("gz", b"\0" * MIB, rest // MIB), packed("gz", b"\0" * (rest % MIB), 1)]
    path.write_bytes(packed("gz", PLAIN.line + b"\n", 1) + b"".join(pieces))
    assert ingested(path).status == 3
    path.write_bytes(path.read_bytes() + packed("gz", b"\0", 1))
    assert ingested(path).status == 1


def test_a_zstd_window_of_2_gib_is_rejected_without_allocation(tmp_path: Path) -> None:
    # RFC 8878, section 3.1.1: a frame without content size, whose window is 2^(10 + 21) bytes,
    # with one empty raw block, the last.
    path = tmp_path / "e.ndjson.zst"
    path.write_bytes(bytes.fromhex("28b52ffd 00 a8 010000"))
    done = ingested(path)
    assert done.status == 1
    assert "it cannot be read to its end" in done.err
    assert done.peak_mib < MOST_MIB
    assert_nothing_counts(path)


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_all_members_and_frames_are_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"e.ndjson.{form}"
    path.write_bytes(b"".join(packed(form, resource(str(n)).line + b"\n", 1) for n in range(50)))
    assert status_of(path) == 0
    assert record_of(path)["accepted"] == 50


@pytest.mark.parametrize("form", ["gz", "zst"])
@pytest.mark.parametrize(
    "damage",
    ["cut", "cut in the second", "junk", "zeros", "checksum", "other form"],
)
def test_a_compressed_file_with_a_bad_end_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, damage: str
) -> None:
    one = gzip.compress(PLAIN.line) if form == "gz" else packed("zst", PLAIN.line, 1)
    content = {
        "cut": one[:-3],
        "cut in the second": one + one[:-3],
        "junk": one + b"junk",
        "zeros": one + b"\0" * 512,
        # gzip has one of its content; what pyarrow writes of zstd has none, so its size is lost.
        "checksum": one[:-6] + bytes([one[-6] ^ 1]) + one[-5:] if form == "gz" else one[:-2],
        "other form": packed({"gz": "zst", "zst": "gz"}[form], PLAIN.line, 1),
    }[damage]
    path = tmp_path / f"e.ndjson.{form}"
    path.write_bytes(content)
    assert status_of(path) == 1
    said = capsys.readouterr().err
    why = "it cannot be read to its end"
    if damage == "other form":
        why = "its first bytes are those of"
    assert f"rejected, none of its events count: {why}" in said
    assert_nothing_counts(path)


def test_two_byte_lines_take_no_more_memory_than_others(tmp_path: Path, long: bool) -> None:
    path = tmp_path / "e.ndjson"
    lines = 8 * MIB if long else 150_000
    path.write_bytes(b"x\n" * lines)
    done = ingested(path)
    assert (done.status, record_of(path)["rules"]) == (3, {"not_json": lines})
    assert done.peak_mib < MOST_MIB


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (PLAIN.line.decode().encode("utf-16"), "not_utf8"),
        (PLAIN.line.decode().encode("utf-16-le"), "not_json"),
        (PLAIN.line + b"\r" + PLAIN.line, "not_json"),
        (b"\0" * 1_000, "not_json"),
        (b"[\n" + PLAIN.line + b",\n" + PLAIN.line + b"\n]", "not_json"),
        (b"PAR1" + PLAIN.line, "not_json"),
        (gzip.compress(PLAIN.line, mtime=0), "not_utf8"),
        (zlib.compress(PLAIN.line), "not_utf8"),
        (pa.compress(PLAIN.line, codec="zstd", asbytes=True), "not_utf8"),
        (bz2.compress(PLAIN.line), "not_utf8"),
    ],
    ids=[
        *("UTF-16", "UTF-16 without mark", "CR alone", "zeros", "an array", "parquet"),
        *("gzip", "zlib", "zstd", "bzip2"),
    ],
)
@pytest.mark.parametrize("before", [b"", PLAIN.line + b"\n"], ids=["at the start", "later"])
def test_other_file_formats_are_quarantined_line_by_line_and_never_unpacked(
    tmp_path: Path, content: bytes, rule: str, before: bytes
) -> None:
    path = tmp_path / "e.ndjson"
    path.write_bytes(before + content)
    if not before and content.startswith((b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        # The first bytes contradict the name.
        assert status_of(path) == 1
        assert_nothing_counts(path)
        return
    assert status_of(path) == 3
    record = record_of(path)
    lines = (before + content).split(b"\n")
    good = lines.count(PLAIN.line)
    assert record["rules"] == {rule: len(lines) - good}
    assert record["accepted"] == bool(good)
