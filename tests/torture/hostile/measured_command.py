"""A command as a process of its own: what it said, how long it took, how much memory it held."""

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

# What a defect may take of a machine before it is ended: address space, of which engines reserve
# more than they use.
_MOST_BYTES = 16 << 30


# The figures of a run are seen with --log-cli-level=INFO.
log = logging.getLogger(__name__)


class Measured(NamedTuple):
    """peak_mib: the most memory that the process held at a time."""

    status: int
    out: str
    err: str
    seconds: float
    peak_mib: int


# The system's own count would begin with what the process held that this one was forked from.
# A command ends its process itself, so it is there that it tells.
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
    """Skip a test that looks into another process where Linux's way to do so is not there."""
    if not Path("/proc/self/status").exists():
        pytest.skip("there is no /proc to look into another process by")


def measured(*arguments: str | Path) -> Measured:
    """Run a command of hourtally to its end; it never prints a traceback."""
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
