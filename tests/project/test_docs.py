"""Every command in README.md and docs/ runs, and prints what the page shows.

`HOURTALLY_UPDATE_DOCS=1 pytest -m "slow or not slow" tests/project/test_docs.py` writes what they
print into the pages.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest

from tests.project.doc_pages import (
    Command,
    Result,
    blocks,
    commands,
    file_of,
    matches,
    run,
    updated,
    with_outputs,
)
from tests.support.command_line import ROOT
from tests.support.tools import require_tool

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
# Commands of these are run where they are installed.
TOOLS = ["curl", "go", "jq", "node"]
# The folder and the port of the pages stand for those of the test.
SHOWN_FOLDER = "/home/you/hourtally"
SHOWN_PORT = "8080"


def checkout(folder: Path) -> None:
    """What the commands of the pages need of the repository."""
    for name in ("Makefile", "prefect.yaml", "data/rates.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "data/sample", folder / "data/sample")


def programs(folder: Path) -> None:
    """`hourtally`, `python` and `make` of the tested tree, as a shell finds them.

    `hourtally run` reads an inbox file again that it read less than 2 s after it was written. No
    reader of a page is that fast, so `hourtally` waits for these 2 s.
    """
    folder.mkdir()
    path = f"PYTHONPATH={ROOT / 'src'}:{ROOT}"
    fresh = "find . -path ./data -prune -o -path '*/inbox/*' -newerct '-2.1 seconds' -print"
    wait = f'while [ "$({fresh})" ]; do sleep 0.1; done\n'
    make = f"exec {shutil.which('make')} --assume-old .venv/.installed BIN={folder}"
    for name, command in {
        "hourtally": f"{wait}{path} exec {sys.executable} -m hourtally",
        "python": f"exec {sys.executable}",
        "make": f"{make} --no-print-directory",
    }.items():
        (folder / name).write_text(f'#!/bin/sh\n{command} "$@"\n')
        (folder / name).chmod(0o755)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def results(page: Path, found: list[Command], tmp_path: Path) -> list[Result]:
    """Run commands of a page, with the files that it shows."""
    folder = (tmp_path / "hourtally").resolve()
    checkout(folder)
    programs(tmp_path / "bin")
    for block in blocks(page.read_text()):
        if name := file_of(block):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(block.text)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT", "HOURTALLY", "PYTHON"))
    }
    port = free_port()
    environment = kept | {
        "PATH": f"{tmp_path / 'bin'}:{kept['PATH']}",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(tmp_path),
    }
    replaced = [
        Command(one.text.replace(SHOWN_PORT, port), one.shown, one.block, one.may_fail)
        for one in found
    ]
    return [
        Result(
            original,
            result.output.replace(str(folder), SHOWN_FOLDER).replace(f":{port}", f":{SHOWN_PORT}"),
            result.status,
        )
        for original, result in zip(found, run(replaced, folder, environment), strict=False)
    ]


def runnable(page: Path) -> list[Command]:
    """The commands of a page but those of make, and of tools that are not installed."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    found = []
    left_out = False
    for command in (one for block in blocks(page.read_text()) for one in commands(block)):
        needs = any(re.search(rf"(^|[|(] *){tool} ", command.text, re.M) for tool in absent)
        left_out = (
            needs
            or command.text.startswith("make ")
            or (left_out and command.text.startswith("echo $?"))
        )
        if not left_out:
            found.append(command)
    return found


def check(page: Path, found: list[Command], tmp_path: Path) -> None:
    """Run commands of a page; they print what it shows, or are made to."""
    done = results(page, found, tmp_path)
    for result in done:
        command = result.command
        assert command.may_fail or result.status == 0, f"$ {command.text}{result.output}"
    assert len(done) == len(found), f"the shell ended after $ {done[-1].command.text}"
    if os.environ.get("HOURTALLY_UPDATE_DOCS"):
        page.write_text(with_outputs(page.read_text(), done))
        return
    for result in done:
        shown = result.command.shown
        if shown is not None and not matches(shown, result.output):
            assert result.output == shown, f"$ {result.command.text}"


# The how-to page alone takes 50 s: it is a slow test.
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem == "how-to" else [])
        for page in PAGES
    ],
)
def test_every_command_of_a_page_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    check(page, runnable(page), tmp_path)


@pytest.mark.slow
def test_make_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    [block] = [one for one in blocks(README.read_text()) if one.text.startswith("$ make ")]
    check(README, commands(block), tmp_path)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_of_the_pages_is_installed_so_that_its_commands_ran(tool: str) -> None:
    require_tool(tool)


def test_links_between_pages_lead_to_files_and_headings() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
            name, _, heading = target.partition("#")
            linked = (page.parent / name).resolve() if name else page
            assert linked.exists(), f"{page.name} links to {target}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
                anchors = [
                    re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings
                ]
                assert heading in anchors, f"{page.name} links to {target}"


def test_source_files_that_pages_name_exist() -> None:
    package = ROOT / "src" / "hourtally"
    named = re.findall(r"`([\w/]+(?:\.\w+|/))`", (ROOT / "docs/architecture.md").read_text())
    assert len(named) > 20
    gone = [name for name in named if not ((ROOT / name).exists() or (package / name).exists())]
    assert gone == []
    for page in PAGES:
        for name in re.findall(r"`((?:src|flows|tests|docs)/[\w./-]+)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_the_architecture_lists_every_package() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/architecture.md").read_text(), re.M)
    packages = [path.parent.name for path in (ROOT / "src/hourtally").glob("*/__init__.py")]
    assert sorted(listed) == sorted(packages)


def test_an_ellipsis_stands_for_part_of_a_line_or_for_lines() -> None:
    assert matches("built in … s\n", "built in 0.3 s\n")
    assert matches("first\n…\nlast\n", "first\na\nb\nlast\n")
    assert matches("first\n…\nlast\n", "first\nlast\n")
    assert not matches("built in … s\n", "built in 0.3 s\nmore\n")
    assert not matches("price 1.5\n", "price 1x5\n")


def test_an_update_keeps_the_ellipses_of_lines_that_still_match() -> None:
    assert updated("old\nbuilt in … s\n", "new\nbuilt in 7 s\n") == "new\nbuilt in … s\n"


def test_an_update_writes_the_output_below_each_command() -> None:
    page = "Text\n\n```console\n$ echo \\\n    one\nold\n$ true\n```\n\nMore\n"
    [block] = blocks(page)
    one, two = commands(block)
    assert (one.text, one.shown, two.shown) == ("echo \\\n    one\n", "old\n", "")
    assert with_outputs(page, [Result(one, "one\n", 0), Result(two, "", 0)]) == page.replace(
        "old", "one"
    )


def test_a_command_may_fail_only_where_its_status_is_shown_next() -> None:
    [block] = blocks("```console\n$ false\n$ echo $?\n1\n$ true\n```\n")
    assert [one.may_fail for one in commands(block)] == [True, False, False]
