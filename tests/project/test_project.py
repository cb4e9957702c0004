"""What holds for the project as a whole: its lock, its size, and what a start imports.

Which package may import which is import-linter's to say (`make lint`).
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourtally.jobs.sample import NOW_MS, write_sample
from hourtally.model.hours import format_instant
from tests.support.command_line import ROOT

FOLDERS = ["src", "flows", "tests", "docs", "data/sample", ".ci"]
MODULES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "flows").rglob("*.py")])
# Their parameters are the public interface, so there may be more than six.
COMMANDS = ROOT / "src" / "hourtally" / "cli" / "commands"


def committed_files() -> list[Path]:
    """The files of the project, without what installing, running and testing leave behind."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    top = (path for path in ROOT.iterdir() if path.name != ".git")
    return [path for path in [*inside, *top] if path.is_file() and "__pycache__" not in path.parts]


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The names of its parameters, `self` and `cls` aside."""
    given = function.args
    extra = [one for one in (given.vararg, given.kwarg) if one]
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *extra]
    return [one.arg for one in every if one.arg not in {"self", "cls"}]


def is_flow(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is a Prefect flow: `@flow`, `@flow(...)`."""
    return any(re.match(r"flow\b", ast.unparse(one)) for one in function.decorator_list)


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


def test_no_file_names_the_address_of_a_package_index() -> None:
    index = re.compile(r"https?://[^\s\"']*/simple\b|pythonhosted" + r"\.org|index-url[= ]+http")
    texts = {path: path.read_text(errors="replace") for path in committed_files()}
    found = {path: match[0] for path, text in texts.items() if (match := index.search(text))}
    assert found == {}


def test_the_readme_has_at_most_8_kb() -> None:
    assert (ROOT / "README.md").stat().st_size <= 8 * 1024


def test_a_folder_has_at_most_20_files() -> None:
    folders = [path for folder in FOLDERS for path in [ROOT / folder, *(ROOT / folder).rglob("*")]]
    counts = {
        str(folder.relative_to(ROOT)): sum(path.is_file() for path in folder.iterdir())
        for folder in folders
        if folder.is_dir() and folder.name != "__pycache__"
    }
    assert {folder: count for folder, count in counts.items() if count > 20} == {}


def test_a_module_has_at_most_300_lines() -> None:
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in MODULES}
    assert {path: count for path, count in lines.items() if count > 300} == {}


def test_a_function_has_at_most_70_lines() -> None:
    lines = {
        f"{path.relative_to(ROOT)}: {one.name}": (one.end_lineno or one.lineno) - one.lineno + 1
        for path in MODULES
        for one in functions(path)
    }
    assert {name: count for name, count in lines.items() if count > 70} == {}


def test_a_function_has_at_most_6_parameters_unless_it_is_a_command_or_a_flow() -> None:
    counts = {
        f"{path.relative_to(ROOT)}: {one.name}": len(parameters(one))
        for path in MODULES
        if path.parent != COMMANDS
        for one in functions(path)
        if not is_flow(one)
    }
    assert {name: count for name, count in counts.items() if count > 6} == {}


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
    # The backfill does not ingest the inbox: it publishes three hours without events.
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
