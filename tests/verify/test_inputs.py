"""What `verify` makes of slices and rates that are not those of the build."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from hourtally.ratecard import parse_rate_card
from hourtally.store.durable import describe_file
from hourtally.store.layout import Home
from hourtally.verify import verify_hours
from tests.stages.test_deduplication import CONFLICTS
from tests.support.events.event_files import Arrangement
from tests.support.events.one_resource import RATES as STATEMENT_RATES
from tests.support.events.one_resource import statement
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


def test_slices_that_are_none_are_named_though_their_record_fits(home: Home) -> None:
    path, record = slices_of(home, "a1")
    path.write_bytes(b"no Parquet")
    set_in(record, "hours", HOUR, value={"rows": 6, **describe_file(path)})

    [difference] = found(home)
    assert difference.startswith(f"events/hour={HOUR}/{path.name}: its rows: expected Parquet")


def test_a_slice_that_leaves_its_hour_is_not_believed(home: Home) -> None:
    rewrite_slices(home, "a1", lambda rows: rows.with_columns(pl.col("slice_end_ms") + 1))

    [difference] = found(home)
    assert difference.startswith("000001.json: slices that break a rule of events")


def test_a_slice_slipped_in_twice_is_a_duplicate_and_changes_no_charge(home: Home) -> None:
    rewrite_slices(home, "a1", lambda rows: pl.concat([rows, rows.filter(event_id="a1")]))

    # The duplicate there was before is a2 in both files.
    assert found(home) == ["000001.json: duplicates: expected 2, got 1"]


def test_usage_that_was_published_without_a_rate_is_found(home: Home) -> None:
    head, _, tail = RATES.partition('id = "gpu-h100"')
    card = parse_rate_card(f'{head}id = "gpu-h100"{tail.replace("h100", "h200", 1)}', "rates.toml")
    set_in(manifest_of(home), "inputs", "rates", value=card.digest(GOLDEN))

    first, *_ = [one for one in verify(home, card).named if one.expected == "a rate in force"]
    # job run-1 uses it from 13:40 on, in the stretch that begins with cpu-2's start.
    assert first.what == (
        "usage of paas.gpu from 2026-11-22T13:30:00Z on by resource_type 'job', region None, "
        "gpu_model 'h100'"
    )


CHANGED = parse_rate_card(RATES.replace('"1440"', '"1441"'), "rates.toml")


def test_where_the_rates_have_changed_only_digests_are_checked(home: Home) -> None:
    findings = verify(home, CHANGED)

    assert findings.checksums_only == [(HOUR, "rates changed")]
    assert (findings.differences, findings.hours, findings.documents) == (0, 1, 0)


def test_where_the_rates_have_changed_damage_is_found_all_the_same(home: Home) -> None:
    redigit_everywhere(home)

    [difference] = verify(home, CHANGED).named
    assert difference.what.startswith("the SHA-256 of the document at byte 32, ")


def test_what_another_build_version_published_is_not_derived_anew(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hourtally.verify.runner.BUILD_VERSION", 0)

    assert verify(home).checksums_only == [(HOUR, "build version")]


def test_an_hour_of_nothing_verifies(tmp_path: Path) -> None:
    home = Home(tmp_path)
    build_golden(home)
    findings = verify(home)

    assert findings.named == []
    assert (findings.hours, findings.documents, findings.charges) == (1, 0, 0)


def test_conflicts_are_decided_as_by_a_build(tmp_path: Path) -> None:
    home = Home(tmp_path)
    others = [statement(n, **o) for n, case in enumerate(CONFLICTS) for o in case.others]
    counting = [statement(n, **case.counts) for n, case in enumerate(CONFLICTS)]
    for events in (others, counting):
        together = tuple(range(len(events)))
        ingest(home, events, Arrangement(files=(together,), formats=("ndjson",), seed=0))
    build(home, STATEMENT_RATES)
    card = parse_rate_card(STATEMENT_RATES, "rates.toml")

    findings = verify_hours(home, card, [MIDDLE], SETTINGS)
    assert findings.named == []
    # What counts of each conflict is of a customer of its own.
    assert findings.documents == len(CONFLICTS)
