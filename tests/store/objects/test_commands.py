"""Every command on a home in an object store, beside the same on a local home."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourtally.cli.app import app, call
from hourtally.jobs.sample import write_sample
from hourtally.ratecard import load_rate_card
from hourtally.store import durable
from hourtally.store.layout import Home
from tests.support.buckets import keys_of, objects_of, published, sample_in

NOW = ("--now", "2026-11-02T12:15:00Z")
RANGE = ("--from", "2026-11-02T09", "--to", "2026-11-02T12")


@pytest.fixture
def local(tmp_path: Path) -> Home:
    write_sample(tmp_path / "local")
    return Home(tmp_path / "local")


@pytest.fixture
def remote(bucket: Home, tmp_path: Path) -> Home:
    sample_in(bucket, tmp_path / "sample")
    return bucket


def run(home: Home, *command: str, status: int = 0) -> None:
    assert call([*command, "--home", home.place]) == status


def printed(home: Home, capsysbinary: pytest.CaptureFixture[bytes], *command: str) -> str:
    capsysbinary.readouterr()
    run(home, *command)
    out = capsysbinary.readouterr().out.decode()
    return out.replace(home.place, "HOME")


def in_folder(home: Home) -> dict[str, bytes]:
    """As `published`, of a local home that has one revision of each hour."""
    return {
        f"{path.parts[-3]} {path.name}": path.read_bytes() for path in home.hours.glob("*/rev-*/*")
    }


def test_a_bucket_has_the_bytes_of_a_local_home(local: Home, remote: Home) -> None:
    for home in (local, remote):
        run(home, "run", *NOW, status=3)

    assert published(remote) == in_folder(local)
    assert len(published(remote)) == 3 * 8


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Home]]:
    """A local home and one in a bucket, with the sample published in both."""
    folder = tmp_path_factory.mktemp("both")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        remote = Home.at(f"memory://{secrets.token_hex(8)}/home")
        sample_in(remote, folder / "sample")
        write_sample(folder / "local")
        for home in (Home(folder / "local"), remote):
            run(home, "run", *NOW, status=3)
        yield Home(folder / "local"), remote


@pytest.mark.parametrize(
    "command",
    [
        ("status", *NOW),
        ("show", "2026-11-02T09", "--customer", "acme", "--usage", *NOW),
        ("list", "--customer", "acme", "--by", "team"),
        ("list", "--granularity", "day"),
        ("explain", "2026-11-02T09", "--customer", "acme", "--resource", "api", *NOW),
        ("verify",),
        ("verify", "--from-files"),
        ("sql", "SELECT customer_id, sum(total_cents) t FROM customers GROUP BY ALL ORDER BY 1"),
        ("sql", "SELECT line, rule FROM quarantined"),
        ("sql", "SELECT count(*) FROM batches, hours"),
        ("rates", "at", "2026-11-02T09"),
        ("rates", "preview", "RATES", *RANGE),
        ("rates", "check", "RATES", *NOW),
        ("rates", "diff", "RATES", "RATES", *NOW),
        ("prune", "--keep", "1", *NOW),
        ("backfill", *RANGE, "--dry-run", *NOW),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_prints_what_it_prints_of_a_local_home(
    both: tuple[Home, Home],
    capsysbinary: pytest.CaptureFixture[bytes],
    command: tuple[str, ...],
) -> None:
    texts = []
    for home in both:
        rates = f"{home.place}/rates.toml"
        texts.append(
            printed(home, capsysbinary, *(rates if one == "RATES" else one for one in command))
        )
    assert texts[1] == texts[0]


def test_a_withdrawal_restates_and_ingesting_again_ends_it(
    remote: Home, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    late = f"{remote.place}/inbox/late.ndjson"
    run(remote, "run", *NOW, status=3)
    total = printed(remote, capsysbinary, "list", "--granularity", "total")

    run(remote, "withdraw", late, "--reason", "wrong", *NOW)
    assert call(["ingest", late, "--home", remote.place]) == 1
    run(remote, "run", *NOW)
    assert printed(remote, capsysbinary, "list", "--granularity", "total") != total
    assert "withdrawn" in printed(remote, capsysbinary, "diff", "2026-11-02T09")

    assert call(["ingest", "--again", late, "--home", remote.place]) == 0
    run(remote, "run", *NOW)
    assert printed(remote, capsysbinary, "list", "--granularity", "total") == total
    run(remote, "prune", "--keep", "1", *NOW)
    folders = {key.split("/")[2] for key in keys_of(remote, "hours") if "/rev-" in key}
    assert sorted(folder[:10] for folder in folders) == ["rev-000001", "rev-000001", "rev-000003"]
    run(remote, "verify")


def test_an_export_into_a_bucket_has_the_files_of_a_local_one_and_follows_restatements(
    remote: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    tree = Home.at(f"{remote.place}-tree")
    run(remote, "run", *NOW, "--export", tree.place, status=3)
    run(remote, "export", str(tmp_path / "tree"))
    exported = {
        str(path.relative_to(tmp_path / "tree")): path.read_bytes()
        for path in (tmp_path / "tree").rglob("*.*json")
    }
    client = objects_of(tree).client
    in_bucket = {key: client.get(key)[0] for key in keys_of(tree)}
    assert in_bucket.pop("@home.json")
    assert exported.pop("@home.json")
    assert in_bucket == exported
    assert len(in_bucket) == 10

    run(remote, "withdraw", f"{remote.place}/inbox/clusters.parquet", "--reason", "x", *NOW)
    run(remote, "run", *NOW, "--export", tree.place)
    assert "initech/1793610000.json" not in keys_of(tree)
    said = printed(remote, capsysbinary, "export", tree.place)
    assert said.startswith("0 files written to")

    stranger = Home.at(f"{remote.place}-other")
    sample_in(stranger, tmp_path / "sample")
    run(stranger, "run", *NOW, status=3)
    assert call(["export", tree.place, "--home", stranger.place]) == 1
    assert call(["export", f"{remote.place}/inbox", "--home", remote.place]) == 1
    assert b"belongs to the home itself" in capsysbinary.readouterr().err


def test_a_focus_dataset_goes_into_a_bucket(remote: Home) -> None:
    run(remote, "run", *NOW, status=3)
    tree = Home.at(f"{remote.place}-focus")
    run(remote, "export", tree.place, "--focus=1.2")
    assert len(keys_of(tree, "billing_period=2026-11")) == 3


def test_a_database_of_a_bucket_has_tables(remote: Home, tmp_path: Path) -> None:
    import duckdb

    run(remote, "run", *NOW, status=3)
    run(remote, "sql", "--out", str(tmp_path / "out.duckdb"))
    with duckdb.connect(str(tmp_path / "out.duckdb")) as connection:
        [[cents]] = connection.execute("SELECT sum(total_cents) FROM customers").fetchall()
    assert str(cents) == "2867.599652778"


def test_a_known_hour_is_shown_with_four_requests_and_a_run_that_finds_nothing_lists_only(
    remote: Home, cache: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run(remote, "run", *NOW, status=3)
    files = objects_of(remote)
    files._known.clear()
    for copy in cache.rglob("records/*/*"):
        copy.unlink()
    files.client.requests.clear()
    run(remote, "show", "2026-11-02T09", "--customer", "acme", "--json", *NOW)
    assert files.requests() == {"list": 1, "get": 3}

    run(remote, "run", *NOW)
    files.client.requests.clear()
    capsysbinary.readouterr()
    run(remote, "run", "--json", *NOW)
    # Of the inbox and its notes, records, slices, quarantine and hours; the card is read.
    assert files.requests() == {"list": 7, "get": 1}
    assert json.loads(capsysbinary.readouterr().out)["requests"] == {"list": 7, "get": 1}


def test_the_requests_of_all_buckets_are_counted(
    local: Home, remote: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = f"{remote.place}/inbox"
    run(local, "ingest", f"{inbox}/late.ndjson", "--verbose")
    said = capsys.readouterr().err
    assert re.search(r"object store: [1-9]\d* requests: [1-9]\d* reads?", said)
    tree = Home.at(f"{remote.place}-tree")
    run(local, "run", "--export", tree.place, *NOW, status=3)
    assert re.search(r"Object store: .* \d+ writes[.,]", capsys.readouterr().out)
    objects_of(tree).client.delete(keys_of(tree))
    run(local, "export", tree.place, "--verbose")
    assert re.search(r"object store: .* \d+ writes[.,]", capsys.readouterr().err)
    run(local, "list", "--verbose")
    assert "object store: 0 requests." in capsys.readouterr().err


def test_a_run_reads_no_note_of_an_inbox_file_that_this_machine_wrote(remote: Home) -> None:
    run(remote, "run", *NOW, status=3)
    files = objects_of(remote)
    assert len(keys_of(remote, ".inbox")) == 7
    files.client.requests.clear()
    run(remote, "run", *NOW)
    assert files.requests() == {"list": 7, "get": 1}


@pytest.mark.parametrize("home_at", ["bucket", "folder"])
def test_home_inbox_and_export_may_each_be_a_folder_or_a_bucket(
    local: Home,
    remote: Home,
    home_at: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = Home.at(f"{remote.place}-tree")
    home, inbox, tree = (
        (remote, str(local.inbox), str(tmp_path / "tree"))
        if home_at == "bucket"
        else (local, f"{remote.place}/inbox", other.place)
    )
    run(home, "run", "--inbox", inbox, "--export", tree, *NOW, status=3)
    run(home, "run", "--inbox", inbox, "--export", tree, *NOW)
    run(home, "verify", "--from-files")
    exported = keys_of(other) if home_at == "folder" else list((tmp_path / "tree").rglob("*.json"))
    assert len([one for one in exported if "/" in str(one)]) >= 9
    capsys.readouterr()
    run(home, "run", "--inbox", f"{inbox}/nowhere", *NOW, status=1 if home_at == "bucket" else 0)
    said = "it cannot be read" if home_at == "bucket" else "no objects lie below it"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "refusal", "mounted"),
    [
        ("", "it is a home of Hourtally, whose files are not events", False),
        ("/hours", "it is a folder of the home HOME, whose files are not events", True),
        ("/events/hour=2026-11-02T09", "it is a folder of the home HOME", False),
    ],
)
def test_folders_of_a_home_in_a_bucket_are_refused(
    remote: Home,
    local: Home,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    refusal: str,
    mounted: bool,
) -> None:
    run(remote, "run", *NOW, status=3)
    batches = keys_of(remote, "batches")
    capsys.readouterr()

    run(remote if mounted else local, "ingest", f"{remote.place}{folder}", status=1)
    assert refusal.replace("HOME", remote.place) in " ".join(capsys.readouterr().err.split())
    assert keys_of(remote, "batches") == batches


def test_homes_below_a_folder_of_a_bucket_are_refused_and_hidden_ones_passed_by(
    remote: Home, local: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Home.at(f"{remote.place}-tree")
    [event_file, *_] = (path for path in (local.inbox).iterdir() if path.suffix == ".ndjson")
    for name in (
        "a.ndjson",
        "copy/hours/2026-11-02T09/x.ndjson",
        "_old/hours/2026-11-02T09/y.ndjson",
    ):
        durable.replace_file(place.root / name, event_file.read_bytes())

    run(local, "ingest", place.place, status=1)
    said = " ".join(capsys.readouterr().err.split())
    assert f"{place.place}/copy: rejected, none of its events count: it is a home" in said
    assert "_old" not in said
    assert len(list(local.batches.iterdir())) == 1


def test_large_objects_are_read_and_written_in_parts(
    local: Home, remote: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hourtally.store.objects.client.PART_BYTES", 1_000)
    files = objects_of(remote)
    files.client.requests.clear()
    for home in (local, remote):
        run(home, "run", *NOW, status=3)
    assert published(remote) == in_folder(local)
    # A file of 10 KB alone takes ten.
    assert files.requests()["get"] > 60


def test_a_file_below_a_name_that_is_an_object_too_is_ingested(
    remote: Home, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    client = objects_of(remote).client
    content = client.get("inbox/late.ndjson")[0]
    for key, below in (("inbox/marker", b""), ("inbox/both", content)):
        client.put(f"{key}/late.ndjson", content + b"\n" * len(below))
        client.put(key, below)
    client.delete(["inbox/late.ndjson"])

    said = printed(remote, capsysbinary, "ingest", f"{remote.place}/inbox/marker")
    assert "inbox/marker/late.ndjson" in said
    capsysbinary.readouterr()
    run(remote, "run", *NOW, status=3)
    said = capsysbinary.readouterr().out.decode()
    assert "inbox/both/late.ndjson" in said
    assert "Passed over: 1 file" in said
    client.put("inbox/x.ndjson", content)
    client.put("inbox/x.ndjson/y.ndjson", content + b"\n\n")
    run(remote, "run", *NOW, status=1)
    out, err = map(bytes.decode, capsysbinary.readouterr())
    assert "inbox/x.ndjson/y.ndjson" in out
    assert "other objects are named as if it were their folder; rename it" in err


def test_files_below_a_hidden_name_are_ingested_by_their_names(
    remote: Home, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    content = objects_of(remote).client.get("inbox/late.ndjson")[0]
    for name in (".hid/x.ndjson", "a/.staged/y.ndjson"):
        durable.replace_file(remote.root / name, content + b"\n" * len(name))
        assert name in keys_of(remote)
        said = printed(remote, capsysbinary, "ingest", f"{remote.place}/{name}")
        assert name in said


@pytest.mark.parametrize("command", [("sql", "SELECT * FROM charges"), ("sql", "--out", "OUT")])
def test_sql_names_a_table_that_is_missing(
    remote: Home,
    local: Home,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    for home in (local, remote):
        run(home, "run", *NOW, status=3)
    charges = [key for key in keys_of(remote, "hours") if key.endswith("charges.parquet")]
    objects_of(remote).client.delete(charges[:1])
    next(local.hours.glob("*09/*/charges.parquet")).unlink()
    out = str(tmp_path / "out.duckdb")
    # The views of a local database look for tables when they are used.
    for home in (remote, local)[: 1 + ("--out" not in command)]:
        capsys.readouterr()
        run(home, *(out if one == "OUT" else one for one in command), status=1)
        message = capsys.readouterr().err
        assert f"{home.place}/hours/2026-11-02T09/rev-000001-" in message
        assert "charges.parquet: damaged: it is missing, although the hour's manifest" in message
        assert "Traceback" not in message
        assert "/work/" not in message
    assert not Path(out).exists()


def test_local_files_are_not_urls_and_rate_cards_may_be(
    remote: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{remote.place}/rates.toml"
    for command in (
        ("sql", "--out", url, "--home", remote.place),
        ("run", "--metrics", url, "--home", remote.place),
        ("tokens", "add", "--customer", "acme", "--tokens", url),
        ("tokens", "list", "--tokens", url),
        ("serve", "--tokens", url, "--home", remote.place),
    ):
        assert call(command) == 2
        assert f" {url}: give the path of a local file, not a URL" in capsys.readouterr().err
    for name in ("ui", "serve"):
        _, bound, _ = app.parse_args([name, "--rates", url], exit_on_error=False)
        assert load_rate_card(bound.arguments["rates"]).currency == "USD"
    _, bound, _ = app.parse_args(["demo", "--home", remote.place], exit_on_error=False)
    assert bound.arguments["home"] == remote.place
