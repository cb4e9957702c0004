"""The demo: write the sample into a home folder of its own and run the hourly flow on it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hourtally.errors import HourtallyError, with_urls
from hourtally.jobs import sample
from hourtally.jobs.prefect_environment import serverless_environment
from hourtally.model.hours import format_instant
from hourtally.store.durable import make_folder
from hourtally.store.layout import Home

STEP_PREFIX: Final = "step: "
"""Begins each line of the flow's process that is progress and not summary."""
_LOG_LINES_SHOWN: Final = 20
ROOM_BYTES: Final = 32_000_000
"""The demo writes 6 MB. On a full disk Prefect retries for minutes, and its log stays empty."""


def run_demo(home: Home, environment: Mapping[str, str], say: Callable[[str], None]) -> str:
    """Write the sample into a home folder and run the hourly flow there; the flow's summary.

    The flow runs in a process of its own, because Prefect starts and stops a temporary server for
    it, and prints stack traces if that is slow to stop on a busy machine. The process logs to a
    file, and the user sees the end of it only if the flow fails.

    Args:
        home: is created.
        environment: of this process.
        say: called with each step as it begins; the whole takes up to a minute.

    Raises:
        HourtallyError: there is no room for it, or the flow failed; with the end of the log.
    """
    say(f"Writing sample events to {with_urls(str(home.inbox))} …")
    sample.write_sample(home.root)
    log = home.root.absolute() / ".prefect" / "demo.log"
    make_folder(log.parent)
    require_room(log.parent, ROOM_BYTES)
    # -P: only installed packages, nothing from the working folder.
    command = [sys.executable, "-P", "-m", "hourtally.orchestration.demo"]
    say("Loading Prefect …")
    with (
        log.open("w") as messages,
        subprocess.Popen(
            [*command, home.place, format_instant(sample.NOW_MS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            # Prefect reads settings from files in the working folder; here there are none.
            cwd=log.parent,
            env=serverless_environment(home, environment),
        ) as process,
    ):
        assert process.stdout is not None
        summary = []
        for line in process.stdout:
            if line.startswith(STEP_PREFIX):
                say(line.removeprefix(STEP_PREFIX).rstrip())
            else:
                summary.append(line)
    if process.returncode:
        end = "\n".join(log.read_text().splitlines()[-_LOG_LINES_SHOWN:])
        message = f"the demo's flow failed. {log} says why; it ends with:\n{end}"
        if not end.strip():
            message = (
                f"the demo's flow failed, and its log {log} is empty. Check that the disk is not "
                "full, then run the same command again"
            )
        raise HourtallyError(message)
    return "".join(summary)


def require_room(folder: Path, needed: int) -> None:
    """Check that a disk has room for so many bytes.

    Raises:
        HourtallyError: it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = (
            f"{folder}: the disk has {free / 1e6:.1f} MB free, and the demo needs "
            f"{needed / 1e6:.0f} MB; free space, or give a folder on another disk with --home, "
            "then run the demo again"
        )
        raise HourtallyError(message)
