"""What is refused, by which rule, and how it is kept; what is accepted at the borders."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hourtally.store.layout import Home
from tests.support.events.event_files import write_parquet
from tests.support.ingest.ingest_outcome import Json, Outcome, ingest, ingested, written
from tests.support.oracle.events import instant
from tests.support.quarantine.structure_cases import MIB, PLAIN, Case, cluster, resource
from tests.support.quarantine.value_cases import CASES, GROUPS, INTERVAL_TOO_LONG

ACCEPTED = [case for case in CASES if case.rule is None]
# These have no room for another spelling, or too many hours to write them twice.
LONGEST = [case for case in ACCEPTED if len(case.line) == MIB or case in INTERVAL_TOO_LONG]
REFUSED = [case for case in CASES if case.rule is not None]


@pytest.fixture(autouse=True, scope="module")
def _without_fsync() -> Iterator[None]:
    """Spare hundreds of small files the wait for the disk; here nothing crashes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All lines in one file, line n + 1 of it being case n."""
    return ingested(
        tmp_path_factory.mktemp("together"), b"\n".join(case.line for case in CASES) + b"\n"
    )


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """The rule of each line out of one file a rule, in which accepted lines come first.

    So a reader that learns from the lines it has seen knows what all the refused ones are like.
    """
    folder = tmp_path_factory.mktemp("grouped")
    groups, paths = [], []
    for number, group in enumerate(GROUPS):
        usual = [resource(f"PaaS {number}"), cluster(f"BYOC {number}")]
        groups.append(usual + sorted(group, key=lambda case: case.rule is not None))
        lines = b"\n".join(case.line for case in groups[-1])
        paths.append(written(folder, lines, f"group-{number:02d}.ndjson"))
    outcomes = ingest(Home(folder / "home"), paths)
    return {
        case.name: outcome.rules.get(line)
        for group, outcome in zip(groups, outcomes, strict=True)
        for line, case in enumerate(group, start=1)
    }


@pytest.fixture(scope="module")
def respelled(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All accepted lines in one file, each with a key spelled in an unusual way."""
    lines = [case.line.replace(b'"id"', rb'"\u0069d"') for case in ACCEPTED if case not in LONGEST]
    return ingested(tmp_path_factory.mktemp("respelled"), b"\n".join(lines))


def named(cases: Sequence[Case]) -> list[Any]:
    return [pytest.param(case, id=case.name.encode("ascii", "replace").decode()) for case in cases]


@pytest.mark.parametrize("case", named(CASES))
def test_a_line_among_all_others_breaks_its_rule_and_no_other(
    case: Case, together: Outcome
) -> None:
    assert together.rules.get(CASES.index(case) + 1) == case.rule


@pytest.mark.parametrize("case", named(CASES))
def test_a_line_after_accepted_ones_of_its_layout_breaks_the_same_rule(
    case: Case, grouped: dict[str, str | None]
) -> None:
    assert grouped[case.name] == case.rule


def test_every_rule_of_the_contract_has_a_line_that_breaks_it() -> None:
    assert {case.rule for case in REFUSED} == {
        "not_json",
        "not_utf8",
        "line_too_long",
        "not_cloudevent",
        "unknown_type",
        "misspelt_field",
        "missing_field",
        "bad_type",
        "bad_identifier",
        "bad_timestamp",
        "ends_before_start",
        "interval_too_long",
        "quantity_out_of_range",
        "unknown_resource_type",
        "unknown_gpu_capacity",
        "gpu_without_model",
    }


def test_lines_are_accepted_or_quarantined_and_the_record_counts_them_by_rule(
    together: Outcome,
) -> None:
    record = together.record
    assert record["lines"] == len(CASES)
    assert record["accepted"] == len(ACCEPTED)
    assert record["duplicates"] == 0
    assert record["quarantined"] == len(REFUSED) == len(together.quarantine)
    rules = [case.rule for case in REFUSED]
    assert record["rules"] == {rule: rules.count(rule) for rule in rules}


