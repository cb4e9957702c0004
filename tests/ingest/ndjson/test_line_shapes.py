"""DuckDB's reader accepts a line only if the strict validator does, with the same values."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.events.event_types import EVENT_TYPES, Event, EventType, Void
from hourtally.events.strict_json import JsonObject, RuleViolation, parse_line
from hourtally.events.validation import Accepted, check_event
from hourtally.ingest.ndjson import parser as parser_module
from hourtally.ingest.ndjson.blocks import Block
from hourtally.ingest.ndjson.duckdb_reader import DuckDBReader, ReaderPool, ReadLines
from hourtally.ingest.ndjson.line_shapes import find_shape, matches_shape
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.ingest.parsed import events_frame
from hourtally.model.components import CLUSTER_EVENT
from tests.support.events.event_files import as_cloud_event, written_line
from tests.support.events.near_valid_lines import distorted, raw_of
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import Json, event_sets, fresh_events
from tests.support.examples import examples

GOOD = json.dumps(
    {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "metering.resource.v1",
        "time": "2026-11-22T13:05:00.123456789Z",
        "traceparent": "00-ab",
        "data": {
            "customerId": "c",
            "teamId": "t",
            "projectId": "p",
            "projectName": 'é "q" \\',
            "resourceId": "r",
            "resourceType": "service",
            "start": "2026-11-22T13:00:00.5Z",
            "end": "2026-11-22T13:05:00+00:00",
            "cpuMillicores": 500,
            "labels": {"env": "prod", "n": 1.5},
            "gpuMilli": 0,
            "gpuModel": None,
        },
    }
).encode()

# Replacements in the good line; the validator rejects some of these and accepts others.
CHANGES = [
    (b'"cpuMillicores": 500', b'"cpuMillicores": "500"'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 500.0'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 5e2'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 0500'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": -0'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 10000000001'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 10000000000'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 99999999999999999999'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": true'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": null'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 500, "cpuMillicores": 1'),
    (b'"id": "1"', b'"id": "1", "id": "2"'),
    (b'"id": "1"', b'"id": ""'),
    (b'"id": "1"', b'"id": 1'),
    (b'"id": "1"', b'"id": "' + b"x" * 513 + b'"'),
    (b'"customerId": "c"', b'"customerId": "' + "é".encode() * 129 + b'"'),
    (b'"customerId": "c"', b'"customerId": "c\\n"'),
    (b'"customerId": "c"', b'"customerId": "c\\u0001"'),
    (b'"customerId": "c"', b'"customerId": "\xc2\x85"'),
    (b'"customerId": "c"', b'"customerId": "\\ud800"'),
    (b'"customerId": "c", ', b""),
    (b'"prod"', b'"\\ud83d\\ude00"'),
    (b'"prod"', b'"\\ud800"'),
    (b'"prod"', b"NaN"),
    (b'"prod"', b"1e999"),
    (b'"prod"', b'"prod",'),
    (b'"prod"', b'[1, {"deep": [2]}]'),
    (b"13:00:00.5Z", b"13:00:00.5000Z"),
    (b"13:00:00.5Z", b"13:00:60Z"),
    (b"13:00:00.5Z", b"24:00:00Z"),
    (b"13:00:00.5Z", b"13:00:00"),
    (b"13:00:00.5Z", b"15:00:00+02:00"),
    (b"13:00:00.5Z", b"15:00:00.123456789+02:00"),
    (b"13:00:00.5Z", b"15:00:00.1234567890+02:00"),
    (b"2026-11-22T13:00:00.5Z", b"1970-01-01T00:59:59.9999+01:00"),
    (b'"cpuMillicores": 500', b'"cpu_millicores": 500'),
    (b'"cpuMillicores": 500', b'"cpuMillicores": 500, "cpu_millicores": 500'),
    (b'"cpuMillicores": 500', b'"cpuMilicores": 500'),
    (b'"cpuMillicores": 500', b'"cpuMilicores": "500"'),
    (b'"labels"', b'"gpu_model"'),
    (b'"labels"', b'"data.storageMiB"'),
    (b'"gpuModel": null', b'"gpuCapacity": "spot"'),
    (b'"gpuModel": null', b'"gpuCapacity": "on-demand"'),
    (b'"gpuModel": null', b'"gpuCapacity": "reserved"'),
    (b"2026-11-22T13:05:00.123456789Z", b"0001-01-01T00:00:00Z"),
    (b"2026-11-22T13:05:00.123456789Z", b"0001-01-01T00:00:00.5Z"),
    (b"2026-11-22T13:05:00.123456789Z", b"0000-01-01T00:00:00Z"),
    (b'"labels": {"env": "prod", "n": 1.5}', b'"labels": 1, "labels": 2'),
    (b'"traceparent"', b'"data_base64"'),
    (b'"traceparent": "00-ab"', b'"data_base64": null'),
    (b"2026-11-22T13:00:00.5Z", b"2026-02-30T13:00:00Z"),
    (b"2026-11-22T13:00:00.5Z", b"2026-10-22T13:04:59.999Z"),
    (b"2026-11-22T13:00:00.5Z", b"2026-10-22T13:05:00Z"),
    (b"2026-11-22T13:05:00+", b"2026-11-22T13:00:00.5+"),
    (b'"gpuMilli": 0', b'"gpuMilli": 1'),
    (b'"gpuModel": null', b'"gpuModel": "l4"'),
    (b'"specversion": "1.0"', b'"specversion": "1.1"'),
    (b'"resourceType": "service"', b'"resourceType": "Service"'),
    (b".123456789Z", b".123456789123Z"),
    (b"}}", b"}}}"),
    (b"}}", b"},}"),
    (b"}}", b"}} x"),
    (b"}}", b"}}\r"),
    (b'": ', b'"\t:  '),
]


# Spares hundreds of parsers a DuckDB each.
ENGINE = ReaderPool()


class Validated(NamedTuple):
    """What the strict validator makes of lines.

    rules: of each quarantined line. unknown: how many accepted lines have each ignored field.
    """

    events: list[Event]
    voids: list[Void]
    rules: dict[int, str]
    unknown: Counter[str]


def validated(lines: list[bytes]) -> Validated:
    events: list[Event] = []
    voids: list[Void] = []
    rules = {}
    found: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        try:
            accepted, unknown = check_event(parse_line(line))
        except RuleViolation as violation:
            rules[number] = violation.rule
            continue
        found.update(unknown)
        if isinstance(accepted, Void):
            voids.append(accepted)
        else:
            events.append(accepted)
    return Validated(events, voids, rules, found)


def assert_parsed_as_validated(parser: LineParser, lines: list[bytes]) -> None:
    parsed = parser.parse(Block(1, b"\n".join(lines) + b"\n", 0))
    events, voids, rules, unknown = validated(lines)
    assert +parsed.unknown == unknown
    assert parsed.voids.rows() == voids
    assert sorted(parsed.events.rows(), key=repr) == sorted(events_frame(events).rows(), key=repr)
    assert {line.number: line.rule for line in parsed.quarantined} == rules
    assert parsed.lines == len(lines)
    by_line = {line.number: line.raw for line in parsed.quarantined}
    assert all(raw == lines[number - 1] for number, raw in by_line.items())


def matches_good(line: bytes) -> bool:
    """Whether a line matches the shape of the good line."""
    shape = find_shape(parse_line(GOOD), GOOD.decode())
    assert shape is not None
    return bool(matches_shape(pl.Series([line.decode()]), shape)[0])


def test_a_shape_matches_the_line_that_it_was_learned_from() -> None:
    assert matches_good(GOOD)


def test_a_shape_matches_lines_without_optional_keys_and_no_others() -> None:
    assert matches_good(GOOD.replace(b'"traceparent": "00-ab", ', b""))
    assert matches_good(GOOD.replace(b'"cpuMillicores": 500, ', b""))
    assert not matches_good(GOOD.replace(b'"teamId": "t", ', b""))
    assert not matches_good(GOOD.replace(b'"id": "1"', b'"id": "1", "more": 1'))


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=range(len(CHANGES)))
def test_a_changed_line_gets_the_verdict_of_the_validator(old: bytes, new: bytes) -> None:
    assert old in GOOD
    # The good line comes first, so its shape is known when the changed one is read.
    assert_parsed_as_validated(LineParser(ENGINE), [GOOD, GOOD.replace(old, new, 1)])


# What the query that reads lines calls its own columns, and fields that count in other cases.
_NEARLY = [
    *(
        "row",
        "line",
        "identity",
        "event_time",
        "event_source",
        "event_id",
        "event_type",
        "is_exact",
    ),
    *(
        "event_time_us",
        "start_ms",
        "end_ms",
        "start_us",
        "end_us",
        "is_round_trip",
        "customer_id",
        "parsed",
        "timed",
        "lines",
    ),
    *(
        spelt
        for event_type in EVENT_TYPES.values()
        for key in (
            "time",
            *event_type.ids,
            *event_type.names,
            *event_type.selectors,
            *event_type.quantities,
        )
        for spelt in (key, key.lower(), key.upper(), key.capitalize())
    ),
]


@pytest.mark.parametrize("level", ["event", "data"])
@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=EVENT_TYPES)
@pytest.mark.parametrize(
    "names",
    [
        # A third of the query's own columns, and a thirtieth of the others.
        pytest.param([*_NEARLY[:18:3], *_NEARLY[18::30]], id="some"),
        pytest.param(_NEARLY, id="all", marks=pytest.mark.slow),
    ],
)
def test_an_ignored_field_named_nearly_like_another_is_ignored(
    event_type: EventType, level: str, names: list[str]
) -> None:
    required: Json = {**dict.fromkeys(event_type.ids, "x"), "resourceType": "job"}
    required |= {"start": "2026-11-22T13:00:00Z", "end": "2026-11-22T13:00:01Z"}
    optional = dict.fromkeys([*event_type.names, *event_type.selectors], "right") | dict.fromkeys(
        event_type.quantities, 5
    )
    for key in dict.fromkeys(names):
        lines = []
        for number, (value, more) in enumerate(
            (value, more) for value in ("WRONG", "7", 7) for more in ({}, optional)
        ):
            data = required | more
            event: Json = {"specversion": "1.0", "id": f"{number}", "source": "/m"}
            event["type"] = event_type.type
            where = event if level == "event" else data
            if key not in where:
                where[key] = value
            event["data"] = data
            lines.append(json.dumps(event, separators=(",", ":")).encode())
        # The shape is learned from the first line: with a text there, and with a number.
        for first in (0, 4):
            assert_parsed_as_validated(LineParser(ENGINE), [*lines[first:], *lines[:first]])


def test_blank_lines_count_for_nothing() -> None:
    parsed = LineParser(ENGINE).parse(Block(1, b"\n" + GOOD + b"\n \t\r\n\n" + GOOD, 0))
    assert (parsed.lines, len(parsed.events), parsed.quarantined) == (2, 2, [])


@pytest.mark.parametrize(
    "first", [("specversion", "type"), ("type", "id"), ("id", "type"), ("data", "source", "type")]
)
def test_lines_of_two_types_pass_the_round_trip_wherever_their_type_is(
    first: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    validated_events: list[object] = []

    def counted(event: JsonObject) -> Accepted:
        validated_events.append(event)
        return check_event(event)

    events = [
        as_cloud_event(event)
        for number in range(50)
        for event in (
            make_event(number, cpuMillicores=5),
            make_event(number + 50, CLUSTER_EVENT, vcpuMillicores=7),
        )
    ]
    lines = [
        json.dumps({name: event[name] for name in (*first, *event)}).encode() for event in events
    ]
    monkeypatch.setattr(parser_module, "check_event", counted)
    monkeypatch.delattr(DuckDBReader, "read_matching")
    assert_parsed_as_validated(LineParser(), lines)
    # Of each type, only the line from which its shape is learned.
    assert len(validated_events) == 2


@st.composite
def _mutated_lines(draw: st.DrawFn) -> list[bytes]:
    """Lines of any events, most of them as they are, some with a byte changed."""
    chance = random.Random(draw(st.integers(0, 2**16)))
    events: list[Json] = draw(event_sets())
    lines = [written_line(event, chance) for event in events]
    lines += [json.dumps(as_cloud_event(event)).encode() for event in events]
    for number in range(len(lines)):
        if chance.random() < 0.3:
            line = bytearray(lines[number])
            place = chance.randrange(len(line))
            line[place : place + chance.randrange(2)] = chance.choice(
                [b'"', b",", b"\\", b"0", b"}", b":", b"\xff", b"\x00", b" ", b"e", b"-", b"."]
            )
            lines[number] = bytes(line).replace(b"\n", b"")
    return [line for line in lines if line.strip()]


@examples(300, fast=50)
@given(_mutated_lines())
def test_any_lines_get_the_verdict_of_the_validator(lines: list[bytes]) -> None:
    if lines:
        # Twice: the second time the shapes are known.
        parser = LineParser(ENGINE)
        assert_parsed_as_validated(parser, lines)
        assert_parsed_as_validated(parser, lines)


@examples(300, fast=50)
@given(st.lists(fresh_events(), min_size=1, max_size=2), st.integers(0, 2**32))
def test_near_valid_lines_of_a_known_shape_get_the_verdict_of_the_validator(
    events: list[Json], seed: int
) -> None:
    chance = random.Random(seed)
    valid = [raw_of(event, chance) for event in events]
    lines = [raw.line() for raw in valid]
    lines += [distorted(chance.choice(valid), chance) for _ in range(40)]
    # The valid lines come first, so their shapes are known when the others are read.
    assert_parsed_as_validated(LineParser(ENGINE), lines)


def test_near_valid_lines_are_read_by_duckdb_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # If none were, the test above would compare the validator with itself.
    fast: list[int] = []

    def counting(read: Callable[..., ReadLines]) -> Callable[..., ReadLines]:
        def counted(*arguments: Any, **options: Any) -> ReadLines:
            taken = read(*arguments, **options)
            fast.append(len(taken.events))
            return taken

        return counted

    for name in ("read_round_trip", "read_matching"):
        monkeypatch.setattr(DuckDBReader, name, counting(getattr(DuckDBReader, name)))
    chance = random.Random(0)
    event = make_event(0, cpuMillicores=5, teamName="Blue")
    raw = raw_of(event, chance)
    lines = [raw.line(), *(distorted(raw, chance) for _ in range(1_000))]
    accepted = len(LineParser().parse(Block(1, b"\n".join(lines), 0)).events)
    assert 100 < sum(fast) < accepted < len(lines)
