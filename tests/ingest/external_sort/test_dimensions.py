from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.events.validation import check_line
from hourtally.ingest.external_sort.dimensions import LabelTable, merged
from hourtally.ingest.parsed import events_frame
from hourtally.ingest.slicing import slices_of
from hourtally.model.schemas import LABEL, RESOURCE_ORDER, SLICE_ORDER, SLICES
from tests.support.events.event_files import as_cloud_event
from tests.support.events.one_resource import statement
from tests.support.events.random_events import HOUR, HOUR_START_MS, NOW_MS, Json, event_sets
from tests.support.ingest.labelled_slices import in_order, labelled, parts_of, told

Rows = list[tuple[Any, ...]]


def cut(*events: Json) -> pl.DataFrame:
    """The events' slices, as the judge has them."""
    lines = (json.dumps(as_cloud_event(event)).encode() for event in events)
    return slices_of(events_frame(check_line(line, NOW_MS) for line in lines))


def only_of_thirteen(*events: Json) -> pl.DataFrame:
    return cut(*events).filter(hour=HOUR)


def contents(slices: pl.DataFrame) -> dict[tuple[Any, ...], int | None]:
    """Each slice without its event's time, and the earliest time of the equal ones, by hand."""
    times: dict[tuple[Any, ...], int | None] = {}
    for row in slices.select("hour", *SLICES).to_dicts():
        time = row.pop("event_time_us")
        known = times.get(content := tuple(row.values()))
        times[content] = min((t for t in (time, known) if t is not None), default=None)
    return times


@given(event_sets())
def test_labelled_slices_are_each_content_once_in_the_order_of_a_slices_file(
    events: list[Json],
) -> None:
    slices = cut(*events, *events[::2])
    portion, _ = labelled(slices)
    hours = portion.labels["hour"][portion.slices["label"]]
    found = told(portion).insert_column(0, hours)

    assert contents(found) == contents(slices)
    assert len(found) == len(contents(slices))

    def key(row: Json) -> list[object]:
        # UTF-8 bytes; null before every text.
        texts = [(row[column] or "").encode() for column in RESOURCE_ORDER]
        extent = [row["slice_start_ms"], row["slice_end_ms"], row["identity"]]
        return [row["hour"], *texts, *extent]

    assert [key(row) for row in found.to_dicts()] == sorted(key(row) for row in found.to_dicts())
    by = ("hour", *SLICE_ORDER)
    assert found.select(by).equals(found.sort(by).select(by))


@given(event_sets())
def test_a_label_is_there_once_and_has_slices(events: list[Json]) -> None:
    portion, _ = labelled(cut(*events))
    rows = portion.labels.select("hour", *LABEL).rows()
    assert len(set(rows)) == len(rows)
    numbers = portion.slices["label"].to_list()
    assert set(numbers) == set(range(len(rows)))


@given(event_sets(), st.randoms())
def test_the_order_that_slices_come_in_leaves_no_trace(events: list[Json], chance: Any) -> None:
    # Conflicts, too: the same identity, another memory.
    again = [{**event, "data": {**event["data"], "memoryMiB": 3}} for event in events[::3]]
    slices = cut(*events, *again)
    order = list(range(len(slices)))
    chance.shuffle(order)
    here, there = labelled(slices), labelled(slices[order])
    assert here[1] == there[1]
    assert here[0].labels.equals(there[0].labels)
    assert here[0].slices.equals(there[0].slices)


@given(event_sets(), st.integers(1, 5))
def test_merged_parts_are_what_they_would_be_together(events: list[Json], parts: int) -> None:
    slices = cut(*events, *events[1::2])
    whole, left_out = labelled(slices)
    labelled_parts = [labelled(slices.gather_every(parts, n)) for n in range(parts)]
    some = [part for part, _ in labelled_parts if len(part.slices)]
    together, then_left_out = merged(parts_of(some))
    assert sum(n for _, n in labelled_parts) + then_left_out == left_out
    assert told(together).equals(told(whole))
    assert together.labels.equals(whole.labels)


NAMES = ("", "a", "b", "a\0b", "\0", "1", "\0" + "1", "é", "x" * 1_024)
HOSTILE = st.fixed_dictionaries(
    {},
    optional={
        "teamName": st.sampled_from(NAMES),
        "projectName": st.sampled_from(NAMES),
        "resourceName": st.sampled_from(NAMES),
        "region": st.sampled_from((*NAMES, "y" * 2_048)),
        "gpuModel": st.sampled_from((*NAMES, "z" * 2_048)),
    },
)


