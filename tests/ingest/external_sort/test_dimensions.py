from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ingest.external_sort.dimensions import DimensionTable, merge
from hourtally.ingest.slices.cutting import slices_of
from hourtally.model.schemas import DIMENSIONS, RESOURCE_ORDER, SLICE_ORDER, SLICES
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import HOUR, HOUR_START_MS, Json, event_sets
from tests.support.events.validated import validated_frame
from tests.support.ingest.encoded_slices import decoded, encoded, sorted_slices, unmerged

Rows = list[tuple[Any, ...]]


def cut(*events: Json) -> pl.DataFrame:
    """The events' slices, by the strict validator."""
    return slices_of(validated_frame(events))


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
def test_encoded_slices_have_each_content_once_in_the_order_of_a_slices_file(
    events: list[Json],
) -> None:
    slices = cut(*events, *events[::2])
    once, _ = encoded(slices)
    hours = once.dimensions["hour"][once.slices["dimension_id"]]
    found = decoded(once).insert_column(0, hours)

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
def test_each_row_of_dimensions_is_distinct_and_has_slices(events: list[Json]) -> None:
    found, _ = encoded(cut(*events))
    rows = found.dimensions.select("hour", *DIMENSIONS).rows()
    assert len(set(rows)) == len(rows)
    numbers = found.slices["dimension_id"].to_list()
    assert set(numbers) == set(range(len(rows)))


@given(event_sets(), st.randoms())
def test_the_order_of_the_input_makes_no_difference(events: list[Json], chance: Any) -> None:
    # Conflicts, too: the same identity, another memory.
    again = [{**event, "data": {**event["data"], "memoryMiB": 3}} for event in events[::3]]
    slices = cut(*events, *again)
    order = list(range(len(slices)))
    chance.shuffle(order)
    here, there = encoded(slices), encoded(slices[order])
    assert here[1] == there[1]
    assert here[0].dimensions.equals(there[0].dimensions)
    assert here[0].slices.equals(there[0].slices)


@given(event_sets(), st.integers(1, 5))
def test_merging_runs_gives_what_one_run_of_all_slices_gives(
    events: list[Json], parts: int
) -> None:
    slices = cut(*events, *events[1::2])
    whole, left_out = encoded(slices)
    encoded_parts = [encoded(slices.gather_every(parts, n)) for n in range(parts)]
    some = [part for part, _ in encoded_parts if len(part.slices)]
    together, then_left_out = merge(unmerged(some))
    assert sum(n for _, n in encoded_parts) + then_left_out == left_out
    assert decoded(together).equals(decoded(whole))
    assert together.dimensions.equals(whole.dimensions)


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
def test_slices_share_dimensions_only_if_all_their_texts_are_equal(
    said: list[tuple[Json, str]],
) -> None:
    events = [{**make_event(0, **names), "source": source} for names, source in said]
    slices = only_of_thirteen(*events)
    found, _ = encoded(slices)
    expected = set(slices.select(DIMENSIONS).rows())
    assert sorted(found.dimensions.select(DIMENSIONS).rows(), key=repr) == sorted(
        expected, key=repr
    )


@pytest.mark.parametrize("ids", [("a", "a "), ("a", "a!b"), ("A", "a"), ("\uff5e", "\U0001f600")])
def test_an_id_sorts_before_those_that_it_begins_and_by_its_bytes(ids: tuple[str, str]) -> None:
    # The field after it would have it the other way round.
    events = [
        make_event(0, customerId=ids[0], teamId="z"),
        {**make_event(0, customerId=ids[1], teamId="b"), "id": "another"},
    ]
    found, _ = sorted_slices(cut(*reversed(events)))
    assert found["customer_id"].to_list() == list(ids)


