"""What holds for the project as a whole: its lock, its layers, its lint exceptions."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hourtally.jobs.sample import NOW_MS, write_sample
from hourtally.model.hours import format_instant

ROOT = Path(__file__).parents[2]


def imported_modules(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
    return names


def test_every_pin_of_the_lock_is_exact_and_has_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.split(r"\n(?=\S)", lock.strip())

    assert len(pins) > 100
    for pin in pins:
        name = pin.split(" ")[0]
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9, -]+\])?==[^ ]+", re.split(r" [;\\]", pin)[0])
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", pin), name


def test_the_lock_names_no_address_and_no_path() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    for forbidden in ("://", "--index", "--extra-index", "--find-links", "file:", "-e ", "#"):
        assert forbidden not in lock


def test_the_core_imports_no_prefect() -> None:
    sources = sorted((ROOT / "src").rglob("*.py"))

    assert len(sources) > 5
    for source in sources:
        for name in imported_modules(source.read_text()):
            assert name.split(".")[0] != "prefect", f"{source} imports {name}"


@pytest.mark.parametrize(
    "command",
    [["run"], ["backfill", "--from", "2026-11-02T09", "--to", "2026-11-02T12", "--force"]],
)
def test_run_and_backfill_import_no_prefect_where_no_server_is_named(
    tmp_path: Path, command: list[str]
) -> None:
    write_sample(tmp_path)
    arguments = [*command, "--home", str(tmp_path), "--now", format_instant(NOW_MS)]
    program = (
        "import sys\n"
        "from hourtally.cli.app import call\n"
        f"call({arguments!r})\n"
        "print('prefect' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "False"
    # The backfill takes no inbox, and publishes its hours as ones without events.
    assert len(list((tmp_path / "hours").iterdir())) == 3


def test_what_a_worker_process_imports_anew_is_no_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, _ = project["scripts"]["hourtally"].partition(":")

    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print('hourtally.cli.app' in sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "False\n"
