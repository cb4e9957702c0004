"""System calls of a command: watched, and one of them killed at or made to fail, by strace."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.command_line import environment

WRITING: Final = frozenset(
    {"write", "pwrite64", "writev", "ftruncate", "fallocate", "fsync", "fdatasync", "sync"}
    | {"rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"}
    | {"mkdir", "mkdirat", "rmdir"}
)
OPENING: Final = frozenset({"openat"})
READING: Final = frozenset({"read", "pread64"})

# What stands between quotes in these is no path.
_OF_BYTES: Final = frozenset({"read", "pread64", "write", "pwrite64", "writev"})
_CALL: Final = re.compile(r"(\d+) +(\w+)\((.*)")
_LITERAL: Final = re.compile(r'"([^"]*)"')
_DESCRIBED: Final = re.compile(r"\d+<([^>]*)>")


class Call(NamedTuple):
    """The nth call of this name, in its thread, that has to do with this path.

    A path is what the call was given, or the one behind its descriptor. It is None for a call
    that is given none.
    """

    name: str
    path: str | None
    number: int

    def options(self, effect: str, *, on: bool = False) -> list[str]:
        """Of strace: the effect on this call; on: and on all of this name and path after it."""
        chosen = ["-P", self.path] if self.path else []
        when = f"{self.number}{'+' if on else ''}"
        return [
            *chosen,
            "-e",
            f"trace={self.name}",
            "-e",
            f"inject={self.name}:{effect}:when={when}",
        ]


def traced(options: Sequence[str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours under strace."""
    command = [sys.executable, "-m", "tests.torture.faults.numbered_nonces", *map(str, arguments)]
    return subprocess.run(
        ["strace", "-f", "-qq", *options, *command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def effected(options: Sequence[str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The same, with nothing kept of what strace has seen."""
    return traced(["-o", "/dev/null", *options], *arguments)


def calls_of(folder: Path, names: frozenset[str], *arguments: str | Path) -> list[Call]:
    """The calls that a command makes with paths below a folder, and those without any path.

    Of two threads that make the same call of the same path, an effect meets who comes first; the
    call is listed once. Files that are opened without being made are listed beside reading calls.
    """
    with tempfile.NamedTemporaryFile("r", prefix="strace-") as log:
        done = traced(["-y", "-o", log.name, "-e", f"trace={','.join(sorted(names))}"], *arguments)
        assert done.returncode in {0, 3}, done.stderr
        return list(dict.fromkeys(_calls(log, folder, names >= READING)))


def _calls(log: Iterator[str], folder: Path, reading: bool) -> Iterator[Call]:
    counted: Counter[tuple[str, str, str | None]] = Counter()
    for line in log:
        if not (match := _CALL.match(line)):
            continue
        thread, name, rest = match.groups()
        if name == "sync":
            path = None
        else:
            literal = _LITERAL.search(rest) if name not in _OF_BYTES else None
            described = _DESCRIBED.search(rest)
            path = literal[1] if literal else described[1] if described else ""
            around = described[1] if described else ""
            if not f"{around}/{path}".count(str(folder)):
                continue
        counted[thread, name, path] += 1
        if name == "openat" and "O_CREAT" not in rest and not reading:
            continue
        yield Call(name, path, counted[thread, name, path])
