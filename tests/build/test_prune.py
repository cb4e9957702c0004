"""Prune: what is removed, what stays, and that no reader is misled."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hourtally.build import prune as prune_module
from hourtally.build.builder import Builder
from hourtally.build.prune import prune
from hourtally.build.staleness import FORCED, StaleHour
from hourtally.cli.app import call
from hourtally.errors import Pruned
from hourtally.model.hours import DAY_MS, parse_instant_ms
from hourtally.published.reader import find_document, read_document
from hourtally.published.views import Filters
from hourtally.ratecard import load_rate_card
from hourtally.server.requests import ListRequest, ViewRequest
from hourtally.server.usage import PublishedUsage
from hourtally.settings import Settings
from hourtally.store import durable, manifests
from hourtally.store.layout import Home
from hourtally.store.locking import locked_folder
from hourtally.store.manifests import read_manifest, revisions_of
from tests.support.command_line import everything
from tests.support.handwritten_revisions import flip_byte
from tests.support.homes.damaged_home import GOLDEN, golden_home

NOW = "2026-11-22T18:00:00Z"
NOW_MS = parse_instant_ms(NOW)
CUSTOMER = "acme"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def restate(home: Home) -> None:
    builder = Builder(home, load_rate_card(home.rates), NOW_MS, Settings(threads=1), force=True)
    assert builder.build([StaleHour(GOLDEN, (FORCED,))]).failed == []


def restated(home: Home, times: int) -> Home:
    for _ in range(times):
        restate(home)
    return home


def folders_of(home: Home) -> list[str]:
    return sorted(path.name[:10] for path in home.hour(GOLDEN).glob("rev-*"))


def tool(*arguments: str | Path) -> int:
    return call([str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("keep", "left"), [(1, [4]), (2, [3, 4]), (3, [2, 3, 4]), (4, [1, 2, 3, 4]), (9, [1, 2, 3, 4])]
)
def test_the_newest_revisions_stay_and_all_manifests(
    home: Home, keep: int, left: list[int]
) -> None:
    restated(home, 3)
    report = prune(home, keep, None, NOW_MS)
    assert folders_of(home) == [f"rev-{number:06d}" for number in left]
    assert [one.revision for one in report.revisions] == sorted({1, 2, 3, 4} - set(left))
    assert revisions_of(home, GOLDEN) == [1, 2, 3, 4]
    assert prune(home, keep, None, NOW_MS).revisions == []
    assert tool("verify", "--home", home.root) == 0


def test_only_hours_before_the_bound_are_pruned(home: Home) -> None:
    restate(home)
    args = ("prune", "--keep", "1", "--home", home.root, "--now", NOW, "--before")
    assert tool(*args, "2026-11-22T13") == 0
    assert len(folders_of(home)) == 2
    assert tool(*args, "2026-11-22T14:00:00Z") == 0
    assert len(folders_of(home)) == 1


@pytest.mark.parametrize("keep", ["0", "-1"])
def test_the_current_revision_cannot_be_pruned(home: Home, keep: str) -> None:
    assert tool("prune", "--keep", keep, "--home", home.root) == 2
    assert len(folders_of(home)) == 1


def test_a_dry_run_removes_nothing_and_says_the_same(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    restated(home, 2)
    old_file(home.events / "hour=2026-11-22T13" / "0123456789abcdef.parquet")
    before = everything(home.root)
    args = ("prune", "--keep", "1", "--home", home.root, "--now", NOW)
    capsys.readouterr()
    assert tool(*args, "--dry-run") == 0
    planned = capsys.readouterr().out
    assert everything(home.root) == before
    assert tool(*args) == 0
    assert capsys.readouterr().out == planned.replace("would be removed", "removed")
    assert planned.startswith("2026-11-22T13: revisions 1, 2\n")
    assert "2 superseded revisions of 1 hour and 1 leftovers would be removed: " in planned


def test_json_has_the_same_facts(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    restate(home)
    junk = old_file(home.root / "quarantine" / "0123456789abcdef.ndjson", b"12345")
    capsys.readouterr()
    assert tool("prune", "--keep", "1", "--home", home.root, "--now", NOW, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    [revision] = document["revisions"]
    assert (revision["hour"], revision["revision"]) == ("2026-11-22T13", 1)
    assert document["leftovers"] == [{"path": str(junk), "bytes": 5}]
    assert document["bytes"] == revision["bytes"] + 5
    assert (document["dry_run"], document["errors"]) == (False, [])


def test_what_asks_for_a_pruned_revision_is_told_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    restated(home, 2)
    prune(home, 1, None, NOW_MS)
    capsys.readouterr()
    assert tool("diff", "2026-11-22T13", "1", "3", "--home", home.root) == 1
    assert capsys.readouterr().err == (
        "hourtally: revision 1 of hour 2026-11-22T13 was pruned at 2026-11-22T18:00:00Z: its "
        "manifest is kept, its files are removed\n"
    )
    # The revision before the newest is pruned too.
    assert tool("diff", "2026-11-22T13", "--home", home.root) == 1
    assert "revision 2 of hour 2026-11-22T13 was pruned" in capsys.readouterr().err
    assert tool("verify", "--home", home.root) == 0
    assert "2 superseded revisions pruned: only manifests are left." in capsys.readouterr().out
    manifest = read_manifest(home, GOLDEN, 1)
    with pytest.raises(Pruned):
        read_document(manifest, CUSTOMER)


def test_a_file_that_is_missing_without_a_mark_is_damage(home: Home) -> None:
    restate(home)
    shutil.rmtree(read_manifest(home, GOLDEN, 1).folder)
    assert tool("verify", "--home", home.root) == 1
    assert tool("diff", "2026-11-22T13", "--home", home.root) == 1


def test_the_older_revisions_of_a_damaged_hour_stay(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    restate(home)
    (read_manifest(home, GOLDEN, 2).folder / "teams.parquet").unlink()
    assert tool("prune", "--keep", "1", "--home", home.root, "--now", NOW) == 1
    assert "teams.parquet: damaged: it is not as its manifest says" in capsys.readouterr().err
    assert len(folders_of(home)) == 2
    flip_byte(home.manifest(GOLDEN, 2), 10)
    assert tool("prune", "--keep", "1", "--home", home.root, "--now", NOW) == 1
    assert len(folders_of(home)) == 2


def old_file(path: Path, content: bytes = b"left", age_ms: int = DAY_MS + 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    age(path, age_ms)
    return path


def age(path: Path, age_ms: int = DAY_MS + 1) -> None:
    """Make a file, or everything in a folder, this old."""
    written_ns = (NOW_MS - age_ms) * 1_000_000
    for one in [path, *path.rglob("*")]:
        os.utime(one, ns=(written_ns, written_ns))


LEFTOVERS = (
    "events/hour=2026-11-22T13/0123456789abcdef.parquet",
    "events/hour=2026-11-22T13/0123456789abcdef.2.parquet",
    "events/hour=2026-11-22T13/0123456789abcdef.voids.parquet",
    "events/hour=2026-11-22T13/junk",
    "events/junk.parquet",
    "quarantine/0123456789abcdef.ndjson",
    "quarantine/junk.txt",
    f"cases/{'0' * 64}.parquet",
    f"rates/{'0' * 64}.txt",
    "hours/2026-11-22T13/rev-000009-0123456789abcdef/charges.parquet",
    "hours/2026-11-22T13/.000009.json.0123456789abcdef.tmp",
    "hours/junk",
    ".staging/0123456789abcdef/naming",
    ".staging/.x.tmp",
    ".spill-0123456789abcdef/duckdb.tmp",
)


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_no_record_names_is_removed_once_it_is_over_a_day_old(home: Home, name: str) -> None:
    path = old_file(home.root / name)
    top = path.parent if path.parent.name.startswith(("rev-", ".spill")) else path
    top = path.parent if path.name == "naming" else top
    age(top, DAY_MS)
    assert prune(home, 1, None, NOW_MS).leftovers == []
    assert path.exists()
    age(top)
    assert [gone for gone, _ in prune(home, 1, None, NOW_MS).leftovers] == [top]
    assert not top.exists()
    assert tool("verify", "--home", home.root) == 0


def test_everything_that_a_record_names_and_everything_elsewhere_stays(home: Home) -> None:
    for name in ("inbox/a.ndjson", "notes.txt", ".inbox/0.json", ".prefect/x.db", "batches/x.txt"):
        old_file(home.root / name)
    bad = home.root / "bad.ndjson"
    bad.write_text("no event\n")
    assert tool("ingest", bad, "--home", home.root) == 3
    restate(home)
    age(home.root)
    before = everything(home.root)
    report = prune(home, 2, None, NOW_MS)
    assert (report.revisions, report.leftovers) == ([], [])
    assert everything(home.root) == before


def test_a_pruned_manifest_still_names_its_rates(home: Home) -> None:
    text = home.rates.read_text()
    home.rates.write_text(text.replace('"0.5"', '"0.6"'))
    restate(home)
    snapshots = {path.name for path in home.rates_snapshots.iterdir()}
    assert len(snapshots) == 2
    age(home.root)
    prune(home, 1, None, NOW_MS)
    assert {path.name for path in home.rates_snapshots.iterdir()} == snapshots


@pytest.mark.parametrize("what", ["batch record", "manifest"])
def test_where_a_record_is_damaged_all_that_it_might_name_stays(home: Home, what: str) -> None:
    record = next(iter(home.batches.glob("*.json")))
    path = record if what == "batch record" else home.manifest(GOLDEN, 1)
    flip_byte(path, 10)
    junk = old_file(home.hour(GOLDEN) / "rev-000009-00" / "x")
    rates = old_file(home.rates_snapshots / f"{'0' * 64}.txt")
    age(home.root)
    prune(home, 1, None, NOW_MS)
    assert list(home.events.glob(f"*/{record.stem}.parquet"))
    assert junk.exists() == (what == "manifest")
    assert rates.exists() == (what == "manifest")


def test_a_link_is_neither_followed_nor_removed(home: Home, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    old_file(target / "file")
    for folder in (home.events, home.hours, home.staging("x").parent):
        folder.mkdir(exist_ok=True)
        (folder / "link").symlink_to(target)
        (folder / "file").symlink_to(target / "file")
    assert prune(home, 1, None, NOW_MS).leftovers == []
    assert (target / "file").exists()
    assert (home.events / "file").is_symlink()


def test_the_scratch_of_a_batch_that_is_being_ingested_stays(home: Home) -> None:
    staging = home.staging("0123456789abcdef")
    old_file(staging / "naming")
    slices = old_file(home.events / "hour=2026-11-22T13" / "0123456789abcdef.parquet")
    age(staging)
    with locked_folder(staging):
        assert prune(home, 1, None, NOW_MS).leftovers == []
    assert len(prune(home, 1, None, NOW_MS).leftovers) == 2
    assert not slices.exists()
    assert not staging.exists()


def test_an_hour_that_is_being_built_keeps_its_unfinished_folder(home: Home) -> None:
    unfinished = old_file(home.hour(GOLDEN) / "rev-000002-00" / "x").parent
    age(unfinished)
    with locked_folder(home.hour(GOLDEN)):
        assert prune(home, 1, None, NOW_MS).leftovers == []
    assert len(prune(home, 1, None, NOW_MS).leftovers) == 1


class Killed(Exception):
    """Ends a prune as SIGKILL would."""


@pytest.mark.parametrize("step", ["mark_pruned", "remove_folder"])
def test_a_prune_that_is_killed_is_completed_by_the_same_command(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    restated(home, 2)
    target: Any = prune_module if step == "mark_pruned" else durable
    real = getattr(target, step)

    def die(*arguments: Any) -> None:
        if step == "mark_pruned":
            real(*arguments)
        else:
            # Half of the files are gone.
            for path in sorted(arguments[0].iterdir())[::2]:
                path.unlink()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(target, step, die)
        with pytest.raises(Killed):
            prune(home, 1, None, NOW_MS)
    assert tool("verify", "--home", home.root) == 0
    assert tool("diff", "2026-11-22T13", "1", "3", "--home", home.root) == (
        # Nothing is gone yet, or what is gone is known to be pruned.
        0 if step == "mark_pruned" else 1
    )
    assert len(prune(home, 1, None, NOW_MS).revisions) == 2
    assert folders_of(home) == ["rev-000003"]
    assert tool("verify", "--home", home.root) == 0


Reader = Callable[[Home], object]


def export_to(home: Home, *arguments: str) -> None:
    folder = home.root.parent / "exported"
    assert tool("export", folder, "--home", home.root, *arguments) == 0
    assert list(folder.glob(f"*/{GOLDEN.timestamp}.json"))


READERS: dict[str, Reader] = {
    "document": lambda home: find_document(home, GOLDEN, CUSTOMER, now_ms=NOW_MS, settle_ms=0),
    "show": lambda home: tool("show", "2026-11-22T13", "--customer", CUSTOMER, "--home", home.root),
    "list": lambda home: tool("list", "--customer", CUSTOMER, "--home", home.root),
    "verify": lambda home: tool("verify", "--home", home.root),
    "diff": lambda home: tool("diff", "2026-11-22T13", "--home", home.root),
    "export": export_to,
    "export of a customer": lambda home: export_to(home, "--customer", CUSTOMER),
    "server view": lambda home: PublishedUsage(home).view(
        CUSTOMER, ViewRequest(GOLDEN.timestamp, Filters(None, None, None))
    ),
    "server list": lambda home: PublishedUsage(home).list(
        CUSTOMER, ListRequest(Filters(None, None, None), None, None, None, 50)
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_that_meets_a_pruned_revision_looks_again(
    home: Home, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restate(home)
    real = manifests.read_manifest
    # `diff` compares with the revision before, which has to be there the second time.
    keep = 2 if name == "diff" else 1
    rounds = [3]

    def race(home: Home, hour: Any, revision: int) -> Any:
        """Restate and prune after a manifest has been read, and before its files are."""
        manifest = real(home, hour, revision)
        if hour == GOLDEN and rounds and rounds[0]:
            left = rounds.pop()
            for _ in range(keep):
                restate(home)
            prune(home, keep, None, NOW_MS)
            rounds.append(left - 1)
        return manifest

    monkeypatch.setattr(manifests, "read_manifest", race)
    for module in ("hourtally.verify.checksums",):
        monkeypatch.setattr(f"{module}.read_manifest", race)
    result = READERS[name](home)
    assert rounds == [0]
    assert result in (0, None) or not isinstance(result, int)
