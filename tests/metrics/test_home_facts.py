"""The numbers of a home for Prometheus, each worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hourtally.metrics import HomeFacts, RunFacts, gather, text_of_home
from hourtally.ratecard import load_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home
from tests.support.command_line import hourtally
from tests.support.homes.eventful_home import FIRST_HOUR, NOW, NOW_MS, SECOND_HOUR, eventful_home

RUN = RunFacts(NOW_MS, 1.5, 3)


def samples(text: str) -> dict[str, float]:
    """Each sample by its name and labels, such as `hourtally_hours{state=held}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return eventful_home(tmp_path_factory.mktemp("metrics"))


def facts_of(home: Home) -> HomeFacts:
    return gather(home, load_rate_card(home.rates), NOW_MS, DEFAULT_SETTLE_MS)


def test_every_number_of_the_eventful_home(home: Home) -> None:
    found = samples(text_of_home(facts_of(home), RUN).decode())

    expected = {
        "hourtally_hours{state=current}": 1,
        "hourtally_hours{state=held}": 1,
        # 15 to 19; 20 has begun.
        "hourtally_hours{state=empty}": 5,
        "hourtally_hours{state=stale}": 0,
        "hourtally_newest_published_hour_start_timestamp_seconds": SECOND_HOUR.timestamp,
        # From 15:00 to 20:30.
        "hourtally_newest_published_hour_age_seconds": 5.5 * 3_600,
        "hourtally_held_hours": 1,
        "hourtally_held_customers": 1,
        # Both hours have two revisions.
        "hourtally_restatements": 2,
        # Four of the first file, four of the second; the third is withdrawn.
        "hourtally_events_accepted": 8,
        "hourtally_events_duplicate": 0,
        "hourtally_quarantined_lines{rule=not_json}": 1,
        "hourtally_quarantined_lines{rule=bad_type}": 0,
        # a1 in both hours.
        "hourtally_conflicts": 2,
        "hourtally_slices_voided": 1,
        "hourtally_batches{status=ingested}": 2,
        "hourtally_batches{status=withdrawn}": 1,
        "hourtally_damaged_records": 0,
        "hourtally_run_end_timestamp_seconds": NOW_MS / 1_000,
        "hourtally_run_duration_seconds": 1.5,
        "hourtally_run_exit_status": 3,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["hourtally_published_bytes"] > 10_000


def test_damaged_records_are_counted_and_hide_nothing_else(tmp_path: Path) -> None:
    home = eventful_home(tmp_path)
    home.manifest(FIRST_HOUR, 2).write_bytes(b"{}")
    next(home.batches.glob("*.json")).write_bytes(b"{}")

    found = samples(text_of_home(facts_of(home), RUN).decode())

    assert found["hourtally_damaged_records"] == 2
    assert found["hourtally_hours{state=stale}"] >= 1


def test_a_home_without_anything_has_no_newest_hour(tmp_path: Path) -> None:
    found = samples(text_of_home(gather(Home(tmp_path), None, NOW_MS, 0), RUN).decode())

    assert found["hourtally_hours{state=current}"] == 0
    assert not any("newest" in name for name in found)


def test_run_writes_its_metrics_whatever_it_ended_with(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "hourtally.prom"

    done = hourtally("run", "--home", home.root, "--now", NOW, "--metrics", file)

    # initech is still held.
    assert done.returncode == 1
    found = samples(file.read_text())
    assert found["hourtally_run_exit_status"] == 1
    assert found["hourtally_held_customers"] == 1
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_run_that_an_error_ends_writes_its_exit_status_too(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "hourtally.prom"
    home.mkdir()
    (home / "rates.toml").write_text("currency = 5")
    done = hourtally("run", "--home", home, "--metrics", file)
    assert done.returncode == 1
    assert "rates.toml" in done.stderr
    assert "hourtally_run_exit_status 1.0\n" in file.read_text()


def test_run_refuses_a_metrics_file_without_a_folder_before_it_does_anything(
    tmp_path: Path,
) -> None:
    done = hourtally("run", "--home", tmp_path, "--metrics", tmp_path / "none" / "file")

    assert done.returncode == 2
    assert "give a file in a folder that exists" in done.stderr
    assert list(tmp_path.iterdir()) == []