def test_hours_follow_each_other_from_1970_on() -> None:
    starts = (0, 7_200_000, 3_600_000 * 11)
    events = [
        {
            **make_event(n),
            "data": {
                **make_event(n)["data"],
                "start": ms,
                "end": ms + 1,
            },
        }
        for n, ms in enumerate(starts)
    ]
    found, _ = encoded(cut(*reversed(events)))
    assert found.dimensions["hour"].to_list() == [ms // 1_000 for ms in starts]
    assert found.slices["slice_start_ms"].to_list() == list(starts)


def test_equal_content_is_kept_once_with_its_earliest_time() -> None:
    kept, left_out = sorted_slices(
        only_of_thirteen(make_event(0, time=5), make_event(0), make_event(0, time=2), make_event(1))
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
    kept, left_out = sorted_slices(only_of_thirteen(make_event(0), make_event(0, **changed)))
    # An absent quantity is 0: the last of these is no other content.
    assert (len(kept), left_out) == ((1, 1) if changed == {"gpuMilli": 0} else (2, 0))


def test_contents_of_one_identity_lie_in_order_among_other_resources() -> None:
    between = make_event(1, customerId="b", resourceId="b")
    others = [make_event(0, customerId=name, cpuMillicores=n) for name in "ac" for n in (1, 2)]
    kept, left_out = sorted_slices(only_of_thirteen(*others, between))
    assert left_out == 0
    assert kept["customer_id"].to_list() == ["a", "a", "b", "c", "c"]


def test_a_duplicate_counts_in_its_first_hour_only() -> None:
    both = cut(make_event(0, end=90), make_event(0, end=90))
    left_out = {hour: sorted_slices(both.filter(hour=hour))[1] for hour in (HOUR, HOUR + 3_600)}
    assert left_out == {HOUR: 1, HOUR + 3_600: 0}
    assert sorted_slices(both)[1] == 1


def test_identities_that_only_share_a_digest_are_two() -> None:
    twins = only_of_thirteen(make_event(0), make_event(1)).with_columns(
        identity=pl.lit(7, dtype=pl.UInt64)
    )
    # Even where all else is equal.
    found, left_out = sorted_slices(twins.with_columns(customer_id=pl.lit("c")))
    assert left_out == 0
    assert sorted(found["event_id"]) == ["identity 0", "identity 1"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_slices_kept_and_duplicates_are_all_slices(numbers: list[int]) -> None:
    kept, left_out = sorted_slices(only_of_thirteen(*(make_event(n) for n in numbers)))
    assert len(kept) + left_out == len(numbers)
    assert kept["event_id"].n_unique() == len(kept) == len(set(numbers))


def same_for_all(rows: pl.DataFrame) -> pl.Series:
    return pl.Series([7] * len(rows), dtype=pl.UInt64)


@pytest.mark.parametrize("is_hash_shared", [False, True])
def test_dimensions_keep_their_id(monkeypatch: pytest.MonkeyPatch, *, is_hash_shared: bool) -> None:
    if is_hash_shared:
        monkeypatch.setattr(pl.DataFrame, "hash_rows", same_for_all)
    # In several chunks: finding a row must not depend on where it is.
    texts = only_of_thirteen(*(make_event(0, teamName=name) for name in NAMES))
    texts = texts.select("hour", *DIMENSIONS)
    rows = [3, 3, 0, 5, 3, 0, 8, 1, 1, 7, 5, 2, 6, 4]
    table = DimensionTable()
    ids: list[int] = []
    for at_once in (rows[:1], rows[1:5], [], rows[5:10], rows[10:], rows):
        pieces = [texts[:0], *(texts[row] for row in at_once)]
        ids.extend(table.ids_of(pl.concat(pieces, rechunk=False)))
    names = texts["team_name"].gather([*rows, *rows])
    assert names.equals(table.rows["team_name"].gather(ids))
    assert len(table) == len(NAMES)
    assert table.sorted_rows()["team_name"].to_list() == sorted(NAMES, key=str.encode)


@pytest.mark.parametrize("is_hash_shared", [False, True])
def test_a_sample_tells_what_share_of_dimensions_is_known(
    monkeypatch: pytest.MonkeyPatch, *, is_hash_shared: bool
) -> None:
    if is_hash_shared:
        monkeypatch.setattr(pl.DataFrame, "hash_rows", same_for_all)
    first, second = (cut(*(make_event(at + n) for n in range(320))) for at in (0, 320))
    table = DimensionTable()
    table.encode(first)
    both = pl.concat([first, first, second], rechunk=False)
    assert [table.share_known(one) for one in (first, second, both)] == [1, 0, 0.5]
    assert len(table) == 320


def test_dimensions_with_the_same_hash_are_different_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [make_event(n, teamName=name) for n, name in enumerate(NAMES)]
    slices = only_of_thirteen(*events, *events[::2])
    expected, left_out = encoded(slices)
    assert len(expected.dimensions) == len(NAMES)

    monkeypatch.setattr(pl.DataFrame, "hash_rows", same_for_all)
    found, then_left_out = encoded(slices)
    assert then_left_out == left_out
    assert found.dimensions.equals(expected.dimensions)
    assert found.slices.equals(expected.slices)
