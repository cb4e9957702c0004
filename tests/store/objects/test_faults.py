"""Stores that refuse, lose answers or end the process: nothing is half published."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import AlreadyExistsError, GenericError, PermissionDeniedError

from hourtally.build.builder import Builder
from hourtally.build.prune import prune
from hourtally.build.staleness import stale_hours
from hourtally.cli.app import call
from hourtally.ingest.files import ingest_paths
from hourtally.model.hours import DAY_MS, parse_instant_ms
from hourtally.published.export import export_hours
from hourtally.published.reader import published_hours
from hourtally.ratecard import load_rate_card
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.batches import Batches
from hourtally.store.faults import StoreFault, store_fault
from hourtally.store.files import ABANDONED_NS, FileState
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from hourtally.store.objects import client
from tests.support.buckets import (
    Killed,
    calls_of,
    keys_of,
    objects_of,
    other_machine,
    published,
    sample_in,
    two_days_later,
)
from tests.support.refusing_server import refusing_server

NOW = "2026-11-02T12:15:00Z"
NOW_MS = parse_instant_ms(NOW)
RANGE = ("--from", "2026-11-02T09", "--to", "2026-11-02T12")
# Much later by the clock of the machine, which alone removes nothing.
LATER_MS = parse_instant_ms("2100-01-01T00:00:00Z") + DAY_MS

Act = Callable[[int, str, Callable[[], Any]], Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE_SECONDS", 0)
    # One call after another, so that the Nth is the same in each run.
    monkeypatch.setattr(client, "CALLS_AT_ONCE", 1)


def run(home: Home, *command: str) -> int:
    return call([*command, "--home", home.place])


def check_and_finish(home: Home, files: list[str], expected: dict[str, bytes]) -> None:
    """Whatever is published is whole, and the same commands complete it, to the same bytes."""
    for hour in published_hours(home):
        if manifest := current_manifest(home, hour):
            for name in manifest.record["files"]:
                assert durable.file_size(manifest.folder / name)
    assert run(home, "ingest", *files) == 0
    assert run(home, "backfill", *RANGE, "--now", NOW) == 0
    # What was left is gone once it is a day old, and nothing else is.
    with two_days_later(home):
        prune(home, 100, None, LATER_MS)
        assert prune(home, 100, None, LATER_MS).leftovers == []
    assert published(home) == expected
    assert len(keys_of(home, "events")) == sum(
        len(durable.read_sealed_json(home.batch_record(name))["hours"])
        for name in Batches(home).names()
    )


@pytest.fixture
def files(bucket: Home, tmp_path: Path) -> list[str]:
    """Five of the sample's event files; the bucket has its rate card."""
    sample_in(bucket, tmp_path / "sample")
    return [str(path) for path in sorted((tmp_path / "sample" / "inbox").iterdir())][:5]


def published_undisturbed(folder: Path, chosen: slice) -> dict[str, bytes]:
    """What is published of the chosen files of the sample where nothing fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        home = Home.at(f"memory://{secrets.token_hex(8)}/whole")
        sample_in(home, folder / "sample")
        files = sorted((folder / "sample" / "inbox").iterdir())[chosen]
        assert run(home, "ingest", *map(str, files)) == 0
        assert run(home, "backfill", *RANGE, "--now", NOW) == 0
        return published(home)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is published of `files`."""
    return published_undisturbed(tmp_path_factory.mktemp("whole"), slice(5))


# Two files of an hour each make every kind of call that more of them do.
TWO = slice(1, 3)


