from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourtally.errors import FileRejected
from hourtally.ingest.ndjson import blocks as blocks_module
from hourtally.ingest.ndjson.blocks import Block, OversizedLine, read_blocks
from hourtally.ingest.ndjson.line_index import split_lines

LINES = b"one\ntwo\n\nfour"
NOTHING = pa.compress(b"", codec="zstd", asbytes=True)
# RFC 8878, section 3.1.2: a magic number, a length, and bytes that a reader passes over.
SKIPPABLE = bytes.fromhex("502a4d18") + b"\x05\0\0\0" + b"hello"
PACKED = {
    "events.ndjson": LINES,
    "events.jsonl": LINES,
    "events.ndjson.gz": gzip.compress(LINES),
    "two-members.jsonl.gz": gzip.compress(LINES[:5]) + gzip.compress(LINES[5:]),
    "events.ndjson.zst": pa.compress(LINES, codec="zstd", asbytes=True),
    "two-frames.ndjson.zst": pa.compress(LINES[:5], codec="zstd", asbytes=True)
    + pa.compress(LINES[5:], codec="zstd", asbytes=True),
    "empty-members.ndjson.gz": gzip.compress(b"").join(
        [b"", gzip.compress(LINES[:5]), gzip.compress(LINES[5:]), b""]
    ),
    "empty-frames.ndjson.zst": NOTHING.join(
        [b"", pa.compress(LINES, codec="zstd", asbytes=True), b""]
    ),
    "skippable.ndjson.zst": SKIPPABLE.join(
        [b"", pa.compress(LINES, codec="zstd", asbytes=True), b""]
    ),
    "with-bom.ndjson": b"\xef\xbb\xbf" + LINES,
    "with-bom.ndjson.gz": gzip.compress(b"\xef") + gzip.compress(b"\xbb\xbf" + LINES),
}


def read(path: Path) -> list[Block | OversizedLine]:
    return list(read_blocks(path))


@pytest.mark.parametrize("name", PACKED)
def test_a_file_is_read_to_its_end_whatever_it_is_packed_with(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name])
    blocks = [block for block in read(tmp_path / name) if isinstance(block, Block)]
    assert b"".join(block.text for block in blocks) == LINES
    assert [block.first_line for block in blocks] == [1, 4][: len(blocks)]


@pytest.mark.parametrize("name", ["events.ndjson.gz", "events.ndjson.zst"])
def test_a_compressed_file_cut_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    whole = PACKED[name]
    for length in range(len(whole)):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(FileRejected, match=name):
            read(tmp_path / name)


def test_a_gzip_file_with_a_bit_flipped_is_refused_or_has_the_same_lines(tmp_path: Path) -> None:
    path, whole = tmp_path / "events.ndjson.gz", PACKED["events.ndjson.gz"]
    refused = 0
    for place in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = [block.text for block in read(path) if isinstance(block, Block)]
        except FileRejected:
            refused += 1
        else:
            assert b"".join(found) == LINES
    # What is not read: "is text", the time, hints and system, and six bits of padding.
    assert refused == len(whole) * 8 - (1 + 32 + 8 + 8 + 6)


@pytest.mark.parametrize("name", ["events.ndjson.gz", "events.ndjson.zst"])
def test_an_empty_file_is_not_a_compressed_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(FileRejected, match="it is empty"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["events.ndjson.gz", "events.ndjson.zst"])
def test_trailing_bytes_reject_a_compressed_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name] + b"junk")
    with pytest.raises(FileRejected, match="cannot be read to its end"):
        read(tmp_path / name)


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"cccc", b"\r\n"])), st.integers(1, 5))
def test_blocks_hold_whole_lines_and_together_all_of_the_file(
    pieces: list[bytes], size: int
) -> None:
    text = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "BLOCK_BYTES", size)
        rest = iter([text[i : i + size] for i in range(0, len(text), size)] + [b""])
        blocks = list(
            blocks_module._cut_at_line_breaks(lambda _: (next(rest, b""), None), lambda: 0)
        )
    assert all(isinstance(block, Block) for block in blocks)
    assert b"".join(block.text for block in blocks if isinstance(block, Block)) == text
    line = 1
    for block in blocks:
        assert isinstance(block, Block)
        assert block.first_line == line
        assert block is blocks[-1] or block.text.endswith(b"\n")
        line += block.text.count(b"\n")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\nlast", b"\na\nb\n"])
