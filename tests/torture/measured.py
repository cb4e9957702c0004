"""A command as a process of its own: what it said, how long it took, how much memory it held."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

from tests.command_line import command, environment

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


def measured(*arguments: str | Path) -> Measured:
    """Run a command of hourtally to its end; it never prints a traceback."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        with subprocess.Popen(
            command(*arguments), stdout=out, stderr=err, env=environment(), preexec_fn=limit
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        said, complained = (_text_of(file) for file in (out, err))
    assert "Traceback" not in complained, complained
    peak_mib = usage.ru_maxrss >> 10
    done = Measured(process.returncode, said, complained, seconds, peak_mib)
    log.info("%s: %.1f s, %d MiB", " ".join(map(str, arguments))[:90], seconds, done.peak_mib)
    return done


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
