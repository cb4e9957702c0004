"""A batch is taken back and ingested again: its numbered records, its hours, its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hourtally.build import pipeline
from hourtally.cli.app import call
from hourtally.ingest import batch as batch_module
from hourtally.ingest.files import ingest_paths
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.ingest.withdrawal import withdraw
from hourtally.store import durable, records
from hourtally.store.batches import Batches, record_name
from hourtally.store.layout import Home
from tests.support.command_line import NOW
from tests.torture.faults.two_hours import (
    FIRST,
    HOURS,
    NOW_MS,
    SETTINGS,
    add_late_file,
    documents_by_customer,
    fresh_home,
    write_events,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Both files ingested and both hours built; each file has a line in quarantine."""
    home = fresh_home(tmp_path / "home")
    add_late_file(home)
    assert command("run", home) == 3
    return home


@pytest.fixture
def late(home: Home) -> Path:
    return home.inbox / "late.ndjson"


def command(name: str, home: Home, *arguments: str | Path) -> int:
    times = () if name == "verify" else ("--now", NOW)
    return call([name, *map(str, arguments), "--home", str(home.root), *times])


def batch_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def record(home: Home, name: str) -> dict[str, Any]:
    return durable.read_sealed_json(home.batch_record(name))


def files_of(home: Home) -> dict[str, bytes]:
    folders = ("batches", "events", "quarantine", "hours")
    paths = (path for folder in folders for path in (home.root / folder).rglob("*"))
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def published(home: Home) -> list[dict[str, bytes] | None]:
    return [documents_by_customer(home, hour) for hour in HOURS]


def reasons(home: Home) -> list[list[str]]:
    """The reasons of each hour's newest revision."""
    manifests = [sorted(home.hour(hour).glob("*.json"))[-1] for hour in HOURS]
    return [durable.read_sealed_json(path)["reasons"] for path in manifests]


def without(tmp_path: Path, name: str) -> list[dict[str, bytes] | None]:
    """What a home publishes that never had this file."""
    other = fresh_home(tmp_path / "other")
    add_late_file(other)
    (other.inbox / name).unlink()
    assert command("run", other) == 3
    return published(other)


@pytest.mark.parametrize("by", ["file", "batch", "copy"])
def test_hours_are_built_without_a_withdrawn_batch_as_if_it_had_never_come(
    home: Home, late: Path, tmp_path: Path, by: str
) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes(late.read_bytes())
    target = {"file": str(late), "batch": batch_of(late), "copy": str(copy)}[by]

    assert command("withdraw", home, target, "--reason", "wrong cluster") == 0

    name = f"{batch_of(late)}.2"
    assert {key: record(home, name)[key] for key in ("number", "status", "reason", "hours")} == {
        "number": 2,
        "status": "withdrawn",
        "reason": "wrong cluster",
        "hours": {},
    }
    assert command("run", home) == 0
    assert reasons(home) == [["batch withdrawn"]] * 2
    assert published(home) == without(tmp_path, "late.ndjson")
    assert command("verify", home) == 0


def test_nothing_is_deleted_and_the_batch_can_be_ingested_again(home: Home, late: Path) -> None:
    batch = batch_of(late)
    before, answers = files_of(home), published(home)
    command("withdraw", home, batch, "--reason", "wrong cluster")
    command("run", home)

    assert command("ingest", home, late, "--again") == 3
    assert command("run", home) == 0

    assert reasons(home) == [["batch ingested again"]] * 2
    assert published(home) == answers
    assert before.items() <= files_of(home).items()
    assert (record(home, f"{batch}.3")["number"], record(home, f"{batch}.3")["status"]) == (
        3,
        "ingested",
    )
    assert home.quarantine(f"{batch}.3").read_bytes() == home.quarantine(batch).read_bytes()
    assert f"{batch}.3" in Batches(home).inputs(HOURS[0])
    assert command("verify", home) == 0