def test_of_an_oversized_line_head_length_and_digest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 8)
    monkeypatch.setattr(blocks_module, "MAX_KEPT_LINE_BYTES", 20)
    huge = b"x" * 50
    (tmp_path / "e.ndjson").write_bytes(b"first\n" + huge + ending)
    found = read(tmp_path / "e.ndjson")
    [oversized] = [one for one in found if isinstance(one, OversizedLine)]
    assert oversized == OversizedLine(2, huge[:20], 50, hashlib.sha256(huge).hexdigest())
    rest = b"".join(one.text for one in found if isinstance(one, Block))
    assert rest == b"first\n" + ending.removeprefix(b"\n")
    lines = [one.first_line for one in found if isinstance(one, Block)]
    assert lines[:2] == [1, 3][: len(lines)]


def test_a_bomb_is_stopped_at_the_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "MIN_EXPANDED_BYTES", 1 << 20)
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 1 << 16)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"\n" * (1 << 20)) for _ in range(8)) + packer.flush()
    monkeypatch.setattr(blocks_module, "MAX_EXPANSION", 100)
    (tmp_path / "bomb.ndjson.gz").write_bytes(bomb)
    with pytest.raises(FileRejected, match="expands to over"):
        read(tmp_path / "bomb.ndjson.gz")


def test_a_byte_order_mark_is_skipped_at_the_start_only(tmp_path: Path) -> None:
    (tmp_path / "e.ndjson").write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo")
    texts = [block.text for block in read(tmp_path / "e.ndjson") if isinstance(block, Block)]
    assert b"".join(texts) == b"one\n\xef\xbb\xbftwo"


@settings(max_examples=100)
@given(st.lists(st.sampled_from([b"", b"a", b"bb" * 30]), max_size=200), st.integers(1, 9))
def test_a_block_of_many_lines_is_several(lines: list[bytes], most: int) -> None:
    text = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "MAX_BLOCK_LINES", most)
        pieces = iter([text])
        blocks = [
            block
            for block in blocks_module._cut_at_line_breaks(
                lambda _: (next(pieces, b""), None), lambda: 0
            )
            if isinstance(block, Block)
        ]
    assert b"".join(block.text for block in blocks) == text
    assert all(block.text.count(b"\n") <= most for block in blocks)
    line = 1
    for block in blocks:
        assert block.first_line == line
        line += block.text.count(b"\n")


def test_the_memory_of_a_released_block_is_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 16)
    made = []

    class Memory(io.BytesIO):
        def __init__(self, text: bytes) -> None:
            super().__init__(text)
            made.append(self)

    monkeypatch.setattr(io, "BytesIO", Memory)
    path = tmp_path / "e.ndjson"
    # Blocks of many lengths: longer and shorter than the one before.
    lines = [b"%d" % number + b"x" * (number * 7 % 10) + b"\n" for number in range(200)]
    path.write_bytes(b"".join(lines))
    texts = []
    for block in read_blocks(path):
        assert isinstance(block, Block)
        # A copy, as whoever has the text itself keeps its memory.
        texts.append(bytes(memoryview(block.text)))
        block.release()
        assert block.text == b""
    assert b"".join(texts) == path.read_bytes()
    assert (len(texts) > 100, len(made)) == (True, 1)


_DOES = ("release", "keep the text and release", "keep its lines and release", "keep")


@given(st.lists(st.sampled_from(_DOES), min_size=1))
def test_a_text_still_in_use_is_not_overwritten(does: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "BLOCK_BYTES", 16)
        path = Path(folder) / "e.ndjson"
        path.write_bytes(
            b"".join(b"%d" % number + b"x" * (number % 9) + b"\n" for number in range(40))
        )
        whole = [block.text for block in read(path) if isinstance(block, Block)]
        kept: list[tuple[Block | bytes | pl.Series, bytes]] = []
        for block, text, what in zip(read_blocks(path), whole, itertools.cycle(does)):
            assert isinstance(block, Block)
            assert block.text == text
            if what == "keep":
                kept.append((block, text))
                continue
            if what == "keep the text and release":
                kept.append((block.text, text))
            elif what == "keep its lines and release":
                kept.append((split_lines(block.text, block.breaks), text))
            block.release()
        for one, text in kept:
            if isinstance(one, pl.Series):
                assert one.to_list() == text.decode().splitlines()
            else:
                assert (one.text if isinstance(one, Block) else one) == text


def test_a_file_without_a_size_is_read_as_well(tmp_path: Path) -> None:
    source = Path("/proc/version")
    assert source.stat().st_size == 0
    path = tmp_path / "e.ndjson"
    path.symlink_to(source)
    blocks = [block for block in read(path) if isinstance(block, Block)]
    assert b"".join(block.text for block in blocks) == source.read_bytes() != b""


def test_no_more_memory_is_taken_than_a_file_has_bytes(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson"
    path.write_bytes(LINES)
    tracemalloc.start()
    try:
        assert b"".join(block.text for block in read(path) if isinstance(block, Block)) == LINES
        assert tracemalloc.get_traced_memory()[1] < blocks_module.BLOCK_BYTES // 100
    finally:
        tracemalloc.stop()
