"""The command line: parse, call one function, print.

What was asked for goes to standard output; progress and messages go to standard error. Exit
status: 0 done, 1 could not be done, 2 wrong use, 3 done but lines were quarantined.

Every command imports what it needs when it runs: the engines take half a second to import,
and `--help` or `show` do without most of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from hourtally import __version__
from hourtally.errors import HourtallyError, WrongUse
from hourtally.hours import Hour, format_instant, parse_instant_ms

app = App(
    name="hourtally",
    version=__version__,
    help="Metering events in, exact hourly usage documents out.\n\nExample: hourtally demo",
    help_format="plaintext",
    version_flags=["--version"],
)


@Parameter(name="*")
@dataclass
class Place:
    """Where the data lies."""

    home: Path | None = None
    "Home folder; default: HOURTALLY_HOME, else ./data."

    def open(self) -> Any:
        """The home, which need not exist yet."""
        from hourtally.home import Home
        from hourtally.settings import default_home

        return Home(self.home or default_home())


@Parameter(name="*")
@dataclass
class Clock:
    """What stands for now."""

    now: str | None = None
    "An RFC 3339 instant that stands for the clock."

    def read_ms(self) -> int:
        """Milliseconds since 1970."""
        if self.now is None:
            return time.time_ns() // 1_000_000
        try:
            return parse_instant_ms(self.now)
        except ValueError as error:
            message = f"--now {self.now!r} {error}"
            raise WrongUse(message) from None


@Parameter(name="*")
@dataclass
class Work:
    """How hours are built."""

    rates: Path | None = None
    "Rate card; default: rates.toml in the home folder."
    settle: float = 10
    "Minutes after an hour's end at which it closes."
    workers: int = 1
    "Processes that build hours."
    export: Path | None = None
    "Folder of one JSON file a customer and hour, to be kept in step."


@app.command
def demo(*, home: Path | None = None) -> int:
    """Make sample events, run the Prefect flow on them in-process, and show the result.

    Example: hourtally demo --home /tmp/hourtally-demo
    """
    from hourtally import jobs

    return jobs.demo(home or Path("data") / "demo")


@app.command
def ingest(*files: Path, place: Place | None = None, clock: Clock | None = None) -> int:
    """Take event files, or the event files of folders, into the event store.

    A file ingested before is skipped and said so. Exit status 3: lines were quarantined.

    Example: hourtally ingest events/2026-11-22.ndjson.gz
    """
    from hourtally import jobs

    if not files:
        message = "name at least one event file or folder"
        raise WrongUse(message)
    return jobs.ingest((place or Place()).open(), files, (clock or Clock()).read_ms())


@app.command
def run(*, place: Place | None = None, clock: Clock | None = None, work: Work | None = None) -> int:
    """The scheduled job: ingest the inbox, build every stale closed hour.

    Where PREFECT_API_URL names a Prefect server, it runs as the flow and is recorded there.

    Example: hourtally run --export /srv/usage
    """
    from hourtally import jobs

    return jobs.run(_job(place, clock, work))


@app.command
def backfill(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    force: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    place: Place | None = None,
    clock: Clock | None = None,
    work: Work | None = None,
) -> int:
    """Build the stale closed hours of [from, to).

    Example: hourtally backfill --from 2026-11-01T00 --to 2026-11-08T00 --workers 2

    Parameters
    ----------
    from_
        First hour, as 2026-11-22T13 or Unix seconds.
    to
        End, exclusive.
    force
        Build all closed hours of the range, current or not.
    dry_run
        Say what would be built and why, and build nothing.
    """
    from hourtally import jobs

    first, end = _range(from_, to)
    assert first is not None
    assert end is not None
    return jobs.backfill(_job(place, clock, work), first, end, force=force, dry_run=dry_run)


@app.command
def show(
    timestamp: str,
    *,
    customer: str,
    team: str | None = None,
    project: str | None = None,
    type: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    settle: float = 10,
    place: Place | None = None,
    clock: Clock | None = None,
) -> int:
    """Show a customer's usage in an hour, under filters.

    Example: hourtally show 2026-11-22T13 --customer acme --team web

    Parameters
    ----------
    timestamp
        The hour, as 2026-11-22T13 or Unix seconds.
    json
        Print the view's canonical bytes and a newline.
    settle
        Minutes after an hour's end at which it closes.
    """
    from hourtally import reading
    from hourtally.views import view

    hour = Hour.parse(timestamp)
    manifest = reading.published(
        (place or Place()).open(),
        hour,
        now_ms=(clock or Clock()).read_ms(),
        settle_ms=_minutes_ms(settle),
    )
    document = reading.read_document(manifest, customer)
    shown = view(document, team=team, project=project, resource_type=type)
    if json:
        sys.stdout.buffer.write(shown + b"\n")
        return 0
    from hourtally.tables import print_view

    filters = {"team": team, "project": project, "type": type}
    print_view(shown, hour, customer, manifest.record["currency"], filters)
    return 0


@app.command
def export(
    directory: Path,
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    customer: str | None = None,
    place: Place | None = None,
) -> int:
    """Write one JSON file a customer and hour: DIR/<customer id>/<timestamp>.json.

    Example: hourtally export /srv/usage --from 2026-11-01T00 --to 2026-12-01T00
    """
    from hourtally import jobs

    first, end = _range(from_, to)
    return jobs.export((place or Place()).open(), directory, first, end, customer)


rates_app = App(name="rates", help="Rate cards.", help_format="plaintext")
app.command(rates_app)


@rates_app.command
def check(file: Path, *, clock: Clock | None = None) -> int:
    """Load a rate card, print the rates in force now, name what is wrong.

    Example: hourtally rates check data/rates.toml
    """
    from hourtally.ratecard import load_rate_card, rates_in_force_rows
    from hourtally.tables import print_rates

    card = load_rate_card(file)
    now_ms = (clock or Clock()).read_ms()
    print_rates(rates_in_force_rows(card, now_ms), card.currency, format_instant(now_ms))
    return 0


def _job(place: Place | None, clock: Clock | None, work: Work | None) -> Any:
    """What `run` and `backfill` are to do it with."""
    from hourtally.jobs import Job

    work = work or Work()
    home = (place or Place()).open()
    if work.workers < 1:
        message = f"--workers {work.workers} is not at least 1"
        raise WrongUse(message)
    return Job(
        home=home,
        rates=work.rates or home.rates,
        now_ms=(clock or Clock()).read_ms(),
        settle_ms=_minutes_ms(work.settle),
        workers=work.workers,
        export=work.export,
    )


def _minutes_ms(minutes: float) -> int:
    if not 0 <= minutes <= 60 * 24 * 366:
        message = f"--settle {minutes} is not 0 minutes to a year of them"
        raise WrongUse(message)
    return round(minutes * 60_000)


def _range(first: str | None, end: str | None) -> tuple[Hour | None, Hour | None]:
    start_hour = None if first is None else Hour.parse(first)
    end_hour = None if end is None else Hour.parse(end)
    if start_hour and end_hour and end_hour <= start_hour:
        message = f"--to {end} is not after --from {first}"
        raise WrongUse(message)
    return start_hour, end_hour


def call(arguments: Sequence[str], run_app: Callable[..., Any] = app) -> int:
    """Run a command; its exit status. Nothing that a user can do ends in a traceback."""
    try:
        status = run_app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        return _say(f"{error}\nSee hourtally --help.", 2)
    except WrongUse as error:
        return _say(str(error), 2)
    except HourtallyError as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("interrupted; run the same command again to go on from there", 130)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        sys.stderr.close()
        return 1
    return status if isinstance(status, int) else 0


def _say(message: str, status: int) -> int:
    print(f"hourtally: {message}", file=sys.stderr)
    return status


def main() -> None:
    """The console command."""
    raise SystemExit(call(sys.argv[1:]))


if __name__ == "__main__":
    main()