@given(st.lists(st.tuples(HOSTILE, st.sampled_from(("//m", "//m\0", "\0", "0"))), min_size=1))
def test_labels_are_one_where_all_texts_are_equal_and_nowhere_else(
    said: list[tuple[Json, str]],
) -> None:
    events = [{**statement(0, **names), "source": source} for names, source in said]
    slices = only_of_thirteen(*events)
    portion, _ = labelled(slices)
    expected = set(slices.select(LABEL).rows())
    assert sorted(portion.labels.select(LABEL).rows(), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("ids", [("a", "a "), ("a", "a!b"), ("A", "a"), ("\uff5e", "\U0001f600")])
def test_an_id_sorts_before_those_that_it_begins_and_by_its_bytes(ids: tuple[str, str]) -> None:
    # The field after it would have it the other way round.
    events = [
        statement(0, customerId=ids[0], teamId="z"),
        {**statement(0, customerId=ids[1], teamId="b"), "id": "another"},
    ]
    found, _ = in_order(cut(*reversed(events)))
    assert found["customer_id"].to_list() == list(ids)


def test_hours_follow_each_other_also_before_1970() -> None:
    starts = (-7_200_000, 0, 3_600_000 * 11)
    events = [
        {
            **statement(n),
            "data": {
                **statement(n)["data"],
                "start": ms,
                "end": ms + 1,
            },
        }
        for n, ms in enumerate(starts)
    ]
    portion, _ = labelled(cut(*reversed(events)))
    assert portion.labels["hour"].to_list() == [ms // 1_000 for ms in starts]
    assert portion.slices["slice_start_ms"].to_list() == list(starts)


def test_equal_content_is_kept_once_with_its_earliest_time() -> None:
    kept, left_out = in_order(
        only_of_thirteen(statement(0, time=5), statement(0), statement(0, time=2), statement(1))
    )
    assert left_out == 2
    # HOUR_START_MS + 2 microseconds; the other identity has no time.
    assert sorted(kept.select("event_id", "event_time_us").rows()) == [
        ("identity 0", HOUR_START_MS * 1_000 + 2),
        ("identity 1", None),
    ]


@pytest.mark.parametrize(
    "changed", [{"end": 31}, {"teamName": "A"}, {"region": ""}, {"gpuMilli": 0}]
)
def test_other_content_of_one_identity_is_kept_beside_it(changed: Json) -> None:
    kept, left_out = in_order(only_of_thirteen(statement(0), statement(0, **changed)))
    # An absent quantity is 0: the last of these is no other content.
    assert (len(kept), left_out) == ((1, 1) if changed == {"gpuMilli": 0} else (2, 0))


def test_contents_of_one_identity_lie_in_order_among_other_resources() -> None:
    between = statement(1, customerId="b", resourceId="b")
    others = [statement(0, customerId=name, cpuMillicores=n) for name in "ac" for n in (1, 2)]
    kept, left_out = in_order(only_of_thirteen(*others, between))
    assert left_out == 0
    assert kept["customer_id"].to_list() == ["a", "a", "b", "c", "c"]


def test_a_duplicate_counts_in_its_first_hour_only() -> None:
    both = cut(statement(0, end=90), statement(0, end=90))
    left_out = {hour: in_order(both.filter(hour=hour))[1] for hour in (HOUR, HOUR + 3_600)}
    assert left_out == {HOUR: 1, HOUR + 3_600: 0}
    assert in_order(both)[1] == 1


def test_identities_that_only_share_a_digest_are_two() -> None:
    twins = only_of_thirteen(statement(0), statement(1)).with_columns(
        identity=pl.lit(7, dtype=pl.UInt64)
    )
    # Even where all else is equal.
    found, left_out = in_order(twins.with_columns(customer_id=pl.lit("c")))
    assert left_out == 0
    assert sorted(found["event_id"]) == ["identity 0", "identity 1"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_what_is_kept_and_what_is_left_out_are_all_there_was(numbers: list[int]) -> None:
    kept, left_out = in_order(only_of_thirteen(*(statement(n) for n in numbers)))
    assert len(kept) + left_out == len(numbers)
    assert kept["event_id"].n_unique() == len(kept) == len(set(numbers))


def same_for_all(rows: pl.DataFrame) -> pl.Series:
    return pl.Series([7] * len(rows), dtype=pl.UInt64)


@pytest.mark.parametrize("is_hash_shared", [False, True])
def test_a_label_keeps_its_number(monkeypatch: pytest.MonkeyPatch, *, is_hash_shared: bool) -> None:
    if is_hash_shared:
        monkeypatch.setattr(pl.DataFrame, "hash_rows", same_for_all)
    # In several pieces: what a label is found by must not depend on where its row lies.
    texts = only_of_thirteen(*(statement(0, teamName=name) for name in NAMES))
    texts = texts.select("hour", *LABEL)
    rows = [3, 3, 0, 5, 3, 0, 8, 1, 1, 7, 5, 2, 6, 4]
    table = LabelTable()
    numbers: list[int] = []
    for at_once in (rows[:1], rows[1:5], [], rows[5:10], rows[10:], rows):
        pieces = [texts[:0], *(texts[row] for row in at_once)]
        numbers.extend(table.numbers(pl.concat(pieces, rechunk=False)))
    names = texts["team_name"].gather([*rows, *rows])
    assert names.equals(table.labels["team_name"].gather(numbers))
    assert len(table) == len(NAMES)
    assert table.labels_in_order()["team_name"].to_list() == sorted(NAMES, key=str.encode)


@pytest.mark.parametrize("is_hash_shared", [False, True])
def test_what_share_of_labels_is_known_is_told_by_a_sample(
    monkeypatch: pytest.MonkeyPatch, *, is_hash_shared: bool
) -> None:
    if is_hash_shared:
        monkeypatch.setattr(pl.DataFrame, "hash_rows", same_for_all)
    first, second = (cut(*(statement(at + n) for n in range(320))) for at in (0, 320))
    table = LabelTable()
    table.numbered(first)
    both = pl.concat([first, first, second], rechunk=False)
    assert [table.share_found(one) for one in (first, second, both)] == [1, 0, 0.5]
    assert len(table) == 320


def test_labels_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [statement(n, teamName=name) for n, name in enumerate(NAMES)]
    slices = only_of_thirteen(*events, *events[::2])
    expected, left_out = labelled(slices)
    assert len(expected.labels) == len(NAMES)

    monkeypatch.setattr(pl.DataFrame, "hash_rows", same_for_all)
    found, then_left_out = labelled(slices)
    assert then_left_out == left_out
    assert found.labels.equals(expected.labels)
    assert found.slices.equals(expected.slices)
