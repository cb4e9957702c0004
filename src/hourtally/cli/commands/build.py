"""Commands that write hours: demo, ingest, run, backfill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hourtally.cli.options import BuildOptions, HomeOption, NowOption, hour_range, minutes_ms
from hourtally.errors import WrongUse


def demo(*, home: Path | None = None) -> int:
    """Make sample events, run the Prefect flow on them in-process, and show the result.

    Example: hourtally demo --home /tmp/hourtally-demo

    Parameters
    ----------
    home
        Home folder of the demo, made if it is not there; default: ./data/demo.
    """
    from hourtally.cli import jobs

    return jobs.demo(home or Path("data") / "demo")


def ingest(*files: Path, place: HomeOption | None = None, clock: NowOption | None = None) -> int:
    """Take event files, or the event files of folders, into the event store.

    A file ingested before is skipped and said so. Exit status 3: lines were quarantined.

    Example: hourtally ingest events/2026-11-22.ndjson.gz

    Parameters
    ----------
    files
        Event files, .ndjson or .jsonl (also with .gz or .zst) or .parquet; folders of them.
    """
    from hourtally.cli import jobs

    if not files:
        message = "name at least one event file or folder"
        raise WrongUse(message)
    return jobs.ingest((place or HomeOption()).open(), files, (clock or NowOption()).read_ms())


def run(
    *,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
    work: BuildOptions | None = None,
) -> int:
    """The scheduled job: ingest the inbox, build every stale closed hour.

    Where PREFECT_API_URL names a Prefect server, it runs as the flow and is recorded there.

    Example: hourtally run --export /srv/usage
    """
    from hourtally.cli import jobs

    return jobs.run(_job(place, clock, work))


def schedule(
    *, cron: str | None = None, place: HomeOption | None = None, work: BuildOptions | None = None
) -> int:
    """Serve `run` as a Prefect deployment that runs every hour, until SIGTERM or SIGINT.

    Needs a Prefect server, named by PREFECT_API_URL. Runs that were missed while nothing was
    served are made up for by the first one.

    Example: hourtally schedule --home /srv/hourtally

    Parameters
    ----------
    cron
        When, in UTC; default: every hour, two minutes after hours close.
    """
    from hourtally.cli import jobs

    return jobs.schedule(_job(place, None, work), cron)


def backfill(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    force: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
    work: BuildOptions | None = None,
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
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    assert first is not None
    assert end is not None
    return jobs.backfill(_job(place, clock, work), first, end, force=force, dry_run=dry_run)


def _job(place: HomeOption | None, clock: NowOption | None, work: BuildOptions | None) -> Any:
    """What `run` and `backfill` are to do it with."""
    from hourtally.jobs.job import Job

    work = work or BuildOptions()
    home = (place or HomeOption()).open()
    if work.workers < 1:
        message = f"--workers {work.workers} is not at least 1"
        raise WrongUse(message)
    return Job(
        home=home,
        rates=work.rates or home.rates,
        now_ms=(clock or NowOption()).read_ms(),
        settle_ms=minutes_ms(work.settle),
        workers=work.workers,
        export=work.export,
    )
