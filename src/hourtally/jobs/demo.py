"""The demonstration: the sample in a home of its own, and the hourly flow on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from hourtally.errors import HourtallyError
from hourtally.jobs import sample
from hourtally.jobs.prefect_environment import serverless_environment
from hourtally.model.hours import format_instant
from hourtally.store.durable import make_folder
from hourtally.store.layout import Home

_SHOWN_LOG_LINES: Final = 20


def run_demo(home: Home, environment: Mapping[str, str]) -> str:
    """Write the sample into a home folder and run the hourly flow there; the flow's summary.

    The flow has a process of its own, because Prefect starts and ends a temporary API beside
    it, and prints stack traces where that is slow to end on a busy machine: what the process
    says goes to a log file, and to a person only where the flow failed.

    Raises:
        HourtallyError: the flow failed; with the end of the log.
    """
    sample.write_sample(home.root)
    log = home.root.absolute() / ".prefect" / "demo.log"
    make_folder(log.parent)
    # -P: only installed packages, nothing that lies in the working folder.
    command = [sys.executable, "-P", "-m", "hourtally.orchestration.demo"]
    with log.open("w") as messages:
        done = subprocess.run(
            [*command, str(home.root.absolute()), format_instant(sample.NOW_MS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            # Prefect takes settings from files in the working folder: there are none here.
            cwd=log.parent,
            env=serverless_environment(home, environment),
            check=False,
        )
    if done.returncode:
        end = "\n".join(log.read_text().splitlines()[-_SHOWN_LOG_LINES:])
        message = f"the demonstration's flow failed; {log} says why, and ends with:\n{end}"
        raise HourtallyError(message)
    return done.stdout
