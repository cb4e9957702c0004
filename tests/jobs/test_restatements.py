"""What a restatement's summary and manifest say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.model.hours import format_instant, parse_instant_ms
from hourtally.store.layout import Home
from hourtally.store.manifests import read_manifest
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import GOLDEN, golden_home

RANGE = ("--from", "2026-11-22T13", "--to", "2026-11-22T14")
NOW = ("--now", "2026-11-22T18:00:00Z")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def backfill(home: Home, *arguments: str) -> int:
    return call(["backfill", "--home", str(home.root), *RANGE, *arguments])


def test_a_restatement_says_how_many_hours_changed_and_by_how_much(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert backfill(home, *NOW, "--force") == 0
    assert "\n1 hour restated, 0 of them changed, 0 cents.\n" in capsys.readouterr().out
    text = home.rates.read_text()
    home.rates.write_text(text.replace('"0.5"', '"0.6"'))
    assert backfill(home, *NOW) == 0
    before, after = (
        json.loads(home.manifest(GOLDEN, n).read_bytes())["totals"]["total"] for n in (2, 3)
    )
    assert after > before
    cents = f"{(after - before) / 10**9:.9f}".rstrip("0")
    assert f"\n1 hour restated, 1 of them changed, +{cents} cents.\n" in capsys.readouterr().out
    home.rates.write_text(text)
    assert backfill(home, *NOW) == 0
    assert f"\n1 hour restated, 1 of them changed, -{cents} cents.\n" in capsys.readouterr().out


def test_amounts_of_two_currencies_are_not_subtracted(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.rates.write_text(home.rates.read_text().replace('"USD"', '"EUR"'))
    assert backfill(home, *NOW) == 0
    assert (
        "1 hour restated, 0 of them changed, 0 cents without 1 hour of another currency."
        in capsys.readouterr().out
    )


def test_what_cannot_be_compared_counts_as_changed(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    [charges] = home.hour(GOLDEN).glob("rev-000001-*/charges.parquet")
    flip_byte(charges, 100)
    assert backfill(home, *NOW, "--force") == 0
    assert "1 hour restated, 1 of them changed, 0 cents." in capsys.readouterr().out
    assert "charges.parquet" in read_manifest(home, GOLDEN, 2).record["changes"]["unknown"]


def test_a_first_build_is_no_restatement(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    later = ("--from", "2026-11-22T14", "--to", "2026-11-22T15")
    assert call(["backfill", "--home", str(home.root), *later, *NOW]) == 0
    assert "of them changed" not in capsys.readouterr().out


def test_the_time_of_publication_is_that_of_the_commit_unless_now_is_given(home: Home) -> None:
    assert backfill(home, "--force") == 0
    manifest = home.manifest(GOLDEN, 2)
    record = json.loads(manifest.read_bytes())
    documents_ns = (manifest.parent / record["folder"] / "documents.ndjson").stat().st_mtime_ns
    published_ms = parse_instant_ms(record["published_at"])
    # File times are those of the last tick of the kernel, up to 10 ms ago.
    assert documents_ns // 1_000_000 <= published_ms <= manifest.stat().st_mtime_ns / 1e6 + 20
    assert backfill(home, "--force", *NOW) == 0
    published = json.loads(home.manifest(GOLDEN, 3).read_bytes())["published_at"]
    assert published == format_instant(parse_instant_ms(NOW[1]))


def test_the_hours_of_one_run_are_published_one_after_another(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(parse_instant_ms("2026-11-22T20:00:00Z"), 1 << 60, 1_000))
    monkeypatch.setattr("hourtally.build.publish.time.time_ns", lambda: next(clock) * 1_000_000)
    assert (
        call(
            [
                "backfill",
                "--home",
                str(home.root),
                "--from",
                "2026-11-22",
                "--to",
                "2026-11-23",
                "--settle",
                "0",
            ]
        )
        == 0
    )
    published = sorted(
        json.loads(path.read_bytes())["published_at"] for path in home.hours.glob("*/000001.json")
    )
    assert len(set(published)) == len(published) == 3


def test_the_reason_of_a_forced_backfill_is_in_the_manifests(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backfill(home, *NOW, "--force", "--reason", "disk swapped") == 0
    manifest = json.loads(home.manifest(GOLDEN, 2).read_bytes())
    assert (manifest["reasons"], manifest["reason"]) == (["forced"], "disk swapped")
    assert "reason" not in json.loads(home.manifest(GOLDEN, 1).read_bytes())
    capsys.readouterr()
    assert call(["diff", "2026-11-22T13", "--home", str(home.root)]) == 0
    assert "Reason given: disk swapped\n" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("--reason", "why"), ("--force", "--reason", " ")])
def test_a_reason_without_force_or_without_words_is_wrong_use(
    home: Home, arguments: tuple[str, ...]
) -> None:
    assert backfill(home, *NOW, *arguments) == 2
