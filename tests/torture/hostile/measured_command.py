"""A command as its own process, with its output, duration and peak memory."""

from __future__ import annotations

import logging
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command_line import environment

# Limit on address space, so that a defect cannot take the machine down. Engines reserve more than
# they use.
_MOST_BYTES = 16 << 30


# --log-cli-level=INFO shows the figures of a run.
log = logging.getLogger(__name__)


class Measured(NamedTuple):
    """peak_mib: the most resident memory the process had."""

    status: int
    out: str
    err: str
    seconds: float
    peak_mib: int


# The kernel's count for a child starts from its parent's memory, so the process reports itself.
# A command ends with os._exit, so that is where it reports.
_PROGRAM = """
import os, pathlib, sys
report, status = pathlib.Path(sys.argv.pop(1)), pathlib.Path("/proc/self/status")
leave = os._exit
def tell_and_leave(code):
    report.write_text(status.read_text())
    leave(code)
os._exit = tell_and_leave
from hourtally.cli.app import main
main()
"""


def needs_proc() -> None:
    """Skip a test that inspects another process where there is no /proc."""
    if not Path("/proc/self/status").exists():
        pytest.skip("there is no /proc to inspect another process with")


def measured(*arguments: str | Path) -> Measured:
    """Run a hourtally command to its end; it must never print a traceback."""
    needs_proc()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))

    with tempfile.NamedTemporaryFile("r") as report:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, report.name, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment(),
            preexec_fn=limit,
            check=False,
        )
        seconds = time.perf_counter() - started
        peak = re.search(r"VmHWM:\s+(\d+) kB", report.read())
    assert "Traceback" not in done.stderr, done.stderr
    assert peak is not None, f"it was ended: {done.returncode}"
    peak_mib = int(peak[1]) >> 10
    log.info("%s: %.1f s, %d MiB", " ".join(map(str, arguments))[:90], seconds, peak_mib)
    return Measured(done.returncode, done.stdout, done.stderr, seconds, peak_mib)
