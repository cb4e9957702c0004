"""What holds for any events and any rate card, however the events arrive."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.stages import identities
from hourtally.store import slice_files
from tests.support.events.event_files import arrangements, as_cloud_event
from tests.support.events.random_events import (
    HOUR,
    Json,
    event_sets,
    fresh_events,
    variants,
    voids_of,
)
from tests.support.examples import examples
from tests.support.homes.small_home import (
    Built,
    build,
    built,
    fresh_home,
    ingest,
    many_small_builds,
    stale,
)
from tests.support.oracle.events import VOID, affected_hours
from tests.support.oracle.hour import OracleHour, oracle
from tests.support.ratecard.random_cards import rate_cards

PRICES = {
    "paas": ("cpu", "memory", "storage", "gpu"),
    "byoc": ("vcpu", "memory", "gpu_memory", "cluster"),
}
HOURS = {
    "paas": ("cpu", "memory", "storage", "gpu_on_demand", "gpu_spot"),
    "byoc": ("vcpu", "memory", "gpu_memory", "cluster"),
}


def figures(kind: str) -> list[str]:
    """The columns of prices and quantities."""
    prices = [f"{name}_nanocents" for name in ("total", *PRICES[kind])]
    return prices + [f"{name}_nanohours" for name in HOURS[kind]]


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def identity_of(event: Json) -> tuple[str, str]:
    return event["source"], event["id"]


def hours_of(events: Sequence[Json]) -> set[int]:
    """The hours that any of these events and voids touches."""
    return {hour for event in events for hour in affected_hours(as_cloud_event(event))}


def summed(table: pl.DataFrame, keys: Sequence[str], names: Sequence[str]) -> list[Any]:
    """Columns of a table summed by keys in Python's integers, in the order of the keys' bytes."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in table.iter_rows(named=True):
        prices = [row[name] for name in names]
        so_far = sums.setdefault(tuple(row[key] for key in keys), [0] * len(names))
        so_far[:] = [a + b for a, b in zip(so_far, prices, strict=True)]
    return sorted(sums.items())


def assert_parents_are_sums(hour: Built) -> None:
    """Every figure at every level is the sum of those below it, and each total of its parts."""
    paas, byoc = figures("paas"), figures("byoc")
    keys = ["customer_id", "team_id", "project_id", "resource_type"]
    levels = ("charges", "types", "projects", "teams")
    for depth, (child, parent) in enumerate(itertools.pairwise(levels)):
        key = keys[: len(keys) - depth]
        assert summed(hour.tables[parent], key, paas) == summed(hour.tables[child], key, paas)
    customers = hour.tables["customers"].filter(~pl.col("held"))
    for below, kind, names in (("teams", "paas", paas), ("clusters", "byoc", byoc)):
        own = [f"{kind}_{name}" for name in names]
        zero = [((c,), [0] * len(names)) for c in customers["customer_id"]]
        sums = dict(zero) | dict(summed(hour.tables[below], ["customer_id"], names))
        assert dict(summed(customers, ["customer_id"], own)) == sums
        totals = hour.manifest["totals"][kind]
        columns = list(zip(*sums.values(), [0] * len(names), strict=True))
        prices = [sum(column) for column in columns[: len(totals)]]
        assert list(totals.values()) == prices
    for name, table in hour.tables.items():
        for kind, prefix in (("paas", ""), ("byoc", ""), ("paas", "paas_"), ("byoc", "byoc_")):
            parts = [f"{prefix}{part}_nanocents" for part in PRICES[kind]]
            if set(parts) <= set(table.columns):
                table = table.filter(pl.col(parts[0]).is_not_null())
                assert table[f"{prefix}total_nanocents"].to_list() == [
                    sum(row) for row in table.select(parts).iter_rows()
                ], name