def test_accepted_plus_duplicates_plus_quarantined_are_the_lines_that_are_not_blank(
    tmp_path: Path,
) -> None:
    three_hours = resource("three hours", end="2026-11-22T16:00:00Z").line
    later = three_hours.replace(b'"specversion"', b'"time":"2026-11-22T16:00:00Z","specversion"')
    other = resource("three hours", end="2026-11-22T16:00:00Z", memoryMiB=1).line
    lines = [three_hours, b"", b"hello", three_hours, b" \t\r", later, other, PLAIN.line]
    record = ingested(tmp_path, b"\n".join(lines)).record
    # Twice the same as line 1, line 6 at another time: two duplicates, however many hours they
    # touch. Line 7 says something else of the same identity: a conflict, and accepted.
    assert (record["lines"], record["accepted"], record["duplicates"], record["quarantined"]) == (
        6,
        3,
        2,
        1,
    )


@pytest.mark.parametrize("case", named(REFUSED))
def test_a_refused_line_is_kept_as_it_came_with_file_line_rule_and_a_sentence(
    case: Case, together: Outcome
) -> None:
    kept = together.quarantine[CASES.index(case) + 1]
    if case.rule == "not_utf8" or b"\xff" in case.line:
        assert set(kept) == {"file", "line", "rule", "message", "raw_base64"}
        assert base64.b64decode(kept["raw_base64"], validate=True) == case.line
    else:
        assert set(kept) == {"file", "line", "rule", "message", "raw"}
        assert kept["raw"].encode() == case.line
    assert kept["file"].endswith("events.ndjson")
    assert kept["message"]
    assert len(kept["message"]) < 500


def test_an_accepted_line_is_stored_alike_however_its_keys_are_spelled(
    together: Outcome, respelled: Outcome
) -> None:
    columns = together.slices.columns
    given = together.slices.filter(pl.col("event_id").is_in([case.name for case in LONGEST]).not_())
    assert respelled.record["accepted"] == len(ACCEPTED) - len(LONGEST)
    assert given.sort(columns).equals(respelled.slices.sort(columns))


@pytest.mark.parametrize(
    ("name", "start_ms"),
    [
        # 2026-11-22T13:00:00Z is 1795352400
        ("start 2026-11-22T14:00:00+01:00", 1_795_352_400_000),
        ("start 2026-11-22T18:45:00+05:45", 1_795_352_400_000),
        ("start 2026-11-22T05:00:00-08:00", 1_795_352_400_000),
        ("start 2026-11-23T12:59:00+23:59", 1_795_352_400_000),
        ("start 2026-11-22t13:00:00z", 1_795_352_400_000),
        ("start 2026-11-22T13:00:00.12Z", 1_795_352_400_120),
        # 54 years of 365 days, 13 leap days from 1972 to 2020, 59 days to 2024-02-29: 19782 days
        ("a 29th of February", 19_782 * 86_400_000 + 23 * 3_600_000),
        ("the first instants of all", 0),
        ("start 2026-11-22T15:30:00.9999999+02:30", 1_795_352_400_999),
    ],
)
def test_an_instant_is_stored_in_utc_milliseconds(
    name: str, start_ms: int, together: Outcome
) -> None:
    (stored,) = together.slices.filter(event_id=name)["start_ms"]
    assert stored == start_ms


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("resourceName null", "resource_name", None),
        ("resourceName empty, not null", "resource_name", ""),
        ("a name with control characters", "resource_name", "\0\t\n\x1f\x7f\x85\u2028"),
        ("resourceId as a surrogate pair", "resource_id", "\U0001f600"),
        ("an escaped key", "resource_id", "api"),
        ("cpuMillicores None", "cpu_millicores", 0),
        ("cpuMillicores 10000000000", "cpu_millicores", 10_000_000_000),
        ("a quantity of -0", "memory_mib", 0),
        ("clusterCount None, of a cluster", "cluster_count", 1),
        ("clusterCount 0, of a cluster", "cluster_count", 0),
        ("the usual BYOC event", "cluster_count", 1),
        ("a resource's fields in a BYOC event", "gpu_milli", 0),
        ("time of nine digits", "event_time_us", 1_795_352_400_123_456),
        ("time null", "event_time_us", None),
        ("time the zero time of Go", "event_time_us", None),
        ("time a second later", "event_time_us", -62_135_596_799_000_000),
        ("gpuCapacity on-demand", "gpu_capacity", None),
        ("gpuCapacity spot", "gpu_capacity", "spot"),
    ],
)
def test_a_value_is_stored_as_it_was_given(
    name: str, column: str, value: object, together: Outcome
) -> None:
    (stored,) = together.slices.filter(event_id=name)[column]
    assert stored == value


