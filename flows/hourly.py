"""The scheduled run as a flow: ingest the inbox, build every stale closed hour.

What is to do is found from the files of the home folder, never from the slots of a schedule:
a run makes up for all that did not run before it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prefect import State, flow

from flows.summary import summary_of
from flows.tasks import (
    MOST_HOURS_A_TASK,
    build,
    collect,
    failed,
    finish,
    ingest,
    outcome,
    work_of,
)
from hourtally.errors import HourtallyError
from hourtally.home import Home
from hourtally.hours import format_instant
from hourtally.pipeline import BuildReport, IngestReport, stale_hours
from hourtally.settings import Settings


@flow(name="hourly", persist_result=False)
def hourly(
    home: Path | None = None,
    rates: Path | None = None,
    now: str | None = None,
    settings: Settings | None = None,
) -> State[Any]:
    """Ingest the inbox and build every stale closed hour.

    Args:
        home: the home folder; HOURTALLY_HOME or ./data where it is not given.
        rates: the rate card; `rates.toml` in the home where it is not given.
        now: an RFC 3339 instant that stands for the clock.
        settings: settle time, threads, memory.
    """
    try:
        where, card, now_ms, how = work_of(home, rates, now, settings)
        ingested = outcome(ingest(where, now_ms, how, return_state=True))
        stale = stale_hours(where, card, now_ms, how)
        built = BuildReport()
        for start in range(0, len(stale), MOST_HOURS_A_TASK):
            group = stale[start : start + MOST_HOURS_A_TASK]
            report = BuildReport()
            state = build(where, card, group, now_ms, how, report, force=False, return_state=True)
            collect(built, outcome(state))
    except HourtallyError as error:
        return failed(error)
    return finish("hourtally-hourly", ingested, built)


def run_hourly(
    home: Home, rates: Path | None, now_ms: int, settings: Settings
) -> tuple[IngestReport, BuildReport]:
    """Run the flow; the same reports, and the same errors raised, as the pipeline's own."""
    reports: tuple[IngestReport, BuildReport] = outcome(
        hourly(
            home.root.absolute(),
            rates and rates.absolute(),
            format_instant(now_ms),
            settings,
            return_state=True,
        )
    )
    return reports


def main() -> None:
    """`python -m flows.hourly HOME NOW`: run the flow once and print its summary."""
    home, now = sys.argv[1:]
    try:
        reports = outcome(hourly(Path(home), now=now, return_state=True))
    except HourtallyError as error:
        sys.exit(str(error))
    print(summary_of(*reports))


if __name__ == "__main__":
    main()
