"""The scheduled run as a flow: ingest the inbox, build every stale closed hour.

What is to do is found from the files of the home folder, never from the slots of a schedule:
a run makes up for all that did not run before it.

`python flows/hourly.py` serves the flow on this machine every hour, with what is the default
everywhere; `hourtally schedule` does so too, and takes options.
"""

# No `from __future__ import annotations` here: Prefect then has to evaluate the parameters' types
# itself, which in a served run fails for names that come from another module.
import signal
import sys
from typing import Any

from prefect import State, flow

from flows.building import build_all, carried_out, export_all, ingest_all, processes_of
from flows.recording import recorded
from flows.showing import ProgressArtifact
from flows.summary import summary_of
from flows.work import (
    DEFAULT_SETTLE_MINUTES,
    Caller,
    Count,
    Minutes,
    outcome,
    runner_of_this_flow,
    waiting,
    work_of,
)
from hourtally.errors import HourtallyError
from hourtally.interrupts import Stop
from hourtally.job_report import JobReport
from hourtally.progress import Progress
from hourtally.ratecard import load_rate_card
from hourtally.settings import DEFAULT_MEMORY_MIB
from hourtally.staleness import stale_hours

_KEY = "hourtally-hourly"


@flow(name="hourly", persist_result=False)
def hourly(
    home: str | None = None,
    rates: str | None = None,
    settle_minutes: Minutes = DEFAULT_SETTLE_MINUTES,
    now: str | None = None,
    workers: Count = 1,
    threads: Count | None = None,
    memory_mib: Count = DEFAULT_MEMORY_MIB,
    export: str | None = None,
) -> State[Any]:
    """Ingest the inbox and build every stale closed hour.

    Args:
        home: Home folder; HOURTALLY_HOME or ./data of the machine where it is not given.
        rates: Rate card; rates.toml in the home where it is not given.
        settle_minutes: Minutes after an hour's end at which it closes.
        now: An RFC 3339 instant that stands for the clock, such as 2026-11-22T14:15:00Z.
        workers: Groups of hours that are built at a time.
        threads: Cores for all workers together; all of the machine where it is not given.
        memory_mib: Memory for the engine of each worker, in MiB.
        export: Folder of one JSON file a customer and hour, to be kept in step.
    """

    def steps(report: JobReport) -> None:
        work = work_of(home, rates, settle_minutes, now, workers, threads, memory_mib, export)
        card = load_rate_card(work.rates)
        ingest_all(work, report.ingested)
        stale = stale_hours(work.home, card, work.now_ms, work.settings.settle_ms)
        progress = ProgressArtifact(f"{_KEY}-progress")
        with processes_of(work, stale):
            build_all(work, stale, runner_of_this_flow(), progress, report.built)
        export_all(work, report)

    return carried_out(_KEY, steps)


def run_hourly(shown: Progress | None, stop: Stop, **parameters: Any) -> JobReport:
    """Run the flow; the same report, and the same errors raised, as without Prefect."""
    with recorded(), waiting(Caller(shown, stop, signal.getsignal(signal.SIGTERM))):
        report: JobReport = outcome(hourly(**parameters, return_state=True))
    return report


def main() -> None:
    """`python -m flows.hourly`: serve it. With HOME and NOW: run it once, print its summary."""
    if len(sys.argv) == 1:
        # It serves this module's flow, not that of the module __main__.
        from flows.schedule import cron_after, serve_hourly

        serve_hourly({}, cron_after(DEFAULT_SETTLE_MINUTES))
        return
    home, now = sys.argv[1:]
    try:
        report = outcome(hourly(home, now=now, return_state=True))
    except HourtallyError as error:
        sys.exit(str(error))
    print(summary_of(report))


if __name__ == "__main__":
    main()
