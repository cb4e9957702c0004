"""A command's system calls under strace: list them, kill at one, or make one fail."""

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

# A quoted string in these is data, not a path.
_OF_BYTES: Final = frozenset({"read", "pread64", "write", "pwrite64", "writev"})
_CALL: Final = re.compile(r"(\d+) +(\w+)\((.*)")
_LITERAL: Final = re.compile(r'"([^"]*)"')
_DESCRIBED: Final = re.compile(r"\d+<([^>]*)>")


class Call(NamedTuple):
    """The nth call of this name on this path, counted per thread.

    The path is the call's argument or the one behind its descriptor; None if it has neither.
    """

    name: str
    path: str | None
    number: int

    def options(self, effect: str, *, on: bool = False) -> list[str]:
        """Options of strace for an effect on this call; with `on`, on all later ones too."""
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
    """Run a hourtally command under strace."""
    command = [sys.executable, "-m", "tests.torture.faults.numbered_nonces", *map(str, arguments)]
    return subprocess.run(
        ["strace", "-f", "-qq", *options, *command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def run_with_fault(
    options: Sequence[str], *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run a command under strace with a fault injected; no trace is kept."""
    return traced(["-o", "/dev/null", *options], *arguments)


def traced_calls(folder: Path, names: frozenset[str], *arguments: str | Path) -> list[Call]:
    """The calls a command makes on paths below a folder, and those without a path.

    Where two threads make the same call on the same path, it is listed once and a fault hits
    whichever comes first. Opening an existing file is listed only together with reading calls.
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
