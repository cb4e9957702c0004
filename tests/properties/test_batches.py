"""However often batches are withdrawn and ingested again, only those that count matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.ingest.files import ingest_paths
from hourtally.ingest.withdrawal import withdraw
from hourtally.settings import Settings
from hourtally.store.batches import Batches, parse_record_name
from hourtally.store.layout import Home
from tests.support.events.event_files import arrangements, write_files
from tests.support.events.random_events import HOUR, NOW_MS, Json, event_sets
from tests.support.examples import examples
from tests.support.homes.small_home import (
    MIDDLE,
    Built,
    build,
    built,
    fresh_home,
    many_small_builds,
    stale,
)
from tests.support.ratecard.random_cards import rate_cards

STEPS = ("ingest", "withdraw", "again", "build")


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("batches")


def take_step(home: Home, step: str, path: Path, counts: dict[Path, bool]) -> None:
    """Take a step and check what it says; `counts` has the files that have come, and if they count.

    The rules: withdrawing needs a batch; withdrawn bytes come back by --again alone.
    """
    if step == "withdraw":
        if path in counts:
            receipt = withdraw(home, str(path), "wrong", NOW_MS)
            assert receipt.already != counts[path]
            counts[path] = False
        return
    again = step == "again"
    before = Batches(home).names()
    report = ingest_paths(home, [path], NOW_MS, Settings(threads=1), again=again)
    refused = counts.get(path) is False and not again
    assert [bool(report.refused), bool(report.files)] == [refused, not refused]
    if counts.get(path) is not None and (counts[path] or refused):
        # Nothing comes out otherwise, and nothing is written.
        assert Batches(home).names() == before
    if not refused:
        counts[path] = True


def published(hour: Built) -> tuple[object, ...]:
    """What an hour publishes, with what its manifest says of it."""
    told = ("totals", "rows", "duplicates", "conflicts")
    tables = {name: table.rows() for name, table in hour.tables.items()}
    return hour.documents, tables, {name: hour.manifest.get(name) for name in told}


@examples(60, fast=6)
@given(st.data(), event_sets(), rate_cards())
def test_a_home_publishes_what_one_does_that_only_ever_had_the_batches_that_count(
    folder: Path, data: st.DataObject, events: list[Json], rates: str
) -> None:
    home, other = fresh_home(folder), fresh_home(folder)
    written = write_files(home.root / "files", events, data.draw(arrangements(len(events))))
    # Files of the same bytes are one batch.
    paths = list({path.read_bytes(): path for path in written}.values())
    steps = st.tuples(st.sampled_from(STEPS), st.sampled_from(paths))
    counts: dict[Path, bool] = {}
    for step, path in data.draw(st.lists(steps, max_size=12)):
        if step == "build":
            build(home, rates)
            assert HOUR not in stale(home, rates)
        else:
            take_step(home, step, path, counts)

    build(home, rates)

    ingest_paths(other, [path for path in paths if counts.get(path)], NOW_MS, Settings(threads=1))
    build(other, rates)
    mine, theirs = built(home), built(other)
    if theirs.manifest:
        assert published(mine) == published(theirs)
        inputs = [parse_record_name(name)[0] for name in mine.manifest["inputs"]["batches"]]
        assert inputs == theirs.manifest["inputs"]["batches"]
    else:
        # Nothing counts in the hour; it was published before if something once did.
        assert not mine.documents
    assert Batches(home).inputs(MIDDLE) == (
        mine.manifest["inputs"]["batches"] if mine.manifest else []
    )
