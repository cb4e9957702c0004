"""Commands that write into a home: demo, ingest, withdraw, run, schedule, backfill."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter

from hourtally.cli.options import (
    BuildOptions,
    HomeOption,
    LocalFile,
    NowOption,
    Place,
    hour_range,
    minutes_ms,
)
from hourtally.errors import HourtallyError, InvalidArgument

Flag = Annotated[bool, Parameter(negative="")]


def demo(*, home: str | None = None) -> int:
    """Try Hourtally on sample events: run the Prefect flow and show the result.

    Example: hourtally demo --home /tmp/hourtally-demo

    Parameters
    ----------
    home
        Home folder or URL of the demo, created if missing; default: ./data/demo.
    """
    from hourtally.cli import jobs

    return jobs.demo(home or "data/demo")


def ingest(
    *files: Place,
    again: Flag = False,
    json: Flag = False,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Ingest event files, or all event files in folders and their subfolders.

    Files ingested before are skipped. Exit status 3: some lines are in quarantine.

    Example: hourtally ingest events/2026-11-22.ndjson.gz

    Parameters
    ----------
    files
        Event files (.ndjson, .jsonl, .json, also with .gz or .zst, or .parquet), or folders.
    again
        Ingest files again that were ingested or withdrawn before, by the present rules.
    json
        Print one JSON document instead of a table.
    """
    from hourtally.cli import jobs

    if not files:
        message = "name at least one event file or folder"
        raise InvalidArgument(message)
    home = (home_option or HomeOption()).open()
    return jobs.ingest(home, files, (now_option or NowOption()).read_ms(), again=again, json=json)


def withdraw(
    target: str,
    /,
    *,
    reason: str,
    json: Flag = False,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Take back an ingested file: none of its events count any more.

    Nothing is deleted. `run` builds the file's hours without it; `ingest --again` ends the
    withdrawal.

    Example: hourtally withdraw events/2026-11-22.ndjson.gz --reason "wrong cluster"

    Parameters
    ----------
    target
        The event file as it was ingested, or its batch: 16 hex digits.
    reason
        Why; it is kept in the batch's record.
    json
        Print one JSON document instead of a sentence.
    """
    from hourtally.cli.output.ingest_report import print_withdrawal, withdrawal_json
    from hourtally.cli.output.json_text import print_json
    from hourtally.ingest.withdrawal import withdraw as withdraw_batch

    if not reason.strip():
        message = "--reason is empty: say why the batch is withdrawn"
        raise InvalidArgument(message)
    home = (home_option or HomeOption()).existing()
    receipt = withdraw_batch(home, target, reason, (now_option or NowOption()).read_ms())
    if json:
        print_json(withdrawal_json(receipt))
    else:
        print_withdrawal(receipt)
    return 0


def run(
    *,
    inbox: Place | None = None,
    json: Flag = False,
    metrics: LocalFile | None = None,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
    build_options: BuildOptions | None = None,
) -> int:
    """Ingest the inbox and build every stale closed hour.

    If PREFECT_API_URL is set, the run is recorded in that Prefect server.

    Example: hourtally run --export /srv/usage

    Parameters
    ----------
    inbox
        Folder or URL of event files to ingest; default: inbox/ in the home.
    json
        Print one JSON document instead of tables.
    metrics
        Write Prometheus metrics to this file at the end, for node exporter's textfile collector.
    """
    from hourtally.cli import jobs

    job = replace(_job(home_option, now_option, build_options), inbox=inbox)
    if metrics is None:
        return jobs.run(job, json=json)
    from hourtally.cli.metrics_file import check_folder, write_metrics

    check_folder(metrics)
    started = time.monotonic()
    try:
        status = jobs.run(job, json=json)
    except HourtallyError as error:
        status = 2 if isinstance(error, InvalidArgument) else 1
        write_metrics(job, metrics, time.monotonic() - started, status)
        raise
    write_metrics(job, metrics, time.monotonic() - started, status)
    return status


def schedule(
    *,
    cron: str | None = None,
    home_option: HomeOption | None = None,
    build_options: BuildOptions | None = None,
) -> int:
    """Serve `run` as an hourly Prefect deployment, and `backfill`, until SIGTERM or SIGINT.

    Needs a Prefect server and PREFECT_API_URL. The first run makes up for all that were missed
    while this was not running.

    Example: hourtally schedule --home /srv/hourtally

    Parameters
    ----------
    cron
        Cron expression, in UTC; default: every hour, two minutes after hours close.
    """
    from hourtally.cli import prefect_jobs

    return prefect_jobs.schedule(_job(home_option, None, build_options), cron)


def backfill(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    force: Flag = False,
    reason: str | None = None,
    dry_run: Flag = False,
    json: Flag = False,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
    build_options: BuildOptions | None = None,
) -> int:
    """Build the stale closed hours of [from, to).

    Example: hourtally backfill --from 2026-11-01T00 --to 2026-11-08T00 --workers 2

    Parameters
    ----------
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds.
    to
        End of the range, exclusive.
    force
        Build all closed hours of the range, current or not.
    reason
        With --force: why; it is kept in the manifests of the hours.
    dry_run
        Print what would be built and why, without building it.
    json
        Print one JSON document instead of a table.
    """
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    assert first is not None
    assert end is not None
    if reason is not None and not (force and reason.strip()):
        message = "--reason says why hours are built with --force: give both, or neither"
        raise InvalidArgument(message)
    job = _job(home_option, now_option, build_options)
    job = replace(job, force=force, reason=reason or "")
    return (jobs.plan_backfill if dry_run else jobs.backfill)(job, first, end, json=json)


def _job(
    home_option: HomeOption | None,
    now_option: NowOption | None,
    build_options: BuildOptions | None,
) -> Any:
    """The job that the options ask for."""
    from hourtally.jobs.job import Job
    from hourtally.settings import usable_cores

    options = build_options or BuildOptions()
    clock = now_option or NowOption()
    home = (home_option or HomeOption()).open()
    if options.workers < 1:
        message = f"--workers must be at least 1, not {options.workers}"
        raise InvalidArgument(message)
    return Job(
        home=home,
        rates=options.rates or home.rates,
        now_ms=clock.read_ms(),
        is_now_given=clock.now is not None,
        threads=usable_cores(),
        settle_ms=minutes_ms(options.settle),
        workers=options.workers,
        export=options.export,
    )
