"""Hours that are built together come out as each would by itself, and so does what is wrong."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.build import grouping
from hourtally.build.builder import Builder
from hourtally.build.staleness import StaleHour, stale_hours
from hourtally.jobs.sample import NOW_MS as SAMPLE_NOW_MS
from hourtally.jobs.sample import write_sample
from hourtally.model.hours import Hour
from hourtally.ratecard import load_rate_card, parse_rate_card
from hourtally.runtime.interrupts import Stop
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.command_line import NOW, hourtally
from tests.support.events.event_files import arrangements
from tests.support.events.random_events import NOW_MS, Json, event_sets
from tests.support.examples import examples
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.small_home import fresh_home, ingest, many_small_builds
from tests.support.ratecard.random_cards import rate_cards

SAMPLE = ("--from", "2026-11-02T09", "--to", "2026-11-02T12", "--now", NOW)
# Times and nonces.
_VARIES = re.compile(rb'"(?:build_ms|folder|digest)": [^,\n]+')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with many_small_builds():
        yield tmp_path_factory.mktemp("groups")


def outcome(home: Home, rates: str, hours_together: int) -> dict[str, bytes]:
    """All hours built anew, so many at a time: their files without what varies, and the errors."""
    card = parse_rate_card(rates, "rates.toml")
    shutil.rmtree(home.hours, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "MAX_GROUP_HOURS", hours_together)
        stale = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)
        report = Builder(home, card, NOW_MS, Settings(threads=1)).build(stale)
    assert len(report.failed) + len(report.built) == len(stale)
    found = {hour: str(error).encode() for hour, error in report.failed}
    for path in home.hours.rglob("*"):
        if path.is_file():
            name = re.sub("(?<=rev-000001)-[0-9a-f]+", "", str(path.relative_to(home.hours)))
            found[name] = _VARIES.sub(b"", path.read_bytes())
    return found


@examples(40, fast=10)
@given(st.data(), event_sets(), rate_cards())
def test_hours_come_out_together_as_each_by_itself(
    folder: Path, data: st.DataObject, events: list[Json], rates: str
) -> None:
    home = fresh_home(folder)
    ingest(home, events, data.draw(arrangements(len(events))))
    assert outcome(home, rates, hours_together=24) == outcome(home, rates, hours_together=1)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A home with the sample ingested: 2026-11-02 from 09 to 11."""
    write_sample(tmp_path)
    hourtally("ingest", tmp_path / "inbox", "--home", tmp_path, "--now", NOW)
    return tmp_path


def built(home: Path) -> list[str]:
    return sorted(path.parent.name for path in home.glob("hours/*/000001.json"))


def test_damage_of_one_hour_is_told_of_it_and_the_others_are_built(sample: Path) -> None:
    damaged = next(iter((sample / "events/hour=2026-11-02T10").iterdir()))
    flip_byte(damaged, damaged.stat().st_size // 2)
    done = hourtally("backfill", "--home", sample, *SAMPLE)
    assert done.returncode == 1
    assert done.stderr.count("damaged") == 1
    assert f"{damaged}: damaged: its SHA-256" in done.stderr
    assert built(sample) == ["2026-11-02T09", "2026-11-02T11"]
    assert not list(sample.glob("hours/2026-11-02T10/*"))


def test_a_fault_of_the_storage_is_that_of_its_hour_and_hours_before_it_are_published(
    sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (sample / "hours").mkdir()
    (sample / "hours/2026-11-02T10").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    done = hourtally("backfill", "--home", sample, *SAMPLE)
    assert done.returncode == 1
    assert f"{sample}/hours/2026-11-02T10: a symbolic link is where" in done.stderr
    assert built(sample) == ["2026-11-02T09"]
    assert not list(sample.glob("hours/2026-11-02T11/*"))


def test_a_group_ends_before_it_has_too_many_hours_or_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    stale = [StaleHour(Hour(number * 3_600), ("never built",)) for number in range(9)]
    # The last ones have no slices, as hours do that are built by force.
    for one, size in zip(stale, (5, 3, 2, 11, 1, 9, 1), strict=False):
        home.slices(one.hour, "a").parent.mkdir(parents=True)
        home.slices(one.hour, "a").write_bytes(b" " * (size - 1))
        home.slices(one.hour, "b").write_bytes(b" ")
    monkeypatch.setattr(grouping, "_MOST_BYTES", 10)
    monkeypatch.setattr(grouping, "MAX_GROUP_HOURS", 3)

    groups = list(grouping.group_hours(home, stale))

    # 5 + 3 + 2 bytes; 11, which is more than a group may have, by itself; 1 + 9; 1 and nothing.
    assert [len(group) for group in groups] == [3, 1, 2, 3]
    assert [one for group in groups for one in group] == stale


class _AbandonedAtLook(Stop):
    """Abandons what is in hand when it looks for the n-th time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def check(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.abort()
        super().check()


def test_hours_that_are_abandoned_between_two_stages_leave_nothing_behind(sample: Path) -> None:
    home = Home(sample)
    card = load_rate_card(home.rates)
    builder = Builder(home, card, SAMPLE_NOW_MS, Settings())
    stale = stale_hours(home, card, SAMPLE_NOW_MS, DEFAULT_SETTLE_MS)
    assert len(stale) == 3
    for looks in itertools.count(1):
        stop = _AbandonedAtLook(looks)
        report = builder.build(stale, stop=stop)
        if not stop.is_set():
            break
        assert (report.built, report.failed, report.undone) == ([], [], 3)
        assert list(home.hours.glob("*/rev-*")) == []

    # After hashing, before DuckDB's work, after metering and rolling up, and before each block of
    # documents, of which every hour has one.
    assert looks == 4 + 3 + 1
    assert len(report.built) == len(list(home.hours.glob("*/*.json"))) == 3
