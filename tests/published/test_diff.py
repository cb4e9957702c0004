"""What a restatement changed, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hourtally.cli.app import call
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import GOLDEN, golden_home
from tests.support.homes.golden_hour import ACME_WEB, HOUR, RATES

NOW = "2026-11-23T00:00:00Z"
# 1 GiB for an hour at 0.5 a GiB-hour.
LATE: list[dict[str, Any]] = [
    {
        "id": "late",
        "data": {
            **ACME_WEB,
            "resourceId": "new",
            "resourceName": "N\u001bew",
            "resourceType": "job",
            "memoryMiB": 1024,
            "start": "2026-11-22T13:00:00Z",
            "end": "2026-11-22T14:00:00Z",
        },
    },
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def run(home: Home, *arguments: str) -> int:
    return call([*arguments, "--home", str(home.root), "--now", NOW])


def restate(home: Home, events: list[dict[str, Any]], *options: str) -> None:
    if events:
        head = {"specversion": "1.0", "source": "meter/eu", "type": "metering.resource.v1"}
        late = home.root / "late.ndjson"
        late.write_text("".join(json.dumps({**head, **event}) + "\n" for event in events))
        assert run(home, "ingest", str(late)) == 0
    assert run(home, "backfill", "--from", HOUR, "--to", "2026-11-22T14", *options) == 0


def test_an_hour_that_was_never_restated_says_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "diff", HOUR) == 0
    assert capsys.readouterr().out == (
        "hour 2026-11-22T13 (UTC) was never restated: it has revision 1 only.\n"
    )


def test_a_late_file_is_shown_at_every_level_with_its_batch(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    restate(home, LATE)
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("why: batch added: ")
    assert lines[1].endswith("late.ndjson")
    # acme had 3.416666667 + 208.222222223 + 0.000000002, of which team web 3.416666669;
    # globex 3.5, and 17.200002778 for clusters.
    assert lines[2] == "total 232.33889167 → 232.83889167, +0.5"
    assert (
        lines[3:]
        == [
            "",
            "customers: 1 changed",
            "          before          after  delta  changed",
            "acme  211.638888892  212.138888892   +0.5  paas memory",
            "",
            "teams: 1 changed",
            "                     before        after  delta  changed",
            "acme/web (Web)  3.416666669  3.916666669   +0.5  memory",
            "",
            "projects: 1 changed",
            "                           before        after  delta  changed",
            "acme/web/shop (Shop)  3.416666669  3.916666669   +0.5  memory",
            "",
            "types: 1 changed",
            "                   before  after  delta  changed",
            "acme/web/shop/job    none    0.5   +0.5  new",
            "",
            "resources: 1 changed",
            "                                      before  after  delta  changed",
            "acme/web/shop/job/new (N\\u{1b}ew)    none    0.5   +0.5  new",
        ]
        or lines[3:]
    )
    manifest = current_manifest(home, GOLDEN)
    assert manifest is not None
    changes = manifest.record["changes"]
    assert changes["total"] == {"before": 232_338_891_670, "after": 232_838_891_670}
    levels = ("customers", "teams", "projects", "types", "resources", "clusters")
    assert [changes[level] for level in levels] == [1, 1, 1, 1, 1, 0]
    assert changes["largest"] == [
        {"customer": "acme", "before": 211_638_888_892, "after": 212_138_888_892}
    ]


def test_a_new_price_is_named_by_its_rate(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    # A GiB-hour of memory at 0.7 and no longer 0.5: acme's 1.5 GiB-hours 0.3 more, globex's 0.2.
    home.rates.write_text(RATES.replace('price_cents = "0.5"', 'price_cents = "0.7"'))
    restate(home, [])
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:8] == [
        "why: rate changed: memory, 0.5 per gib-hour → 0.7 per gib-hour",
        "total 232.33889167 → 232.83889167, +0.5",
        "",
        "customers: 2 changed",
        "               before          after  delta  changed",
        "acme    211.638888892  211.938888892   +0.3  paas memory",
        "globex   20.700002778   20.900002778   +0.2  paas memory",
    ]


def test_rates_that_come_and_go_are_named(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.rates.write_text(RATES.replace('id = "memory"', 'id = "memory-2"'))
    # No usage is priced otherwise, so the hour is not stale.
    restate(home, [], "--force")
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "why: rate removed: memory, 0.5 per gib-hour",
        "why: rate added: memory-2, 0.5 per gib-hour",
        "total 232.33889167 → 232.33889167, 0",
        "No differences in charges, names or usage.",
    ]


def test_of_a_rate_whose_price_stays_it_is_said_what_does_not(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    # A rate lasts until the next one of its meter begins.
    assert "2026-11-22T13:30:00Z" in RATES
    home.rates.write_text(RATES.replace("2026-11-22T13:30:00Z", "2026-11-22T13:45:00Z"))
    restate(home, [])
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "why: rate changed: cpu-1, active_until",
        "why: rate changed: cpu-2, active_from",
    ]


def test_a_build_by_request_changes_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "backfill", "--from", HOUR, "--to", "2026-11-22T14", "--force") == 0
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "why: forced rebuild (--force) of the same inputs",
        "total 232.33889167 → 232.33889167, 0",
        "No differences in charges, names or usage.",
    ]


def test_a_file_added_and_withdrawn_in_between_is_not_called_a_forced_build(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    restate(home, LATE)
    assert run(home, "withdraw", str(home.root / "late.ndjson"), "--reason", "test") == 0
    restate(home, [])
    capsys.readouterr()
    for pair in (("1", "3"), ("3", "1")):
        assert run(home, "diff", HOUR, *pair) == 0
        assert capsys.readouterr().out.splitlines()[1:] == [
            "why: both revisions have the same inputs: any change in between was undone",
            "total 232.33889167 → 232.33889167, 0",
            "No differences in charges, names or usage.",
        ]


def test_a_revision_beside_itself_has_no_changes_and_no_cause(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert call(["diff", HOUR, "1", "1", "--home", str(home.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].endswith(", 0")
    assert lines[2] == "No differences in charges, names or usage."


def test_a_batch_that_is_taken_out_takes_its_rows_along(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    restate(home, LATE)
    manifest = current_manifest(home, GOLDEN)
    assert manifest is not None
    [late] = manifest.record["changes"]["batches_added"]
    home.batch_record(late).unlink()
    restate(home, [])
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"why: batch removed: {late} (batch record missing)"
    assert lines[-1].split() == [
        "acme/web/shop/job/new",
        "(N\\u{1b}ew)",
        "0.5",
        "none",
        "-0.5",
        "gone",
    ]
    # The first and the third say the same.
    assert run(home, "diff", HOUR, "1", "3") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("No differences")


def test_a_name_alone_is_a_change(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    data = {**LATE[0]["data"], "memoryMiB": 0, "resourceId": "api", "resourceType": "service"}
    restate(home, [{"id": "renamed", "data": data | {"resourceName": "door", "teamName": "Web"}}])
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "total 232.33889167 → 232.33889167, 0",
        "",
        "resources: 1 changed",
        "                                       before        after  delta  changed",
        "acme/web/shop/service/api (door)  3.416666667  3.416666667      0  name",
    ]


def test_a_damaged_revision_is_named_and_its_restatement_goes_on(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    first = current_manifest(home, GOLDEN)
    assert first is not None
    teams = first.folder / "teams.parquet"
    flip_byte(teams, 10)
    restate(home, LATE)
    second = current_manifest(home, GOLDEN)
    assert second is not None
    assert second.record["changes"]["unknown"].startswith(f"{teams}: damaged: ")
    capsys.readouterr()
    assert run(home, "diff", HOUR) == 1
    assert f"hourtally: {teams}: damaged: " in capsys.readouterr().err


def test_what_cannot_be_compared_is_said(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "diff", HOUR, "1") == 2
    assert "give two revisions" in capsys.readouterr().err
    assert run(home, "diff", HOUR, "1", "2") == 1
    assert "has no revision 2; its revisions: 1" in capsys.readouterr().err
    assert run(home, "diff", "2026-11-22T14") == 1
    assert "is not published" in capsys.readouterr().err