def test_a_byte_order_mark_at_the_start_of_a_file_is_skipped(tmp_path: Path) -> None:
    outcome = ingested(tmp_path, b"\xef\xbb\xbf" + PLAIN.line + b"\n")
    assert (outcome.record["accepted"], outcome.record["quarantined"]) == (1, 0)


def test_a_byte_order_mark_at_the_start_of_a_gzip_file_is_skipped(tmp_path: Path) -> None:
    content = gzip.compress(b"\xef\xbb\xbf" + PLAIN.line + b"\n")
    assert ingested(tmp_path, content, "events.ndjson.gz").record["accepted"] == 1


def test_lines_may_end_in_crlf_and_the_last_one_in_nothing(tmp_path: Path) -> None:
    lines = [PLAIN.line, resource("second").line, b"", resource("third").line]
    outcome = ingested(tmp_path, b"\r\n".join(lines))
    assert (outcome.record["lines"], outcome.record["accepted"]) == (3, 3)


def test_the_number_of_a_line_counts_blank_lines_too(tmp_path: Path) -> None:
    outcome = ingested(tmp_path, b"\n\r\n" + PLAIN.line + b"\n   \nhello\r\n\n")
    assert outcome.rules == {5: "not_json"}
    assert (outcome.record["lines"], outcome.record["accepted"]) == (2, 1)


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    # U+2028, U+2029 and NEL are line breaks to some readers; raw in a JSON string they are text.
    lines = [resource("one", resourceName="a\u2028b\u2029c\x85d").line, resource("two").line]
    outcome = ingested(tmp_path, b"\n".join(lines))
    assert (outcome.record["lines"], outcome.record["accepted"]) == (2, 2)
    (name,) = outcome.slices.filter(event_id="one")["resource_name"]
    assert name == "a\u2028b\u2029c\x85d"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\r\n \n"])
def test_a_file_without_events_is_a_batch_of_no_lines(content: bytes, tmp_path: Path) -> None:
    record = ingested(tmp_path, content).record
    assert (record["lines"], record["accepted"], record["hours"]) == (0, 0, {})


def _as_row(case: Case) -> Json | None:
    """A line as a row of Parquet; None where its columns have no such values."""
    # Enough digits to pass 64 bits, and few enough that Python reads them.
    event = json.loads(case.line, parse_int=lambda digits: int(digits[:40]))
    if not isinstance(event, dict) or event.get("specversion") != "1.0" or not event.get("data"):
        return None
    if "data_base64" in event:
        return None
    data = {"start": None, "end": None, **event["data"]}
    for name in ("start", "end"):
        if data[name] is not None:
            data[name] = int(instant(data[name]) * 1_000)
    row = {**{name: event.get(name) for name in ("id", "source", "type")}, "time": None}
    try:
        write_parquet(Path(os.devnull), [{**row, "data": data}])
    except (TypeError, ValueError, OverflowError):
        return None
    return {**row, "data": data}


def test_a_row_of_parquet_breaks_the_rules_that_its_line_breaks(tmp_path: Path) -> None:
    of_text = {"not_json", "not_utf8", "line_too_long", "bad_type", "bad_timestamp"}
    # Its columns are those of right names.
    of_text.add("misspelt_field")
    cases = [case for case in CASES if case.rule not in of_text]
    rows = {case: row for case in cases if (row := _as_row(case)) is not None}
    path = tmp_path / "events.parquet"
    write_parquet(path, list(rows.values()))
    (outcome,) = ingest(Home(tmp_path / "home"), [path])
    rules = {case.name: outcome.rules.get(n) for n, case in enumerate(rows, start=1)}
    assert rules == {case.name: case.rule for case in rows}
    assert outcome.record["lines"] == len(rows)
    assert {rule for rule in rules.values() if rule} == {
        "not_cloudevent",
        "unknown_type",
        "missing_field",
        "bad_identifier",
        "ends_before_start",
        "interval_too_long",
        "quantity_out_of_range",
        "unknown_resource_type",
        "unknown_gpu_capacity",
        "gpu_without_model",
    }
