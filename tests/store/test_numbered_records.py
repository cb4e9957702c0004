"""Numbered records: which of them count in an hour, and why an hour's inputs changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.model.hours import Hour
from hourtally.store.batches import (
    BATCH_REMOVED,
    BATCH_WITHDRAWN,
    INGESTED_AGAIN,
    NEW_BATCH,
    Batches,
    parse_record_name,
    record_name,
)
from hourtally.store.durable import to_sealed_json
from hourtally.store.layout import Home

HOUR = Hour.parse("2026-11-22T13")
A, B, C = "a" * 16, "b" * 16, "c" * 16


def home_of(folder: Path, records: dict[str, str], slices: list[str]) -> Home:
    """A home with records of these names and statuses, and slices of these names in the hour."""
    home = Home(folder)
    home.batches.mkdir()
    for name, status in records.items():
        home.batch_record(name).write_bytes(to_sealed_json({"status": status} if status else {}))
    home.slices(HOUR, "").parent.mkdir(parents=True)
    for name in slices:
        home.slices(HOUR, name).touch()
    return home


@pytest.mark.parametrize(
    ("name", "batch", "number"),
    [(A, A, 1), (f"{A}.2", A, 2), (f"{A}.10", A, 10), (f"{A}.999", A, 999)],
)
def test_a_record_is_named_by_batch_and_number(name: str, batch: str, number: int) -> None:
    assert record_name(batch, number) == name
    assert parse_record_name(name) == (batch, number)


@pytest.mark.parametrize("name", [f"{A}.1", f"{A}.0", f"{A}.02", f"{A}.x", f"{A}.2.3", ".2"])
def test_no_other_name_has_a_number(name: str) -> None:
    assert parse_record_name(name) == (name, 1)


@pytest.mark.parametrize(
    ("records", "slices", "inputs"),
    [
        # The version before wrote neither a number nor a status.
        ({A: ""}, [A], [A]),
        ({A: "ingested"}, [A, B], [A]),
        # Withdrawn.
        ({A: "ingested", f"{A}.2": "withdrawn"}, [A], []),
        # Ingested again, after a withdrawal or without one.
        ({A: "ingested", f"{A}.2": "ingested"}, [A, f"{A}.2"], [f"{A}.2"]),
        (
            {A: "", f"{A}.2": "withdrawn", f"{A}.3": "ingested"},
            [A, f"{A}.3", B],
            [f"{A}.3"],
        ),
        # It no longer touches the hour.
        ({A: "ingested", f"{A}.2": "ingested"}, [A], []),
        # An ingest that was killed before its record left slices, and a withdrawal came first.
        ({A: "ingested", f"{A}.2": "withdrawn"}, [A, f"{A}.2"], []),
        ({A: "ingested"}, [A, f"{A}.2"], [A]),
        # Ten is more than nine.
        ({f"{A}.9": "ingested", f"{A}.10": "ingested"}, [f"{A}.9", f"{A}.10"], [f"{A}.10"]),
    ],
)
def test_the_inputs_of_an_hour_are_of_the_highest_record_that_says_ingested(
    tmp_path: Path, records: dict[str, str], slices: list[str], inputs: list[str]
) -> None:
    assert Batches(home_of(tmp_path, records, slices)).inputs(HOUR) == inputs


def test_voids_alone_make_an_input(tmp_path: Path) -> None:
    home = home_of(tmp_path, {A: "ingested", B: "ingested"}, [A])
    for name in (A, B):
        home.voids(HOUR, name).touch()
    assert Batches(home).inputs(HOUR) == [A, B]


@pytest.mark.parametrize(
    ("built", "inputs", "records", "reasons"),
    [
        ([], [A], {A: ""}, {NEW_BATCH}),
        ([A], [], {}, {BATCH_REMOVED}),
        ([A], [], {A: "", f"{A}.2": "withdrawn"}, {BATCH_WITHDRAWN}),
        ([A], [f"{A}.2"], {A: "", f"{A}.2": "ingested"}, {INGESTED_AGAIN}),
        ([], [f"{A}.3"], {A: "", f"{A}.2": "withdrawn", f"{A}.3": "ingested"}, {INGESTED_AGAIN}),
        # Judged anew, it touches the hour no more.
        ([A], [], {A: "", f"{A}.2": "ingested"}, {INGESTED_AGAIN}),
        (
            [A, B],
            [C],
            {A: "", f"{A}.2": "withdrawn", B: "", f"{B}.2": "ingested", C: ""},
            {NEW_BATCH, BATCH_WITHDRAWN, INGESTED_AGAIN},
        ),
        ([A], [A], {A: ""}, set()),
    ],
)
def test_the_reasons_say_what_became_of_the_batches(
    tmp_path: Path,
    built: list[str],
    inputs: list[str],
    records: dict[str, str],
    reasons: set[str],
) -> None:
    assert Batches(home_of(tmp_path, records, [])).reasons(built, inputs) == reasons


def test_a_damaged_record_counts_as_ingested_so_that_a_build_of_its_hours_fails(
    tmp_path: Path,
) -> None:
    home = home_of(tmp_path, {A: "ingested", f"{A}.2": "ingested"}, [A, f"{A}.2"])
    home.batch_record(f"{A}.2").write_bytes(b"{}")
    assert Batches(home).inputs(HOUR) == [f"{A}.2"]
    assert Batches(home).reasons([A], [f"{A}.2"]) == {INGESTED_AGAIN}


def test_names_are_of_the_deciding_records(tmp_path: Path) -> None:
    records = {A: "", f"{A}.2": "withdrawn", B: "", f"{B}.10": "ingested", f"{B}.9": "ingested"}
    home = home_of(tmp_path, records, [])
    home.batches.joinpath(f".{C}.json.tmp").touch()
    assert Batches(home).names() == [f"{A}.2", f"{B}.10"]
    assert [Batches(home).number(batch) for batch in (A, B, C)] == [2, 10, 0]
