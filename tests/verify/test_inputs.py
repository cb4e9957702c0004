"""`verify` with slices and rates other than those of the build."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from hourtally.ratecard import parse_rate_card, write_rates_snapshot
from hourtally.store.durable import describe_file
from hourtally.store.layout import Home
from hourtally.verify import verify_hours
from tests.stages.test_deduplication import CONFLICTS
from tests.support.events.event_files import Arrangement
from tests.support.events.one_resource import RATES as STATEMENT_RATES
from tests.support.events.one_resource import make_event
from tests.support.homes.damaged_home import (
    GOLDEN,
    SETTINGS,
    build_golden,
    found,
    golden_home,
    manifest_of,
    redigit_everywhere,
    rewrite_slices,
    set_in,
    slices_of,
    verify,
)
from tests.support.homes.golden_hour import HOUR, RATES
from tests.support.homes.small_home import MIDDLE, build, ingest


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def test_unreadable_slices_are_found_even_if_their_record_matches(home: Home) -> None:
    path, record = slices_of(home, "a1")
    path.write_bytes(b"no Parquet")
    set_in(record, "hours", HOUR, value={"rows": 6, **describe_file(path)})

    [difference] = found(home)
    assert difference.startswith(f"events/hour={HOUR}/{path.name}: not readable as Parquet: ")


def test_a_slice_beyond_its_hour_is_a_violation(home: Home) -> None:
    rewrite_slices(home, "a1", lambda rows: rows.with_columns(pl.col("slice_end_ms") + 1))

    # All six slices of the file are moved.
    assert found(home) == [
        "000001.json: slices that break a rule of events or lie outside the hour: expected 0, got 6"
    ]


def test_a_repeated_slice_is_a_duplicate_and_changes_no_charge(home: Home) -> None:
    rewrite_slices(home, "a1", lambda rows: pl.concat([rows, rows.filter(event_id="a1")]))

    # The other duplicate is a2, which is in both files.
    assert found(home) == ["000001.json: duplicates: expected 2, got 1"]


def test_usage_published_without_a_rate_is_found(home: Home) -> None:
    head, _, tail = RATES.partition('id = "gpu-h100"')
    card = parse_rate_card(f'{head}id = "gpu-h100"{tail.replace("h100", "h200", 1)}', "rates.toml")
    write_rates_snapshot(home, card, GOLDEN, home.root)
    set_in(manifest_of(home), "inputs", "rates", value=card.digest(GOLDEN))

    problems = [one.problem for one in verify(home).listed]
    # Job run-1 of acme uses a GPU that no rate is for, so acme should be held and is not.
    assert problems[0].startswith("selection: expected")
    assert "paas_gpu_nanocents of acme: expected none, got 205555555556" in problems


def test_a_price_published_by_other_rates_than_those_kept_is_found(home: Home) -> None:
    changed = parse_rate_card(RATES.replace('"1440"', '"1441"'), "rates.toml")
    write_rates_snapshot(home, changed, GOLDEN, home.root)
    set_in(manifest_of(home), "inputs", "rates", value=changed.digest(GOLDEN))

    problems = [one.problem for one in verify(home).listed]
    assert any(problem.startswith("cpu_nanocents of acme/web/shop/") for problem in problems)


def test_hours_of_an_unknown_build_version_are_not_recomputed(home: Home) -> None:
    set_in(manifest_of(home), "inputs", "build", value=4)

    assert verify(home).checksums_only == [(HOUR, "build version")]


def test_if_an_hour_is_not_recomputed_damage_is_still_found(home: Home) -> None:
    set_in(manifest_of(home), "inputs", "build", value=4)
    redigit_everywhere(home)

    [difference] = verify(home).listed
    assert difference.problem.startswith("SHA-256 of the document of acme ")


def test_an_hour_without_events_verifies(tmp_path: Path) -> None:
    home = Home(tmp_path)
    build_golden(home)
    findings = verify(home)

    assert findings.listed == []
    assert (findings.hours, findings.documents, findings.charges) == (1, 0, 0)


def test_conflicts_are_resolved_as_builds_do(tmp_path: Path) -> None:
    home = Home(tmp_path)
    others = [make_event(n, **o) for n, case in enumerate(CONFLICTS) for o in case.others]
    counting = [make_event(n, **case.counts) for n, case in enumerate(CONFLICTS)]
    for events in (others, counting):
        one_file = tuple(range(len(events)))
        ingest(home, events, Arrangement(files=(one_file,), formats=("ndjson",), seed=0))
    build(home, STATEMENT_RATES)

    findings = verify_hours(home, [MIDDLE], SETTINGS)
    assert findings.listed == []
    # The winner of each conflict has a customer of its own.
    assert findings.documents == len(CONFLICTS)
