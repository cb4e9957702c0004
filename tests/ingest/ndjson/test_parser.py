"""Blocks to events and quarantined lines, whichever shapes are known and threads parse."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hourtally.events.strict_json import MAX_LINE_BYTES, JsonObject
from hourtally.events.validation import Accepted, check_event
from hourtally.ingest.ndjson import blocks as blocks_module
from hourtally.ingest.ndjson import parser as parser_module
from hourtally.ingest.ndjson.blocks import Block, OversizedLine, read_blocks
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.ingest.parsed import ParsedBlock, QuarantinedLine
from hourtally.runtime.concurrency import ordered_map
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import make_event


def line(number: int, **data: Any) -> bytes:
    return json.dumps(as_cloud_event(make_event(number, **data))).encode()


def parse(*lines: bytes, ending: bytes = b"\n") -> ParsedBlock:
    return LineParser().parse(Block(1, ending.join(lines), 0))


def test_of_many_lines_of_one_shape_only_the_first_is_validated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    validated: list[int] = []

    def counted(event: JsonObject) -> Accepted:
        validated.append(1)
        return check_event(event)

    monkeypatch.setattr(parser_module, "check_event", counted)
    parsed = parse(*(line(number) for number in range(1_000)))
    assert (len(parsed.events), sum(validated)) == (1_000, 1)


def test_lines_of_two_shapes_are_both_read_by_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    validated: list[int] = []

    def counted(event: JsonObject) -> Accepted:
        validated.append(1)
        return check_event(event)

    monkeypatch.setattr(parser_module, "check_event", counted)
    shapes = [{}, {"type_": "metering.cluster.v1"}]
    parsed = parse(*(line(number, **shapes[number % 2]) for number in range(1_000)))
    assert (len(parsed.events), sum(validated)) == (1_000, 2)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_line_may_have_a_mebibyte_whatever_ends_it(position: int) -> None:
    usual = line(1)
    room = MAX_LINE_BYTES - len(line(0, unknown=""))
    longest, too_long = line(0, unknown="x" * room), line(0, unknown="x" * (room + 1))
    assert len(longest) == MAX_LINE_BYTES
    for ending in (b"\n", b"\r\n"):
        lines = [usual, usual]
        lines.insert(position, longest)
        assert len(parse(*lines, ending=ending).events) == 3
        lines[position] = too_long
        parsed = parse(*lines, ending=ending)
        assert [(r.number, r.rule) for r in parsed.quarantined] == [(position + 1, "line_too_long")]


def test_a_quarantined_line_keeps_its_bytes() -> None:
    parsed = parse(line(0), b"{\r", b"\xff\xfe", b" 1 ", line(1))
    assert [(r.number, r.rule, r.raw) for r in parsed.quarantined] == [
        (2, "not_json", b"{\r"),
        (3, "not_utf8", b"\xff\xfe"),
        (4, "not_cloudevent", b" 1 "),
    ]
    assert (parsed.lines, len(parsed.events)) == (5, 2)


def test_an_oversized_line_is_quarantined_with_its_head() -> None:
    oversized = OversizedLine(7, b"head", 20_000_000, "ab" * 32)
    [quarantined] = LineParser().parse(oversized).quarantined
    assert json.loads(quarantined.to_json("f.ndjson")) == {
        "file": "f.ndjson",
        "line": 7,
        "rule": "line_too_long",
        "message": "the line has 20000000 bytes; the limit is 1048576",
        "raw": "head",
        "raw_length": 20_000_000,
        "raw_sha256": "ab" * 32,
    }


def test_bytes_that_are_not_utf_8_are_kept_in_base64() -> None:
    kept = json.loads(QuarantinedLine(1, "not_utf8", "why", b"\xff\x00").to_json("f"))
    # 0xff00 is 111111 110000 0000(00): "/wA=".
    assert kept["raw_base64"] == "/wA="
    assert "raw" not in kept


@pytest.fixture
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_switching_often")
def test_threads_that_share_shapes_get_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Six shapes, more than are learned, in another order in each block.
    monkeypatch.setattr(parser_module, "_MAX_SHAPES", 4)
    lines = [
        b"{" if number % 17 == 0 else line(number, **{f"x{number * number % 7 % 6}": number})
        for number in range(300)
    ]
    (tmp_path / "e.ndjson").write_bytes(b"\n".join(lines))
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 6_000)
    blocks = list(read_blocks(tmp_path / "e.ndjson"))
    assert len(blocks) > 10
    alone = [LineParser().parse(block) for block in blocks]
    parser = LineParser()
    together = list(ordered_map(4, parser.parse, ((block,) for block in blocks)))
    for one, other in zip(alone, together, strict=True):
        assert ordered(one.events).equals(ordered(other.events))
        assert (one.quarantined, one.lines) == (other.quarantined, other.lines)


def ordered(events: pl.DataFrame) -> pl.DataFrame:
    return events.sort("event_id")