def test_withdrawing_twice_writes_nothing(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("withdraw", home, late, "--reason", "wrong cluster")
    before = files_of(home)
    capsys.readouterr()

    assert command("withdraw", home, late, "--reason", "another") == 0

    assert files_of(home) == before
    assert f"withdrawn at {NOW} already (wrong cluster)" in capsys.readouterr().out


def test_ingesting_withdrawn_bytes_is_refused_and_the_other_files_go_on(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("withdraw", home, late, "--reason", "wrong cluster")
    write_events(home.inbox / "new.ndjson", FIRST[:1])
    capsys.readouterr()

    assert command("ingest", home, home.inbox) == 1

    out, err = capsys.readouterr()
    assert f"{late}: rejected, none of its events count" in err
    assert f"was withdrawn at {NOW} (wrong cluster)" in err
    assert "`hourtally ingest --again`" in err
    assert "new.ndjson" in out
    assert Batches(home).number(batch_of(home.inbox / "new.ndjson")) == 1


def test_run_passes_withdrawn_files_over_and_says_so(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = batch_of(late)
    command("withdraw", home, batch, "--reason", "wrong cluster")
    assert command("run", home) == 0
    # Read again, and at a name at which it never was.
    late.rename(late.with_name("renamed.ndjson"))
    for _ in range(2):
        capsys.readouterr()
        assert command("run", home) == 0
        line = f"Withdrawn: 1 inbox file: {home.inbox}/renamed.ndjson (batch {batch})."
        assert line in capsys.readouterr().out


@pytest.mark.parametrize("again", [(), ("--again",)])
def test_a_file_skipped_is_named_as_it_is_named_now_and_its_quarantine_is_told(
    home: Home,
    late: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    again: tuple[str, ...],
) -> None:
    copy = tmp_path / "copy.ndjson"
    copy.write_bytes(late.read_bytes())
    before = files_of(home)
    capsys.readouterr()

    assert command("ingest", home, copy, *again) == 3

    out = capsys.readouterr().out
    assert str(copy) in out
    assert "late.ndjson" not in out
    assert f"see quarantine/{batch_of(late)}.ndjson" in out
    # Judged anew it comes out equal, also where it has another name.
    assert files_of(home) == before


def test_a_file_without_quarantine_is_skipped_with_exit_status_0(
    home: Home, tmp_path: Path
) -> None:
    file = write_events(tmp_path / "good.ndjson", FIRST[:1])

    assert [command("ingest", home, file) for _ in range(2)] == [0, 0]


def test_run_tells_of_quarantine_of_earlier_runs_and_only_its_own_decides(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert command("run", home) == 0
    out = capsys.readouterr().out
    assert "Lines in quarantine since earlier runs: 2 inbox files: " in out
    assert f"{late} (see {home.quarantine(batch_of(late))})" in out
    assert command("status", home) == 0
    assert "Lines in quarantine since earlier runs: 2 inbox files: " in capsys.readouterr().out

    # The same bytes at a name that no run has read.
    late.with_name("copy.ndjson").write_bytes(late.read_bytes())
    assert [command("run", home) for _ in range(2)] == [3, 0]


def test_what_the_inbox_holds_besides_event_files_is_told(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.inbox / "part-0").touch()
    (home.inbox / "deep").mkdir()
    (home.inbox / "deep" / "notes.txt").touch()
    (home.inbox / "_SUCCESS").touch()
    for name in ("run", "status"):
        capsys.readouterr()
        assert command(name, home) == 0
        told = [line for line in capsys.readouterr().out.splitlines() if "Passed over" in line]
        assert told == [
            f"Passed over: 2 files: {home.inbox}/deep/notes.txt (not an event file's name), "
            f"{home.inbox}/part-0 (not an event file's name)."
        ]


def shorter_quarantine(block: Any) -> Any:
    """As if a rule were gone: the quarantined line is left out."""
    return replace(block, quarantined=[], lines=len(block.events) + len(block.voids))


def test_a_file_is_judged_anew_under_the_present_rules(
    home: Home, late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = LineParser.parse_together
    monkeypatch.setattr(
        LineParser,
        "parse_together",
        lambda *args: list(map(shorter_quarantine, parse(*args))),
    )

    assert command("ingest", home, late, "--again") == 0

    batch = batch_of(late)
    assert (record(home, f"{batch}.2")["quarantined"], record(home, batch)["quarantined"]) == (0, 1)
    assert not home.quarantine(f"{batch}.2").exists()
    assert command("run", home) == 0
    assert reasons(home) == [["batch ingested again"]] * 2


def remove(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [remove, flip])
@pytest.mark.parametrize("what", ["slices", "quarantine"])
def test_ingesting_again_mends_stored_files(
    home: Home, late: Path, damage: Callable[[Path], None], what: str
) -> None:
    answers = published(home)
    batch = batch_of(late)
    damage(home.slices(HOURS[1], batch) if what == "slices" else home.quarantine(batch))

    assert command("ingest", home, late, "--again") == 3

    assert Batches(home).number(batch) == 2
    assert command("run", home) == 0
    assert published(home) == answers


def test_a_batch_with_a_damaged_record_is_not_withdrawn(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(home.batch_record(batch_of(late)))
    before = files_of(home)

    assert command("withdraw", home, late, "--reason", "test") == 1

    assert f"{batch_of(late)}.json: damaged" in capsys.readouterr().err
    assert files_of(home) == before


def test_ingesting_again_mends_a_record(home: Home, late: Path) -> None:
    flip(home.batch_record(batch_of(late)))
    assert command("ingest", home, late) == 1
    assert command("ingest", home, late, "--again") == 3
    assert command("run", home) == 0
    assert reasons(home) == [["batch ingested again"]] * 2


def test_a_file_never_ingested_is_ingested_by_again_too(home: Home, tmp_path: Path) -> None:
    file = write_events(tmp_path / "new.ndjson", FIRST[:1])

    assert command("ingest", home, file, "--again") == 0
    assert Batches(home).number(batch_of(file)) == 1


def other_machine(home: Home, take: Callable[[Home, str], None]) -> Callable[..., list[bool]]:
    """`create_files`, before which another machine takes the number once."""
    create = durable.create_files
    taken: list[Path] = []

    def create_later(files: Sequence[durable.NewFile]) -> list[bool]:
        path = files[0].path
        if path.parent == home.batches and not taken:
            taken.append(path)
            take(home, path.stem)
        return create(files)

    return create_later


def take_by_withdrawal(home: Home, name: str) -> None:
    content = {"status": "withdrawn", "batch": name[:16], "number": 2, "hours": {}}
    content |= {"sha256": record(home, name[:16])["sha256"], "withdrawn_at": NOW, "reason": "x"}
    home.batch_record(name).write_bytes(durable.to_sealed_json(content))


def test_who_does_not_get_a_number_reads_the_record_that_did_and_starts_over(
    home: Home, late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(late)
    flip(home.slices(HOURS[0], batch))
    monkeypatch.setattr(durable, "create_files", other_machine(home, take_by_withdrawal))

    # Two machines: one withdraws, the other ingests again, which ends the withdrawal.
    assert command("ingest", home, late, "--again") == 3

    assert [Batches(home).number(batch), Batches(home).is_withdrawn(batch)] == [3, False]
    assert not list(home.events.glob(f"*/{batch}.2.parquet"))
    assert not home.quarantine(f"{batch}.2").exists()


def test_of_two_withdrawals_one_counts(
    home: Home, late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "create_files", other_machine(home, take_by_withdrawal))

    receipt = withdraw(home, str(late), "mine", NOW_MS)

    assert (receipt.already, receipt.number, receipt.reason) == (True, 2, "x")
    assert Batches(home).number(batch_of(late)) == 2


def test_slices_of_an_interrupted_again_do_not_outlive_a_withdrawal(
    home: Home, late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(late)
    flip(home.quarantine(batch))

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(batch_module, "commit_records", killed)
        assert command("ingest", home, late, "--again") == 130
    assert home.slices(HOURS[0], f"{batch}.2").exists()

    assert command("withdraw", home, batch, "--reason", "wrong") == 0

    assert not list(home.events.glob(f"*/{batch}.2.parquet"))
    assert Batches(home).inputs(HOURS[0]) == [batch_of(home.inbox / "first.ndjson")]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("0123456789abcdef", "is neither a batch of"),
        ("no-such.ndjson", "is not a file; "),
        (".", "is a folder: withdraw its files one by one"),
        ("{home}/rates.toml", "its present bytes were never ingested into"),
        ("elsewhere/late.ndjson", "files of that name were ingested as batch"),
    ],
)
def test_what_is_no_batch_cannot_be_withdrawn(
    home: Home, capsys: pytest.CaptureFixture[str], target: str, message: str
) -> None:
    capsys.readouterr()
    assert command("withdraw", home, target.format(home=home.root), "--reason", "x") == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("--reason",), ("--reason", " ")])
def test_a_withdrawal_needs_a_reason(home: Home, late: Path, arguments: tuple[str, ...]) -> None:
    assert call(["withdraw", str(late), "--home", str(home.root), *arguments]) == 2


def test_a_home_of_the_version_before_is_withdrawn_from(home: Home, late: Path) -> None:
    batch = batch_of(late)
    old = record(home, batch)
    del old["number"], old["status"]
    home.batch_record(batch).write_bytes(durable.to_sealed_json(old))
    assert command("run", home) == 0
    assert reasons(home) == [["never built"]] * 2

    assert command("withdraw", home, batch, "--reason", "x") == 0
    assert command("run", home) == 0

    assert reasons(home) == [["batch withdrawn"]] * 2


def test_a_batch_is_known_by_its_last_record_where_one_before_is_gone(
    home: Home, late: Path
) -> None:
    batch = batch_of(late)
    withdraw(home, batch, "x", NOW_MS)
    home.batch_record(batch).unlink()

    found = records.deciding_record(home, batch)

    assert found is not None
    assert (found.number, found.is_withdrawn) == (2, True)
    assert json.loads(home.batch_record(f"{batch}.2").read_bytes())["lines"] == 0


def test_many_at_once_withdraw_a_batch_once(home: Home, late: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda n: withdraw(home, str(late), f"{n}", NOW_MS), range(8)))

    assert sorted(receipt.already for receipt in receipts) == [False] + [True] * 7
    assert {receipt.reason for receipt in receipts} == {
        record(home, f"{batch_of(late)}.2")["reason"]
    }
    assert Batches(home).number(batch_of(late)) == 2
    assert not home.staging(batch_of(late)).exists()


def test_withdrawals_and_ingests_at_once_take_turns(home: Home, late: Path) -> None:
    def take_turn(number: int) -> None:
        if number % 2:
            withdraw(home, str(late), f"{number}", NOW_MS)
        else:
            report = ingest_paths(home, [late], NOW_MS, SETTINGS, again=True)
            assert report.refused == []

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take_turn, range(12)))

    batch = batch_of(late)
    number = Batches(home).number(batch)
    statuses = [record(home, record_name(batch, n))["status"] for n in range(1, number + 1)]
    # Nobody withdraws twice, and --again writes nothing where nothing was withdrawn.
    assert all(one != other for one, other in pairwise(statuses))
    assert command("run", home) == 0
    assert command("verify", home) == 0


def test_a_withdrawal_during_a_build_has_the_hour_built_again(
    home: Home, late: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_revisions = pipeline.write_revisions

    def withdraw_meanwhile(*arguments: Any) -> Any:
        withdraw(home, str(late), "wrong", NOW_MS)
        return write_revisions(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "write_revisions", withdraw_meanwhile)
        span = ("--from", HOURS[0].name, "--to", HOURS[1].following.name)
        assert command("backfill", home, *span, "--force") == 0
    assert reasons(home) == [["forced"]] * 2

    assert command("run", home) == 0

    assert reasons(home) == [["batch withdrawn"]] * 2
    assert published(home) == without(tmp_path, "late.ndjson")


def test_diff_says_why_a_batch_is_gone_and_which_record_came_instead(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = batch_of(late)
    command("withdraw", home, late, "--reason", "wrong cluster")
    command("run", home)
    command("ingest", home, late, "--again")
    command("run", home)
    for revisions, line in (
        (("1", "2"), f"why: batch removed: {batch} {late} (withdrawn at {NOW}: wrong cluster)"),
        (("2", "3"), f"why: batch added: {batch}.3 {late}"),
    ):
        capsys.readouterr()
        assert command("diff", home, HOURS[0].name, *revisions) == 0
        assert line in capsys.readouterr().out.splitlines()
    assert command("explain", home, HOURS[0].name, "--customer", "acme", "--resource", "web") == 0
    assert f"batch {batch}.3: {late}" in capsys.readouterr().out.splitlines()


def test_the_reports_are_printed_as_json_too(
    home: Home, late: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "in" / "copy.ndjson"
    copy.parent.mkdir()
    copy.write_bytes(late.read_bytes())
    copy.with_name("notes.txt").touch()
    batch = batch_of(late)
    capsys.readouterr()

    assert command("ingest", home, copy.parent, tmp_path / "none", "--json") == 1

    document = json.loads(capsys.readouterr().out)
    assert document["files"] == [
        document["files"][0]
        | {
            "file": str(copy),
            "batch": batch,
            "number": 1,
            "skipped": True,
            "lines": 5,
            "accepted": 4,
            "duplicates": 0,
            "quarantined": 1,
            "rules": {"ends_before_start": 1},
            "quarantine": f"quarantine/{batch}.ndjson",
            "hours": [hour.name for hour in HOURS],
        }
    ]
    assert document["rejected"] == [
        {"file": str(tmp_path / "none"), "reason": "there is no such file or folder"}
    ]
    passed_over = [{"file": str(copy.with_name("notes.txt")), "why": "not an event file's name"}]
    assert document["passed_over"] == {"count": 1, "examples": passed_over}

    for already, hours in ((False, [hour.name for hour in HOURS]), (True, [])):
        assert command("withdraw", home, batch, "--reason", "x", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["already"], document["hours"]) == (already, hours)
        assert (document["batch"], document["number"], document["reason"]) == (batch, 2, "x")


def test_a_home_whose_path_looks_like_a_pattern_works(tmp_path: Path) -> None:
    home = fresh_home(tmp_path / "a[bc]*?" / "home")
    add_late_file(home)
    late = home.inbox / "late.ndjson"

    assert command("run", home, "--export", home.root / "tree") == 3
    assert command("withdraw", home, late, "--reason", "x") == 0
    assert command("run", home) == 0
    assert command("ingest", home, late, "--again") == 3
    span = ("--from", HOURS[0].name, "--to", HOURS[1].following.name)
    assert command("backfill", home, *span, "--workers", "2") == 0
    assert command("status", home) == 0
    assert command("diff", home, HOURS[0].name) == 0
    assert command("explain", home, HOURS[0].name, "--customer", "acme", "--resource", "web") == 0
    assert command("verify", home) == 0


def test_a_withdrawal_that_cannot_be_written_says_so_itself(
    home: Home, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.root / ".staging").rename(home.root / ".staging-before")
    (home.root / ".staging").touch()
    assert command("withdraw", home, late, "--reason", "x") == 1
    said = capsys.readouterr().err
    assert "withdrawing failed" in said
    assert "ingesting" not in said
