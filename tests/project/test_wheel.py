"""The wheel: one package with all its files, which works where the repository is not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from hourtally.jobs.sample import write_sample
from tests.support.command_line import ROOT, documents
from tests.support.prefect_server import PrefectServer, until

PUBLISHED = ["2026-11-02T09", "2026-11-02T10", "2026-11-02T11"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    return path


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "hourtally").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected
    assert {"hourtally/py.typed", "hourtally/server/openapi.json"} <= names
    suffixes = {".py", ".sql", ".json", ".toml", ".typed", ".html", ".css", ".svg"}
    assert {Path(name).suffix for name in names} == suffixes


def test_the_wheel_has_readme_licence_and_classifiers(wheel: Path) -> None:
    about = metadata(wheel)
    assert about["Name"] == "hourtally"
    assert about["License-Expression"] == "Apache-2.0"
    assert about.get_all("License-File") == ["LICENSE"]
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload() == (ROOT / "README.md").read_text()
    assert "Typing :: Typed" in about.get_all("Classifier", [])
    assert about.get_all("Provides-Extra") == ["dask", "object-store", "server"]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `hourtally` of an environment that has the wheel, and of this one the dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder)]
    install = [*pip, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    [packages] = folder.glob("lib/python*/site-packages")
    # A folder that a .pth file names has its own .pth files passed over: those of an editable
    # installation are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "hourtally"


def environment() -> dict[str, str]:
    left_out = ("PYTHON", "PREFECT", "HOURTALLY")
    return {name: text for name, text in os.environ.items() if not name.startswith(left_out)}


@pytest.mark.slow
def test_the_wheel_and_not_the_repository_is_what_runs(installed: Path, tmp_path: Path) -> None:
    program = (
        "import hourtally, importlib.util as u; print(hourtally.__file__, u.find_spec('flows'))"
    )
    done = subprocess.run(
        [installed.parent / "python", "-c", program],
        cwd=tmp_path,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    file, flows = done.stdout.split()
    assert Path(file).is_relative_to(installed.parents[1])
    assert flows == "None"


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed, "demo"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(documents(tmp_path / "data" / "demo")) == PUBLISHED


@contextlib.contextmanager
def scheduled(installed: Path, server: PrefectServer, home: Path) -> Iterator[None]:
    variables = {name: text for name, text in server.environment.items() if name != "PYTHONPATH"}
    with (home / "schedule.log").open("w") as log:
        process = subprocess.Popen(
            [installed, "schedule", "--home", home],
            cwd=home,
            env=variables,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    try:
        yield
    finally:
        # The flow's process is of the same group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_schedule_served_from_the_wheel_executes_its_runs(
    installed: Path, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    write_sample(tmp_path)

    def deployed() -> bool:
        deployment = prefect_server.deployment("hourtally-hourly/hourtally-hourly")
        return deployment is not None and deployment.parameters.get("home") == str(tmp_path)

    with scheduled(installed, prefect_server, tmp_path), prefect_server.client() as client:
        until("the flow is served", deployed)
        deployment = prefect_server.deployment("hourtally-hourly/hourtally-hourly")
        assert deployment is not None
        run = client.create_flow_run_from_deployment(deployment.id)

        def ended() -> bool:
            state = client.read_flow_run(run.id).state
            return state is not None and state.is_final()

        until("the run has ended", ended)
        state = client.read_flow_run(run.id).state

    assert state is not None
    # The sample has one bad line.
    assert state.name == "Quarantined", (tmp_path / "schedule.log").read_text()
    assert sorted(documents(tmp_path)) == PUBLISHED
