"""Commands that write hours: demo, ingest, run, backfill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hourtally.cli.options import BuildOptions, HomeOption, NowOption, hour_range, minutes_ms
from hourtally.errors import InvalidArgument


def demo(*, home: Path | None = None) -> int:
    """Try Hourtally on sample events: run the Prefect flow and show the result.

    Example: hourtally demo --home /tmp/hourtally-demo

    Parameters
    ----------
    home
        Home folder of the demo, created if missing; default: ./data/demo.
    """
    from hourtally.cli import jobs

    return jobs.demo(home or Path("data") / "demo")


def ingest(
    *files: Path, home_option: HomeOption | None = None, now_option: NowOption | None = None
) -> int:
    """Ingest event files, or all event files in a folder.

    Files ingested before are skipped. Exit status 3: some lines were quarantined.

    Example: hourtally ingest events/2026-11-22.ndjson.gz

    Parameters
    ----------
    files
        Event files (.ndjson, .jsonl, also with .gz or .zst, or .parquet), or folders of them.
    """
    from hourtally.cli import jobs

    if not files:
        message = "name at least one event file or folder"
        raise InvalidArgument(message)
    return jobs.ingest(
        (home_option or HomeOption()).open(), files, (now_option or NowOption()).read_ms()
    )


def run(
    *,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
    build_options: BuildOptions | None = None,
) -> int:
    """Ingest the inbox and build every stale closed hour.

    If PREFECT_API_URL is set, the run is recorded in that Prefect server.

    Example: hourtally run --export /srv/usage
    """
    from hourtally.cli import jobs

    return jobs.run(_job(home_option, now_option, build_options))


def schedule(
    *,
    cron: str | None = None,
    home_option: HomeOption | None = None,
    build_options: BuildOptions | None = None,
) -> int:
    """Serve `run` as an hourly Prefect deployment, until SIGTERM or SIGINT.

    Needs a Prefect server and PREFECT_API_URL. The first run makes up for all that were missed
    while this was not running.

    Example: hourtally schedule --home /srv/hourtally

    Parameters
    ----------
    cron
        Cron expression, in UTC; default: every hour, two minutes after hours close.
    """
    from hourtally.cli import jobs

    return jobs.schedule(_job(home_option, None, build_options), cron)


def backfill(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    force: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
    build_options: BuildOptions | None = None,
) -> int:
    """Build the stale closed hours of [from, to).

    Example: hourtally backfill --from 2026-11-01T00 --to 2026-11-08T00 --workers 2

    Parameters
    ----------
    from_
        First hour, such as 2026-11-22T13, or Unix seconds.
    to
        End of the range, exclusive.
    force
        Build all closed hours of the range, current or not.
    dry_run
        Print what would be built and why, without building it.
    """
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    assert first is not None
    assert end is not None
    job = _job(home_option, now_option, build_options, force=force)
    return (jobs.plan_backfill if dry_run else jobs.backfill)(job, first, end)


def _job(
    home_option: HomeOption | None,
    now_option: NowOption | None,
    build_options: BuildOptions | None,
    *,
    force: bool = False,
) -> Any:
    """The job that the options ask for."""
    from hourtally.jobs.job import Job
    from hourtally.settings import usable_cores

    options = build_options or BuildOptions()
    home = (home_option or HomeOption()).open()
    if options.workers < 1:
        message = f"--workers must be at least 1, not {options.workers}"
        raise InvalidArgument(message)
    return Job(
        home=home,
        rates=options.rates or home.rates,
        now_ms=(now_option or NowOption()).read_ms(),
        threads=usable_cores(),
        settle_ms=minutes_ms(options.settle),
        workers=options.workers,
        export=options.export,
        force=force,
    )
