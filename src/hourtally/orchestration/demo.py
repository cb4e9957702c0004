"""Run the hourly flow once and print its summary: `python -m hourtally.orchestration.demo`."""

from __future__ import annotations

import sys
from typing import Any

from hourtally.errors import HourtallyError
from hourtally.jobs.demo import STEP_PREFIX
from hourtally.orchestration.caller import Caller, use_caller
from hourtally.orchestration.flows import hourly
from hourtally.orchestration.states import unwrap
from hourtally.orchestration.summary import summary_of


def main(home: str, now: str) -> None:
    """Run the flow on a home folder as of an instant, without a server of the user's."""
    _say("Starting a temporary Prefect server …")
    flow = hourly.with_options(on_running=[_say_running])
    try:
        with use_caller(Caller(progress=_say_progress)):
            report = unwrap(flow(home, now=now, return_state=True))
    except HourtallyError as error:
        sys.exit(str(error))
    print(summary_of(report))
    _say("Stopping Prefect …")


def _say_running(*_run: Any, **_named: Any) -> None:
    _say("Running the hourly flow …")


def _say_progress(done: int, total: int, _hour: str) -> None:
    _say(f"Built {done} of {total} hours")


def _say(step: str) -> None:
    print(f"{STEP_PREFIX}{step}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
