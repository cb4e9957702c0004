"""Runs commands as new processes: wall time, CPU time and peak memory.

The measuring process must stay small, because on Linux a child's peak memory starts from its
parent's. So it imports no engine; whatever needs one runs as a process, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

# Longer commands run three times at most: their median is steady enough.
LONG_SECONDS = 20
LONG_RUNS = 3
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1_024


class CommandFailed(Exception):
    """A measured command failed, so there is no result."""


@dataclass(frozen=True)
class Run:
    """One run. cpu_seconds: user and system; peak_bytes: of its largest process."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Command:
    """What is measured: processes one after the other. before: prepares a run, unmeasured."""

    name: str
    steps: Sequence[Sequence[str]]
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Measured:
    """All runs of a command."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seconds(self) -> float:
        """The median."""
        return median(run.seconds for run in self.runs)

    @property
    def spread(self) -> tuple[float, float]:
        """Seconds of the fastest and of the slowest run."""
        return min(run.seconds for run in self.runs), max(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """The median."""
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_gb(self) -> float:
        """The largest, in 10^9 bytes."""
        return max(run.peak_bytes for run in self.runs) / 1e9


def run_once(arguments: Sequence[str], environment: dict[str, str]) -> Run:
    """Run a process to its end.

    Raises:
        CommandFailed: its exit status is not 0; the message has the end of what it said.
    """
    return run_and_read(arguments, environment)[0]


def run_and_read(arguments: Sequence[str], environment: dict[str, str]) -> tuple[Run, str]:
    """The same, with what the process has said.

    Raises:
        CommandFailed: its exit status is not 0; the message has the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            arguments, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode:
        message = f"exit status {process.returncode} of {' '.join(arguments)}\n{text[-2_000:]}"
        raise CommandFailed(message)
    run = Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_BYTES)
    return run, text


def pace_seconds() -> float:
    """How long plain Python counts to ten million: how fast the machine is just now."""
    start = time.perf_counter()
    count = 0
    while count < 10_000_000:
        count += 1
    return time.perf_counter() - start


def measure(commands: Sequence[Command], runs: int, environment: dict[str, str]) -> list[Measured]:
    """Each command `runs` times, in turn, so that a slow spell of the machine meets all."""
    taken: list[list[Run]] = [[] for _ in commands]
    for number in range(runs):
        for command, own in zip(commands, taken, strict=True):
            if number >= LONG_RUNS and own[0].seconds > LONG_SECONDS:
                continue
            command.before()
            # What was written before must not be flushed at the expense of what is measured.
            os.sync()
            steps = [run_once(step, environment) for step in command.steps]
            own.append(
                Run(
                    sum(step.seconds for step in steps),
                    sum(step.cpu_seconds for step in steps),
                    max(step.peak_bytes for step in steps),
                )
            )
    return [
        Measured(command.name, tuple(own)) for command, own in zip(commands, taken, strict=True)
    ]
