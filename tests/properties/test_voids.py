"""What holds for any events and any voids of them, however and whenever they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events.event_files import Arrangement, arrangements, as_cloud_event
from tests.support.events.one_resource import RATES
from tests.support.events.random_events import HOUR, Json, event_sets, voids_of
from tests.support.examples import examples
from tests.support.homes.small_home import (
    Built,
    build,
    built,
    fresh_home,
    ingest,
    many_small_builds,
)
from tests.support.oracle.events import affected_hours


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voids")


def published(hour: Built) -> tuple[object, ...]:
    """What must not depend on arrival; how often slices are repeated, in which files, may."""
    voids = {k: v for k, v in hour.manifest.get("voids", {}).items() if k != "slices_voided"}
    conflicts = hour.manifest.get("conflicts")
    totals = hour.manifest.get("totals")
    return list(hour.documents.items()), totals, conflicts, voids


@examples(100, fast=15)
@given(st.data(), event_sets())
def test_order_and_files_of_arrival_change_no_byte(
    folder: Path, data: st.DataObject, events: list[Json]
) -> None:
    voids = data.draw(st.lists(voids_of(events), min_size=1, max_size=4))
    everything = events + voids
    together = fresh_home(folder)
    ingest(together, everything, data.draw(arrangements(len(everything))))
    build(together, RATES)

    one_by_one = fresh_home(folder)
    apart = data.draw(arrangements(len(everything)))
    for members, form in zip(apart.files, apart.formats, strict=True):
        ingest(one_by_one, everything, Arrangement((members,), (form,), apart.seed))
        build(one_by_one, RATES)

    assert published(built(one_by_one)) == published(built(together))
    touched = any(HOUR in affected_hours(as_cloud_event(event)) for event in events)
    assert bool(built(together).manifest) == touched
