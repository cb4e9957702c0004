"""Pages of README.md and docs/: what their blocks of code say, and what running them prints.

The convention is in CONTRIBUTING.md: `console` blocks hold commands and their output, `sh` blocks
hold scripts, and a block of another language is saved where its first line names a file.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# In shown output it stands for any text of a line; a line of nothing else, for any lines.
ELLIPSIS: Final = "…"
_FENCE: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S
)
_FILE_NAME: Final = re.compile(r"(?:#|//|--) (?P<name>[\w./-]+\.\w+)\n")
# Marks the end of a command's output, around its exit status.
_MARK: Final = "\x1e"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where the text is in the page."""

    language: str
    text: str
    start: int
    end: int
    indent: str


@dataclass(frozen=True)
class Command:
    """A command of a page, and the output that is shown for it; None: none is shown."""

    text: str
    shown: str | None
    block: Block
    # Whether the page prints the status next, so that one other than 0 is meant.
    may_fail: bool = False


@dataclass(frozen=True)
class Result:
    """What a command printed on standard output and standard error, and its exit status."""

    command: Command
    output: str
    status: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(
            match["language"],
            re.sub(f"^{match['indent']}", "", match["body"], flags=re.M),
            *match.span("body"),
            match["indent"],
        )
        for match in _FENCE.finditer(page)
    ]


def file_of(block: Block) -> str | None:
    """The name under which a block that is no command is saved, if its first line has one."""
    if block.language in {"sh", "console"}:
        return None
    match = _FILE_NAME.match(block.text)
    return match["name"] if match else None


def commands(block: Block) -> list[Command]:
    """The commands of a block, in order."""
    if block.language == "sh":
        return [Command(block.text, None, block)]
    if block.language != "console":
        return []
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif not found:
            message = f"a console block does not begin with '$ ': {line}"
            raise ValueError(message)
        elif found[-1][0].endswith("\\\n") and not found[-1][1]:
            found[-1] = (found[-1][0] + line, "")
        else:
            found[-1] = (found[-1][0], found[-1][1] + line)
    following = [text for text, _ in found[1:]] + [""]
    return [
        Command(text, shown, block, may_fail=after.startswith("echo $?"))
        for (text, shown), after in zip(found, following, strict=True)
    ]


def run(found: list[Command], folder: Path, environment: Mapping[str, str]) -> Iterator[Result]:
    """Run commands in one shell, so that `cd` and variables last; stops where the shell ends."""
    script = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT", "exec 2>&1"]
    for command in found:
        script += [
            command.text,
            f"status=$?; printf '{_MARK}%d{_MARK}' $status; (exit $status)",
        ]
    with (folder / ".printed").open("w+") as printed:
        # Not a pipe, which a server left in the background would hold open.
        subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            check=False,
        )
        printed.seek(0)
        parts = printed.read().split(_MARK)
    for command, output, status in zip(found, parts[::2], parts[1::2], strict=False):
        yield Result(command, output, int(status))


def matches(shown: str, printed: str) -> bool:
    """Whether output is what a page shows, `…` standing for anything."""
    lines = [
        r"(?:.*\n)*?"
        if line.strip() == ELLIPSIS
        else ".*?".join(re.escape(part) for part in line.split(ELLIPSIS)) + r"\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), _with_line_feed(printed)) is not None


def updated(shown: str, printed: str) -> str:
    """The printed output, with lines of the shown one kept where they have a `…` and match."""
    patterns = [line for line in shown.splitlines() if ELLIPSIS in line.strip(f" {ELLIPSIS}")]
    lines = []
    for line in printed.splitlines():
        kept = [one for one in patterns if matches(one, line)]
        lines.append((kept[0] if kept else line).rstrip())
    return "".join(f"{line}\n" for line in lines)


def with_outputs(page: str, results: list[Result]) -> str:
    """The page with what its commands have printed."""
    texts: dict[Block, str] = {}
    for result in results:
        command = result.command
        if command.shown is None:
            continue
        kept = matches(command.shown, result.output)
        shown = command.shown if kept else updated(command.shown, result.output)
        texts[command.block] = texts.get(command.block, "") + f"$ {command.text}{shown}"
    for block in sorted(texts, key=lambda one: one.start, reverse=True):
        body = re.sub("^(?=.)", block.indent, texts[block], flags=re.M)
        page = page[: block.start] + body + page[block.end :]
    return page


def _with_line_feed(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines)