def rows_of(table: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The rows, decimals as the integers that they are."""
    return [
        tuple(int(v) if isinstance(v, Decimal) else v for v in row) for row in table.iter_rows()
    ]


def expected_rows(hour: OracleHour, kind: str) -> list[tuple[Any, ...]]:
    """The rows of charges (`paas`) or clusters (`byoc`), sorted by key in UTF-8 byte order."""
    level, charges = ("resource", hour.charges) if kind == "paas" else ("cluster", hour.clusters)
    rows = []
    for key in sorted(charges, key=lambda ids: [id_.encode() for id_ in ids]):
        prices = charges[key].values()
        name = hour.names.get((level, *key), key[-1])
        hours = hour.hours[key].values()
        rows.append((*key, name, sum(prices), *prices, *hours, *hour.usage[key].values()))
    return rows


def assert_is_what_the_oracle_says(hour: Built, files: list[list[Json]], rates: str) -> None:
    """Documents, charges, usage, totals, conflicts and duplicates of an hour that was built."""
    expected = oracle(files, rates, HOUR)
    assert list(hour.documents.items()) == list(expected.documents.items())
    assert list(hour.usage_documents.items()) == list(expected.usage_documents.items())
    assert rows_of(hour.tables["charges"]) == expected_rows(expected, "paas")
    assert rows_of(hour.tables["clusters"]) == expected_rows(expected, "byoc")
    assert hour.manifest["totals"] == expected.totals
    assert hour.manifest["duplicates"] == expected.duplicates
    assert_held_are(hour, expected)
    conflicts = hour.manifest["conflicts"]
    assert conflicts["count"] == len(expected.conflicts)
    listed = [(one["event_source"], one["event_id"]) for one in conflicts["listed"]]
    assert sorted(listed) == expected.conflicts
    assert conflicts["slices_not_counted"] == expected.losers
    assert_voids_are(hour.manifest["voids"], expected)


def assert_voids_are(voids: Json, expected: OracleHour) -> None:
    """What the manifest says of voids, and an example wherever there is one to give."""
    numbers = {name: value for name, value in voids.items() if isinstance(value, int)}
    assert numbers == {
        "count": expected.voids,
        "slices_voided": expected.voided,
        "unmatched": expected.unmatched,
        "other_intervals": len(expected.strays),
    }
    assert (voids["unmatched_example"] is None) == (expected.unmatched == 0)
    other = voids["other_interval_example"]
    strays = [(other["voided_source"], other["voided_id"])] if other else []
    assert strays == expected.strays[:1]


def assert_held_are(hour: Built, expected: OracleHour) -> None:
    """Who is held has a row without figures, and the gaps say why."""
    customers = hour.tables["customers"]
    held = customers.filter("held")
    assert held["customer_id"].to_list() == expected.held
    assert held.select(pl.exclude("customer_id", "held")).null_count().sum_horizontal().item() == (
        len(held) * (len(customers.columns) - 2)
    )
    assert hour.manifest["held"]["customers"] == len(expected.held)
    rows = hour.tables["held"].rows() if "held" in hour.tables else []
    assert [row[:-1] for row in rows] == [gap.row for gap in expected.gaps]
    assert {row[-1] for row in rows} <= set(hour.manifest["inputs"]["batches"])


def assert_only_the_touched_changed(
    before: Built, after: Built, events: Sequence[Json], another: Json
) -> None:
    """Documents of other customers are the same bytes after another event as before."""
    data = another["data"]
    is_void = another["type"] == VOID
    identity = (data["voidedSource"], data["voidedId"]) if is_void else identity_of(another)
    # An event that contradicts others may take the place of theirs, and a void cancels them all.
    rivals = [event["data"] for event in events if identity_of(event) == identity]
    touched = {one.get("customerId") for one in [data, *rivals]}
    for customer in before.documents.keys() | after.documents.keys():
        if customer not in touched or HOUR not in hours_of([another]):
            assert after.documents.get(customer) == before.documents.get(customer)
            assert after.usage_documents.get(customer) == before.usage_documents.get(customer)


# An example costs 0.6 s of CPU, so one serves every property. The oracle knows nothing of order,
# format and threads, and uses files only to count duplicates, so its result holds for every
# permutation, repetition, grouping and format of the same events and voids, and for identities
# looked through in one partition or in many, and files read at once or not.
@examples(100, fast=15)
@given(st.data(), event_sets(), rate_cards() | rate_cards(gaps=True), st.sampled_from([1, 2]))
def test_an_hour_matches_the_oracle_and_one_more_event_changes_only_what_it_touches(
    folder: Path,
    patch: pytest.MonkeyPatch,
    data: st.DataObject,
    events: list[Json],
    rates: str,
    threads: int,
) -> None:
    patch.setattr(identities, "_MOST_HELD", data.draw(st.sampled_from([3, 1 << 24])))
    patch.setattr(slice_files, "_MANY_FILES", data.draw(st.sampled_from([1, 50])))
    home = fresh_home(folder)
    voids = data.draw(st.lists(voids_of(events), max_size=4))
    files = ingest(home, events + voids, data.draw(arrangements(len(events + voids))), threads)
    # An hour with nothing but voids is empty, not stale.
    assert build(home, rates, threads) == {HOUR} & hours_of(events)
    before = built(home)
    if HOUR in hours_of(events):
        assert_is_what_the_oracle_says(before, files, rates)
        assert_parents_are_sums(before)

    another = data.draw(
        fresh_events() | st.sampled_from(events).flatmap(variants) | voids_of(events)
    )
    # No file where it is one of the earlier ones once more, which changes nothing.
    late = ingest(home, [another], data.draw(arrangements(1)), threads)
    hours = hours_of([another]) if late else set()
    if another["type"] == VOID:
        # Of the hours only the middle one was ever built.
        hours &= {HOUR} & hours_of(events)
    assert stale(home, rates) == hours_of(events) - {HOUR} | hours
    assert build(home, rates, threads) == {HOUR} & hours
    after = built(home)
    if HOUR in hours:
        assert_is_what_the_oracle_says(after, [*files, *late], rates)
    else:
        assert after.manifest == before.manifest
    assert_only_the_touched_changed(before, after, events, another)
