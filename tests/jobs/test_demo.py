from __future__ import annotations

import os
from pathlib import Path

import pytest

from hourtally.errors import HourtallyError
from hourtally.jobs.demo import require_room, run_demo
from hourtally.model.hours import Hour
from hourtally.published.reader import read_document
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest

ROOT = Path(__file__).parents[2]


def environment_with(folder: Path) -> dict[str, str]:
    """That of a person whose files are in a folder and whose Prefect server is not there."""
    folder.mkdir()
    return {
        **os.environ,
        "HOME": str(folder),
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }


def test_it_builds_the_sample_without_a_server_and_writes_only_into_its_home(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    person = tmp_path / "person"
    home = Home(tmp_path / "home")

    steps: list[str] = []

    summary = run_demo(home, environment_with(person), steps.append)

    assert steps == [
        f"Writing sample events to {home.inbox} …",
        "Loading Prefect …",
        "Starting a temporary Prefect server …",
        "Running the hourly flow …",
        "Built 1 of 3 hours",
        "Built 2 of 3 hours",
        "Built 3 of 3 hours",
        "Stopping Prefect …",
    ]

    assert (
        "New files: 7. Events accepted: 112, duplicate lines: 1, lines in quarantine: 1." in summary
    )
    manifest = current_manifest(home, Hour.parse("2026-11-02T09"))
    assert manifest is not None
    # initech has two clusters for one hour of 720 a month, in cents:
    #   prod, us-east: 64 vCPU x 1000 / 720 = 88.888888889, 256 GiB x 250/3 / 720 = 29.629629630,
    #     the cluster 7300 / 720 = 10.138888889
    #   stage, eu-west: 8 vCPU x 1000 / 720 = 11.111111111, 32 GiB x 100 / 720 = 4.444444444,
    #     the cluster 10.138888889
    # cpu 100, memory 34.074074074, clusters 20.277777778; together 154.351851852
    assert read_document(manifest, "initech").endswith(
        b'"byocUsage":{"price":{"total":154.351851852,"vcpu":100,"memory":34.074074074,'
        b'"gpuMemory":0,"cluster":20.277777778}}}}'
    )
    assert list(person.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def environment_of_a_flow(tmp_path: Path, code: str) -> dict[str, str]:
    """An environment in which the demo runs this instead of the flow."""
    package = tmp_path / "hourtally" / "orchestration"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "demo.py").write_text(code)
    return environment_with(tmp_path / "person") | {"PYTHONPATH": str(tmp_path)}


def test_a_flow_that_fails_says_where_its_log_is(tmp_path: Path) -> None:
    environment = environment_of_a_flow(tmp_path, "raise SystemExit('the disk is full')")
    log = tmp_path / "home" / ".prefect" / "demo.log"

    with pytest.raises(HourtallyError, match=f"{log} says why.*\nthe disk is full"):
        run_demo(Home(tmp_path / "home"), environment, lambda _step: None)


def test_a_flow_that_fails_without_a_word_points_at_the_disk(tmp_path: Path) -> None:
    environment = environment_of_a_flow(tmp_path, "raise SystemExit(1)")

    with pytest.raises(
        HourtallyError, match=r"demo\.log is empty\. Check that the disk is not full"
    ):
        run_demo(Home(tmp_path / "home"), environment, lambda _step: None)


def test_too_little_room_is_said_with_what_to_do(tmp_path: Path) -> None:
    said = r"MB free, and the demo needs 1000000000000 MB; free space, or give a folder on another"
    with pytest.raises(HourtallyError, match=said):
        require_room(tmp_path, 10**18)

    require_room(tmp_path, 1)
