"""Homes on S3 servers, by the commands and processes of several machines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourtally.jobs.sample import write_sample
from tests.support.bucket_crowd import event
from tests.support.command_line import ROOT, hourtally
from tests.support.faulty_proxy import faulty_proxy
from tests.support.s3_server import S3Server, free_ports, s3_server

pytestmark = pytest.mark.slow

NOW = ("--now", "2026-11-02T12:15:00Z")
RANGE = ("--from", "2026-11-02T09", "--to", "2026-11-02T12")


@pytest.fixture(scope="module", params=["moto", "seaweedfs"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    with s3_server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def home(server: S3Server, tmp_path: Path) -> str:
    """The URL of a home with the sample's rate card and inbox."""
    bucket = server.bucket()
    write_sample(tmp_path / "sample")
    for path in (tmp_path / "sample").rglob("*.*"):
        key = f"home/{path.relative_to(tmp_path / 'sample')}"
        server.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return f"s3://{bucket}/home"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run of the sample publishes in a local home, by hour and name."""
    home = tmp_path_factory.mktemp("local") / "sample"
    write_sample(home)
    assert hourtally("run", *NOW, "--home", str(home)).returncode == 3
    return {
        f"{path.parts[-3]} {path.name}": path.read_bytes()
        for path in (home / "hours").glob("*/rev-*/*")
    }


def content(server: S3Server, home: str) -> dict[str, bytes]:
    """The files of revisions by hour and name."""
    bucket = home.split("/")[2]
    return {
        f"{key.split('/')[2]} {key.rpartition('/')[2]}": server.client.get_object(
            Bucket=bucket, Key=key
        )["Body"].read()
        for key in server.keys(bucket)
        if "/rev-" in key
    }


def test_a_home_on_a_server_has_the_bytes_of_a_local_one(
    server: S3Server, home: str, local: dict[str, bytes]
) -> None:
    tree = f"{home}-tree"
    done = hourtally("run", *NOW, "--home", home, "--export", tree, variables=server.variables)
    assert done.returncode == 3
    assert "Object store: " in done.stdout
    assert content(server, home) == local
    assert hourtally("verify", "--home", home, variables=server.variables).returncode == 0
    bucket = home.split("/")[2]
    assert len([key for key in server.keys(bucket) if key.startswith("home-tree/")]) == 11


def test_folders_that_a_console_made_hide_nothing_and_are_no_files(
    server: S3Server, home: str, tmp_path: Path
) -> None:
    bucket = home.split("/")[2]
    for key in ("home/", "home/inbox/", "home/inbox/day/", "home/inbox/empty/"):
        server.client.put_object(Bucket=bucket, Key=key, Body=b"")
    late = (tmp_path / "sample" / "inbox" / "late.ndjson").read_bytes()
    server.client.put_object(Bucket=bucket, Key="home/inbox/day/x.ndjson", Body=late + b"\n")
    for inbox in ((), ("--inbox", f"{home}/inbox")):
        done = hourtally("run", *NOW, "--home", home, *inbox, variables=server.variables)
        assert done.returncode == (0 if inbox else 3), done.stderr
        assert ("inbox/day/x.ndjson" in done.stdout) == (not inbox)
        assert "Passed over" not in done.stdout + done.stderr
    assert hourtally("verify", "--home", home, variables=server.variables).returncode == 0


def test_two_worker_processes_publish_the_same_bytes_and_leave_no_folder(
    server: S3Server, home: str, tmp_path: Path
) -> None:
    other = f"s3://{server.bucket()}/home"
    for place, workers in ((home, "1"), (other, "2")):
        for arguments in (
            ("ingest", str(tmp_path / "sample" / "inbox")),
            ("backfill", *RANGE, *NOW, "--workers", workers, "--rates", f"{home}/rates.toml"),
        ):
            done = hourtally(*arguments, "--home", place, variables=server.variables)
            assert done.returncode in {0, 3}, done.stderr
            assert list(Path(server.variables["XDG_CACHE_HOME"]).rglob("work/*")) == []
    assert content(server, other) == content(server, home)


def test_writers_and_readers_of_one_bucket_at_once(
    server: S3Server, home: str, tmp_path: Path, long: bool
) -> None:
    writers, readers, seconds = (8, 4, "60") if long else (3, 2, "5")
    crowd = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.bucket_crowd", what, home),
                *(f"{what}{number}", str(tmp_path), seconds),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=server.variables | {"XDG_CACHE_HOME": str(tmp_path / f"{what}{number}")},
        )
        for what, all_of in (("write", writers), ("read", readers))
        for number in range(all_of)
    ]
    said = [process.communicate() for process in crowd]
    assert [process.returncode for process in crowd] == [0] * len(crowd), said
    written = sum(int(out) for out, _ in said[:writers])
    assert written >= writers

    build = ("backfill", *RANGE, *NOW)
    assert hourtally(*build, "--home", home, variables=server.variables).returncode == 0
    show = ("show", "2026-11-02T09", "--customer", "acme", "--usage", "--json")
    shown = hourtally(*show, "--home", home, variables=server.variables).stdout
    assert json.loads(shown)["data"]["paas"]["usage"]["vcpuHours"] == written
    assert hourtally("verify", "--home", home, variables=server.variables).returncode == 0
    keys = [key for key in server.keys(home.split("/")[2]) if "/hours/" in key]
    folders = {key.rpartition("/")[0] for key in keys if "/rev-" in key}
    assert len(folders) == sum("/rev-" not in key for key in keys)


def test_a_missing_bucket_and_a_server_that_is_away_are_sentences(
    server: S3Server, tmp_path: Path
) -> None:
    (tmp_path / "one.ndjson").write_text(event("one"))
    for variables, told in (
        (server.variables, "there is no such bucket; create it, or correct the URL"),
        (
            server.variables | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_ports(1)[0]}"},
            "check the network and the store, then run the same command again",
        ),
    ):
        done = hourtally("list", "--home", "s3://not-there/home", variables=variables)
        assert done.returncode == 1
        assert "s3://not-there/home" in done.stderr
        assert told in done.stderr


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_a_demo_in_a_bucket_publishes_what_a_local_run_does(
    server: S3Server, local: dict[str, bytes]
) -> None:
    home = f"s3://{server.bucket()}/demo"
    done = hourtally("demo", "--home", home, variables=server.variables)
    assert done.returncode == 0, done.stderr
    assert f"Documents: {home}/hours. Quarantined lines: {home}/quarantine." in done.stdout
    assert content(server, home) == local
    assert not Path("s3:").exists()


@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize("kind", ["503", "429", "lost", "cut", "slow"])
def test_answers_that_fail_on_the_wire_change_nothing(
    server: S3Server, home: str, local: dict[str, bytes], kind: str
) -> None:
    port = int(server.variables["AWS_ENDPOINT_URL"].rpartition(":")[2])
    with faulty_proxy(port, kind) as proxy:
        variables = server.variables | {"AWS_ENDPOINT_URL": proxy.url}
        done = hourtally("run", *NOW, "--home", home, variables=variables)
        assert done.returncode == 3, done.stderr
        assert hourtally("run", *NOW, "--home", home, variables=variables).returncode == 0
        assert hourtally("verify", "--home", home, variables=variables).returncode == 0
        assert proxy.faults["GET"] > 10
        assert kind == "cut" or proxy.faults["PUT"] > 5
    assert content(server, home) == local
