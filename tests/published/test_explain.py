"""A published charge back to its events, as it is printed and as it is refused."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from hourtally.cli.app import call
from hourtally.published.explain import explain
from hourtally.published.explained_text import decimal_of
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from tests.support.events.one_resource import built_of, make_event
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import CARD, GOLDEN, golden_home, rewrite_table
from tests.support.homes.golden_hour import HOUR
from tests.support.homes.small_home import MIDDLE


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def said(
    capsys: pytest.CaptureFixture[str], home: Home, customer: str, resource: str, status: int = 0
) -> tuple[list[str], str]:
    arguments = ["explain", HOUR, "--customer", customer, "--resource", resource]
    assert call([*arguments, "--home", str(home.root)]) == status
    printed = capsys.readouterr()
    explained, _, _ = printed.out.partition("\nTo void an event")
    # The paths of event files are those of a folder of this run.
    return [re.sub(": /.*", ":", line) for line in explained.splitlines()], printed.err


def test_a_charge_is_led_back_to_slices_rates_and_its_rounding(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # The arithmetic stands beside A1 and A2 in golden_hour.
    lines, _ = said(capsys, home, "acme", "api")
    assert lines == [
        "acme, hour 2026-11-22T13 (UTC), revision 1; cents, USD",
        "",
        "service api, project shop, team web",
        "",
        "slice  source    id  from      until          ms  batch",
        "1      meter/eu  a1  13:00:00  13:15:00   900000  c53dc50c608315e6",
        "2      meter/eu  a2  13:15:00  13:45:00  1800000  8dde8ae08fb5ed2d, c53dc50c608315e6",
        "batch 8dde8ae08fb5ed2d:",
        "batch c53dc50c608315e6:",
        "",
        "cpu: paas.cpu, millicores × ms × price / divisor",
        "slice  from          ms  millicores  rate   price                divisor"
        "               exact cents",
        "1      13:00:00  900000        2000  cpu-1  1200 per vcpu-month"
        "  1000 × 720 × 3600000  5/6",
        "2      13:15:00  900000        2000  cpu-1  1200 per vcpu-month"
        "  1000 × 720 × 3600000  5/6",
        "2      13:30:00  900000        2000  cpu-2  1440 per vcpu-month  1000 × 720 × 3600000  1",
        "exact    8/3 = 2.666666666666666666666666… cents",
        "rounded  2.666666667 cents, to whole nanocents, half to even",
        "",
        "memory: paas.memory, MiB × ms × price / divisor",
        "slice  from           ms   MiB  rate    price             divisor             exact cents",
        "1      13:00:00   900000  2048  memory  0.5 per gib-hour  1024 × 1 × 3600000  1/4",
        "2      13:15:00  1800000  2048  memory  0.5 per gib-hour  1024 × 1 × 3600000  1/2",
        "exact    3/4 = 0.75 cents",
        "rounded  0.75 cents, to whole nanocents, half to even",
        "",
        "total 3.416666667 = cpu 2.666666667 + memory 0.75 + storage 0 + gpu 0",
        "= the published charge",
    ]


@pytest.mark.parametrize(
    ("customer", "resource", "total"),
    [
        # The gpu is 150 of a3 and 500/9 of a4, the cpu 8/3 of a4.
        (
            "acme",
            "run-1",
            "208.222222223 = cpu 2.666666667 + memory 0 + storage 0 + gpu 205.555555556",
        ),
        # Half a nanocent, to even.
        ("acme", "vol-1", "0 = cpu 0 + memory 0 + storage 0 + gpu 0"),
        ("acme", "vol-2", "0.000000002 = cpu 0 + memory 0 + storage 0.000000002 + gpu 0"),
        ("globex", "k1", "17.2 = vcpu 4 + memory 3.2 + gpuMemory 5 + cluster 5"),
        (
            "globex",
            "k2",
            "0.000002778 = vcpu 0 + memory 0 + gpuMemory 0 + cluster 0.000002778",
        ),
        ("globex", "dns", "0 = cpu 0 + memory 0 + storage 0 + gpu 0"),
    ],
)
def test_every_charge_of_the_golden_hour_ends_as_published(
    home: Home,
    capsys: pytest.CaptureFixture[str],
    customer: str,
    resource: str,
    total: str,
) -> None:
    lines, _ = said(capsys, home, customer, resource)
    assert lines[-2:] == [f"total {total}", "= the published charge"]


def test_the_loser_of_a_conflict_is_named_with_what_counts_instead(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = said(capsys, home, "globex", "api")
    [left_out] = [line for line in lines if line.startswith("not counted")]
    assert left_out.startswith(
        "not counted: meter/eu c1 from 2026-11-22T13:00:00Z until 2026-11-22T14:00:00Z in batch"
        " c53dc50c608315e6 ("
    )
    assert left_out.endswith(
        "it conflicts with the same event of 2026-11-22T13:01:00Z for api, which counts"
    )


def test_a_conflict_that_another_resource_wins_leaves_the_loser_nothing_of_it(
    tmp_path: Path,
) -> None:
    first = make_event(1, time=1_000, resourceId="winner")
    later = make_event(1, time=2_000, resourceId="loser")
    own = make_event(2, resourceId="loser") | {"data": later["data"] | {"memoryMiB": 7}}
    built = built_of(tmp_path, [later, own], [first])
    home = Home(next(path.parent for path in tmp_path.rglob("hours")))
    manifest = current_manifest(home, MIDDLE)
    assert manifest is not None
    [explained] = explain(home, manifest, "customer 01", "loser")
    assert [one.row["event_id"] for one in explained.slices.counted] == ["identity 2"]
    assert [one.winner["resource_id"] for one in explained.slices.conflict_losers] == ["winner"]
    published = built.tables["charges"].filter(pl.col("resource_id") == "loser")
    assert explained.total == published["total_nanocents"].item()


def test_an_id_of_several_resources_is_explained_for_each(tmp_path: Path) -> None:
    events = [
        make_event(1, projectId="p1"),
        make_event(1, projectId="p2") | {"id": "another"},
        make_event(1, resourceType="service") | {"id": "third"},
    ]
    built_of(tmp_path, events)
    home = Home(next(path.parent for path in tmp_path.rglob("hours")))
    manifest = current_manifest(home, MIDDLE)
    assert manifest is not None
    explained = explain(home, manifest, "customer 01", "r1")
    keys = [(one.charge["project_id"], one.charge["resource_type"]) for one in explained]
    assert keys == [("p1", "job"), ("p1", "service"), ("p2", "job")]


def test_it_explains_after_the_card_has_changed(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.rates.write_text('currency = "EUR"\n')
    lines, _ = said(capsys, home, "acme", "api")
    assert lines[-1] == "= the published charge"


def test_a_charge_that_does_not_follow_is_an_error(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite_table(home, "charges", lambda rows: rows.with_columns(pl.col("^.*_nanocents$") + 1))
    lines, error = said(capsys, home, "acme", "api", status=1)
    assert lines == []
    # 2.666666667 and 0.75 cents, and the same with a nanocent more of each component and total.
    assert "[3416666668, 2666666668, 750000001, 1, 1] nanocents" in error
    assert "its slices and rates give [3416666667, 2666666667, 750000000, 0, 0]" in error


@pytest.mark.parametrize("what", ["slices", "rates", "charges"])
def test_a_damaged_byte_is_an_error_that_names_the_file(
    home: Home, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    manifest = current_manifest(home, GOLDEN)
    assert manifest is not None
    path = {
        "slices": home.slices(GOLDEN, "c53dc50c608315e6"),
        "rates": home.rates_snapshot(CARD.digest(GOLDEN)),
        "charges": manifest.folder / "charges.parquet",
    }[what]
    flip_byte(path, path.stat().st_size // 2)
    lines, error = said(capsys, home, "acme", "api", status=1)
    assert lines == []
    assert error.startswith(f"hourtally: {path}: damaged: ")


def test_lost_rates_come_back_with_the_next_build_of_the_hour(home: Home) -> None:
    path = home.rates_snapshot(CARD.digest(GOLDEN))
    written = path.read_bytes()
    flip_byte(path, 0)
    command = ["backfill", "--from", HOUR, "--to", "2026-11-22T14", "--force"]
    assert call([*command, "--home", str(home.root), "--now", "2026-11-23T00:00:00Z"]) == 0
    assert path.read_bytes() == written


def test_what_is_not_there_is_said(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for customer, resource in (("acme", "k1"), ("nobody", "api"), ("acme", "\udc80")):
        lines, error = said(capsys, home, customer, resource, status=1)
        assert lines == []
        assert "has no charge for a resource or cluster" in error


def test_an_exact_value_is_whole_or_shows_that_it_goes_on() -> None:
    assert decimal_of(Fraction(0)) == "0"
    assert decimal_of(Fraction(12)) == "12"
    assert decimal_of(Fraction(1, 8)) == "0.125"
    assert decimal_of(Fraction(2, 3)) == "0.666666666666666666666666…"
    # 24 decimals are shown, and this has 25.
    assert decimal_of(Fraction(1, 10**25)) == "0.000000000000000000000000…"


def test_rates_are_kept_once_for_hours_that_share_them(home: Home) -> None:
    [kept] = (home.root / "rates").iterdir()
    lines = kept.read_text().splitlines()
    assert json.loads(lines[0]) == "USD"
    # cpu-1 ends where cpu-2 begins, half an hour into the hour; in order of ids.
    assert [json.loads(line)[0] for line in lines[1:4]] == [
        "byoc-cluster",
        "byoc-gpu-memory",
        "byoc-memory",
    ]
    [first] = [json.loads(line) for line in lines[1:] if json.loads(line)[0] == "cpu-1"]
    assert first == ["cpu-1", "paas.cpu", "1200", "vcpu-month", 720, [None] * 4, 0, 1_800_000]