@pytest.fixture(scope="module")
def expected_of_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is published of two of them."""
    return published_undisturbed(tmp_path_factory.mktemp("two"), TWO)


def failing(at: int, kind: str) -> Act:
    """The Nth call fails before or after its effect, or the process is killed there."""

    def act(number: int, _name: str, make: Callable[[], Any]) -> Any:
        if number != at:
            return make()
        if "after" in kind:
            make()
        if "killed" in kind:
            raise Killed
        if kind == "denied":
            raise PermissionDeniedError("Forbidden")
        raise GenericError(SLOW_DOWN)

    return act


SLOW_DOWN = "503 Slow Down"
EXISTS = "the object exists"
CONFLICT = "409 Conflict: <Code>ConditionalRequestConflict</Code>"
KINDS = ["failed", "failed after", "denied", "killed", "killed after"]


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        ("failed after", 40),
        ("killed", 40),
        *(pytest.param(kind, 5, marks=[pytest.mark.slow]) for kind in KINDS),
    ],
)
def test_a_fault_at_a_call_of_an_ingest_or_a_build_publishes_nothing_by_half(
    bucket: Home,
    files: list[str],
    expected_of_two: dict[str, bytes],
    tmp_path: Path,
    kind: str,
    every: int,
    long: bool,
) -> None:
    files = files[TWO]
    calls = _number_of_calls(bucket, files)
    assert calls > 40
    # The kinds share the calls, but for the full length, where each tries them all.
    first, step = (1, 1) if long else (1 + KINDS.index(kind) % every, every)
    states = range(first, calls + 1, step)
    for at in states:
        home = Home.at(f"{bucket.place}-{kind}-{at}")
        sample_in(home, tmp_path / "sample")
        with calls_of(home, failing(at, kind)) as made:
            try:
                run(home, "ingest", *files)
                run(home, "backfill", *RANGE, "--now", NOW)
            except Killed:
                made.dead = True
        check_and_finish(home, files, expected_of_two)
    assert states


def _number_of_calls(home: Home, files: list[str]) -> int:
    with calls_of(home, lambda _number, _name, make: make()) as calls:
        run(home, "ingest", *files)
        run(home, "backfill", *RANGE, "--now", NOW)
    return calls.number


@pytest.mark.slow
def test_a_withdrawal_that_fails_or_is_killed_at_a_call_is_completed_by_the_next_one(
    bucket: Home, files: list[str]
) -> None:
    assert run(bucket, "ingest", *files) == 0
    client = objects_of(bucket).client
    ingested = {key: client.get(key)[0] for key in keys_of(bucket)}
    with calls_of(bucket, lambda _number, _name, make: make()) as calls:
        assert run(bucket, "withdraw", files[1], "--reason", "x") == 0
    for kind in KINDS:
        for at in range(1, calls.number + 1):
            home = Home.at(f"{bucket.place}-{kind}-{at}")
            for key, content in ingested.items():
                objects_of(home).client.put(key, content)
            with calls_of(home, failing(at, kind)) as made:
                try:
                    run(home, "withdraw", files[1], "--reason", "x")
                except Killed:
                    made.dead = True
            assert run(home, "withdraw", files[1], "--reason", "x") == 0
            assert [name for name in Batches(home).names() if "." in name] == [
                f"{durable.sha256_of(Path(files[1]))[:16]}.2"
            ]


def test_a_lost_answer_of_a_created_record_is_no_other_machine(
    bucket: Home, files: list[str], expected: dict[str, bytes]
) -> None:
    def lose(_number: int, name: str, make: Callable[[], Any]) -> Any:
        found = make()
        if name == "create":
            # As obstore's client reports its second attempt, after the first one's answer was lost.
            raise AlreadyExistsError(EXISTS)
        return found

    with calls_of(bucket, lose):
        assert run(bucket, "ingest", *files) == 0
        assert run(bucket, "backfill", *RANGE, "--now", NOW) == 0
    check_and_finish(bucket, files, expected)
    revisions = [
        one.revision for hour in published_hours(bucket) if (one := current_manifest(bucket, hour))
    ]
    assert revisions == [1, 1, 1]


def test_a_conditional_write_that_met_another_one_is_tried_again(
    bucket: Home, files: list[str], expected: dict[str, bytes]
) -> None:
    met: list[int] = []

    def conflict(number: int, name: str, make: Callable[[], Any]) -> Any:
        if name == "create" and len(met) < 2:
            met.append(number)
            raise GenericError(CONFLICT)
        return make()

    with calls_of(bucket, conflict):
        assert run(bucket, "ingest", *files) == 0
    assert len(met) == 2
    check_and_finish(bucket, files, expected)


COMMANDS = (
    ("ingest", "FILE"),
    ("run", "--now", NOW),
    ("status",),
    ("show", "2026-11-02T09", "--customer", "acme"),
    ("list",),
    ("verify",),
    ("prune", "--keep", "1"),
    ("withdraw", "FILE", "--reason", "x"),
    ("sql", "SELECT * FROM hours"),
)


def test_a_store_that_denies_or_does_not_answer_is_told_in_a_sentence(
    bucket: Home, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for error, told in (
        (PermissionDeniedError("Forbidden"), "access denied"),
        (GenericError("error sending request"), "check the network and the store"),
        (FileNotFoundError("<Code>NoSuchBucket</Code>"), "create it, or correct the URL"),
    ):

        def refuse(_number: int, _name: str, _make: Callable[[], Any], e: Any = error) -> Any:
            raise e

        for command in COMMANDS:
            capsys.readouterr()
            with calls_of(bucket, refuse):
                assert run(bucket, *(files[0] if one == "FILE" else one for one in command)) == 1
            message = capsys.readouterr().err
            assert told in message, command
            assert bucket.place in message
            assert "Traceback" not in message
            assert "--rates" not in message


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "AccessDenied", "give these credentials the permissions that docs"),
        (403, "RequestTimeTooSkewed", "set this machine's clock"),
        (400, "ExpiredToken", "renew the credentials"),
        (403, "SignatureDoesNotMatch", "correct the credentials"),
        (404, "NoSuchBucket", "create it, or correct the URL"),
    ],
)
def test_what_a_server_refuses_is_told_with_its_code_and_what_to_do(
    files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    code: str,
    told: str,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "x")
    with refusing_server(status, code) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        for command in COMMANDS:
            capsys.readouterr()
            arguments = (files[0] if one == "FILE" else one for one in command)
            assert call([*arguments, "--home", f"s3://{code.lower()}/home"]) == 1
            message = capsys.readouterr().err
            # It begins with a HEAD, whose answers have no body and so no code.
            if command[0] == "withdraw":
                assert status == 404 or "credentials" in message
                continue
            assert told in message, command
            assert f"s3://{code.lower()}/home" in message
            assert code == "NoSuchBucket" or f": {code})" in message
            assert "?" not in message
            assert "--rates" not in message


@pytest.mark.parametrize(
    ("url", "told"),
    [("s3://b/x", "AWS_SECRET_ACCESS_KEY"), ("gs://b/x", "GOOGLE_APPLICATION_CREDENTIALS")],
)
def test_missing_credentials_are_told_with_the_variables_of_the_store(url: str, told: str) -> None:
    address = "http://metadata.google.internal" if url[0] == "g" else "http://169.254.169.254"
    fault = store_fault(GenericError(f"error sending request for url ({address}/latest)"), url)
    assert isinstance(fault, StoreFault)
    assert fault.strerror == "no credentials were found"
    assert told in fault.advice


def test_a_message_has_no_query_of_an_address_and_keeps_the_code_of_the_store() -> None:
    text = (
        "Generic S3 error: Error performing GET http://h/b?list-type=2&X-Amz-Signature=1 in 1ms - "
        'Server returned non-2xx status code: 409 Conflict: <?xml version="1.0"?>'
        "<Error><Code>OperationAborted</Code></Error>"
    )
    for error in (GenericError(text), GenericError(text.replace("?><", "?>\n<"))):
        assert store_fault(error, "s3://b").strerror == (
            "Generic S3 error: Error performing GET http://h/b in 1ms - "
            "Server returned non-2xx status code: 409 Conflict: OperationAborted"
        )


@pytest.mark.slow
def test_an_export_that_is_killed_at_any_call_is_completed_by_the_next_one(
    bucket: Home, tmp_path: Path
) -> None:
    sample_in(bucket, tmp_path / "sample")
    assert run(bucket, "run", "--now", NOW) == 3
    whole = Home.at(f"{bucket.place}-tree")
    with calls_of(whole, lambda _number, _name, make: make()) as made:
        export_hours(bucket, whole.root, published_hours(bucket))
    expected = {
        key: objects_of(whole).client.get(key)[0] for key in keys_of(whole) if key[0] != "@"
    }
    for at in range(1, made.number + 1):
        tree = Home.at(f"{bucket.place}-tree-{at}")
        with calls_of(tree, failing(at, "killed after")) as calls:
            try:
                export_hours(bucket, tree.root, published_hours(bucket))
            except Killed:
                calls.dead = True
        export_hours(bucket, tree.root, published_hours(bucket))
        found = {key: objects_of(tree).client.get(key)[0] for key in keys_of(tree) if key[0] != "@"}
        assert found == expected


def test_of_two_ingests_at_once_one_counts_and_the_other_leaves_nothing(
    bucket: Home, files: list[str], expected: dict[str, bytes], tmp_path: Path
) -> None:
    def other_first(_number: int, name: str, make: Callable[[], Any]) -> Any:
        if name in {"put", "create"} and not started:
            started.append(name)
            done = ingest_paths(other, [Path(files[1])], NOW_MS, Settings())
            assert not done.files[0].skipped
        return make()

    other = other_machine(bucket, tmp_path / "other")

    started: list[str] = []
    with calls_of(bucket, other_first):
        assert run(bucket, "ingest", files[1]) == 0
    check_and_finish(bucket, files, expected)


def test_of_two_builds_at_once_one_commits_and_the_other_starts_over(
    bucket: Home, files: list[str], expected: dict[str, bytes], tmp_path: Path
) -> None:
    assert run(bucket, "ingest", *files) == 0

    def other_first(_number: int, name: str, make: Callable[[], Any]) -> Any:
        if name in {"put", "create"} and not started:
            started.append(name)
            stale = stale_hours(other, card, NOW_MS, 0)
            done = Builder(other, card, NOW_MS, Settings()).build(stale)
            assert len(done.built) == 3
        return make()

    other = other_machine(bucket, tmp_path / "other")
    card = load_rate_card(bucket.rates)

    started: list[str] = []
    with calls_of(bucket, other_first):
        assert run(bucket, "backfill", *RANGE, "--now", NOW) == 0
    check_and_finish(bucket, files, expected)


def test_a_writer_that_began_over_twelve_hours_ago_does_not_commit(
    bucket: Home,
    files: list[str],
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hourtally.store.objects.files.LONGEST_HOURS", -1)
    assert run(bucket, "ingest", *files) == 1
    assert "it began over -1 hours ago" in capsys.readouterr().err
    assert Batches(bucket).names() == []
    monkeypatch.setattr("hourtally.store.objects.files.LONGEST_HOURS", 12)
    check_and_finish(bucket, files, expected)


def test_a_run_removes_what_is_a_day_older_than_the_newest_object_whatever_its_clock(
    bucket: Home, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(bucket, "ingest", *files[:1]) == 0
    client = objects_of(bucket).client
    left = [
        "events/hour=2026-11-02T09/0123456789abcdef@00ff.parquet",
        "quarantine/0123456789abcdef@00ff.ndjson",
        "hours/2026-11-02T09/rev-000001-00ff/charges.parquet",
    ]
    for key in left:
        client.put(key, b"left by a killed writer")
    # Years ahead, but nothing is a day older than the rest.
    assert run(bucket, "run", "--now", "2199-11-02T12:15:00Z") in {0, 3}
    assert set(left) <= set(keys_of(bucket))

    listed = client.list_all

    def aged(folder: str) -> dict[str, FileState]:
        """The store as it lists what was left two days after it was."""
        return {
            key: state._replace(changed_ns=state.changed_ns - 2 * ABANDONED_NS)
            if key in left
            else state
            for key, state in listed(folder).items()
        }

    monkeypatch.setattr(client, "list_all", aged)
    assert run(bucket, "run", "--now", NOW) in {0, 3}
    assert [key for key in left if key in keys_of(bucket)] == []
    assert run(bucket, "verify") == 0


def test_a_prune_whose_clock_is_ahead_leaves_what_others_upload(
    bucket: Home, files: list[str], expected: dict[str, bytes]
) -> None:
    pruned: list[list[str]] = []

    def prune_first(_number: int, name: str, make: Callable[[], Any]) -> Any:
        if name == "create" and not pruned:
            pruned.append([])
            report = prune(bucket, 1, None, LATER_MS)
            pruned[0] += [str(path) for path, _ in report.leftovers]
        return make()

    for command in (("ingest", *files), ("backfill", *RANGE, "--now", NOW)):
        pruned.clear()
        with calls_of(bucket, prune_first):
            assert run(bucket, *command) == 0
        assert pruned == [[]]
    check_and_finish(bucket, files, expected)


def test_a_prune_removes_what_no_record_names_once_the_store_is_a_day_older(
    bucket: Home, files: list[str]
) -> None:
    assert run(bucket, "ingest", *files) == 0
    assert run(bucket, "backfill", *RANGE, "--now", NOW) == 0
    left = [
        "cases/" + "0" * 64 + ".json",
        "events/hour=2026-11-02T09/0123456789abcdef@00ff.parquet",
        "rates/" + "0" * 64 + ".toml",
    ]
    for key in left:
        objects_of(bucket).client.put(key, b"left")
    kept = [key for key in keys_of(bucket) if key not in left]
    assert prune(bucket, 1, None, LATER_MS).leftovers == []
    with two_days_later(bucket):
        assert prune(bucket, 1, None, NOW_MS).leftovers == []
        assert len(prune(bucket, 1, None, LATER_MS, dry_run=True).leftovers) == len(left)
        assert len(prune(bucket, 1, None, LATER_MS).leftovers) == len(left)
    assert keys_of(bucket) == kept


def test_without_obstore_a_url_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    assert call(["status", "--home", "s3://bucket/never-opened"]) == 1
    assert "pip install hourtally[object-store]" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://host/x", "s3://", "ftp://x/y", "s3:///x"])
def test_what_is_no_url_of_a_store_is_wrong_use(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["status", "--home", url]) == 2
    assert "begins with s3://, gs://, az://" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("memory://b//y", "an empty part"),
        ("memory://b/z//y/", "an empty part"),
        ("memory://b/a/../x", "the part '..'"),
        ("memory://b/./x", "the part '.'"),
    ],
)
def test_a_url_with_parts_that_stores_take_as_they_stand_is_wrong_use(
    bucket: Home, url: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Home.at("memory://b/z")
    assert call(["status", "--home", url]) == 2
    assert part in capsys.readouterr().err
    for command in (("ingest", url), ("run", "--inbox", url), ("export", url)):
        assert run(bucket, *command) == 2
        assert part in capsys.readouterr().err


def test_a_store_that_never_lists_a_record_that_is_there_is_told_in_a_sentence(
    bucket: Home, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def hide(_number: int, name: str, make: Callable[[], Any]) -> Any:
        return [] if name == "list" else make()

    assert run(bucket, "ingest", files[0]) == 0
    with calls_of(bucket, hide):
        assert run(bucket, "ingest", files[0]) == 1
    assert "the ingest record of its batch is there, but is not listed" in capsys.readouterr().err
