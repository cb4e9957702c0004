"""Commands that read published hours: show, list, explain, diff, status, verify, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from hourtally.cli.options import (
    CustomerId,
    HomeOption,
    NowOption,
    hour_range,
    minutes_ms,
)
from hourtally.errors import InvalidArgument
from hourtally.model.components import ResourceType
from hourtally.model.hours import Hour, HourRange

FromOption = Annotated[str | None, Parameter(name="--from")]


def show(
    hour: str,
    /,
    *,
    customer: CustomerId,
    team: str | None = None,
    project: str | None = None,
    type: ResourceType | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show what a customer used in an hour, in cents.

    Example: hourtally show 2026-11-22T13 --customer acme --team web

    Parameters
    ----------
    hour
        Hour, such as 2026-11-22T13, or Unix seconds.
    team
        Show this team only, with its projects.
    project
        Show projects with this id only, with their resources.
    type
        Show resources of this type only.
    json
        Print the canonical JSON instead of a table.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.published.reader import published_manifest, read_document
    from hourtally.published.views import view

    asked_hour = Hour.parse(hour)
    manifest = published_manifest(
        (home_option or HomeOption()).existing(),
        asked_hour,
        now_ms=(now_option or NowOption()).read_ms(),
        settle_ms=minutes_ms(settle),
    )
    document = read_document(manifest, customer)
    shown = view(document, team=team, project=project, resource_type=type)
    if json:
        sys.stdout.buffer.write(shown + b"\n")
        return 0
    from hourtally.cli.output.tables import print_view

    filters = {"team": team, "project": project, "type": type}
    print_view(shown, asked_hour, customer, manifest.record["currency"], filters)
    return 0


def export(
    directory: Path,
    /,
    *,
    from_: FromOption = None,
    to: str | None = None,
    customer: str | None = None,
    home_option: HomeOption | None = None,
) -> int:
    """Export one JSON file per customer and hour: DIRECTORY/<customer>/<timestamp>.json.

    Files of restated hours are replaced or removed.

    Example: hourtally export /srv/usage --from 2026-11-01T00 --to 2026-12-01T00

    Parameters
    ----------
    directory
        Folder to export to, created if needed.
    from_
        First hour, such as 2026-11-22T13, or Unix seconds; default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    customer
        Export this customer only; default: all customers.
    """
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    return jobs.export((home_option or HomeOption()).existing(), directory, first, end, customer)


def explain(
    hour: str,
    /,
    *,
    customer: CustomerId,
    resource: str,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Explain a published charge, from events and rates to the rounded price.

    Exit status 1 if the stored slices do not add up to the published charge.

    Example: hourtally explain 2026-11-22T13 --customer acme --resource api

    Parameters
    ----------
    hour
        Hour, such as 2026-11-22T13, or Unix seconds.
    resource
        Id of a resource or BYOC cluster.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.cli.output.explanation import print_explanations
    from hourtally.published.explain import explain as explain_charge
    from hourtally.published.reader import published_manifest
    from hourtally.store.batches import event_file_names

    home = (home_option or HomeOption()).existing()
    manifest = published_manifest(
        home,
        Hour.parse(hour),
        now_ms=(now_option or NowOption()).read_ms(),
        settle_ms=minutes_ms(settle),
    )
    explanations = explain_charge(home, manifest, customer, resource)
    print_explanations(explanations, manifest, event_file_names(home, manifest.inputs["batches"]))
    return 0


def diff(
    hour: str,
    first: int | None = None,
    second: int | None = None,
    /,
    *,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Compare two revisions of an hour: what changed at each level, and why.

    Example: hourtally diff 2026-11-22T13 1 2

    Parameters
    ----------
    hour
        Hour, such as 2026-11-22T13, or Unix seconds.
    first
        Revision to compare with; default: the one before the newest.
    second
        Revision to compare; default: the newest.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.cli.output.diff import print_changes, print_never_restated
    from hourtally.published.diff import changes_between
    from hourtally.published.reader import published_manifest
    from hourtally.store.batches import event_file_names
    from hourtally.store.manifests import read_manifest

    if (first is None) != (second is None):
        message = "give two revisions, or none to compare the newest with the one before it"
        raise InvalidArgument(message)
    home = (home_option or HomeOption()).existing()
    newest = published_manifest(
        home,
        Hour.parse(hour),
        now_ms=(now_option or NowOption()).read_ms(),
        settle_ms=minutes_ms(settle),
    )
    if first is None or second is None:
        first, second = newest.record["parent"], newest.revision
        if first is None:
            print_never_restated(newest)
            return 0
    before, after = (read_manifest(home, newest.hour, number) for number in (first, second))
    files = event_file_names(home, {*before.inputs["batches"], *after.inputs["batches"]})
    print_changes(changes_between(home, before, after), before, after, files)
    return 0


def status(
    *,
    from_: FromOption = None,
    to: str | None = None,
    rates: Path | None = None,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show the state of each hour: open, missing, current or stale, and why.

    Example: hourtally status --from 2026-11-22T00 --to 2026-11-23T00

    Parameters
    ----------
    from_
        First hour, such as 2026-11-22T13, or Unix seconds; default: the first with events.
    to
        End of the range, exclusive; default: after the last hour with events.
    rates
        Rate card; default: rates.toml in the home folder.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.build.status import closed_hours_after, hour_statuses, summarize_batches
    from hourtally.cli.output.status import print_status
    from hourtally.ratecard import load_rate_card

    first, end = hour_range(from_, to)
    home = (home_option or HomeOption()).existing()
    card = load_rate_card(rates or home.rates)
    now_ms = (now_option or NowOption()).read_ms()
    settle_ms = minutes_ms(settle)
    hours = hour_statuses(home, card, now_ms, settle_ms, HourRange(first, end))
    silent = 0 if end else closed_hours_after(hours, now_ms, settle_ms)
    print_status(hours, silent, summarize_batches(home))
    return 0


def verify(
    *,
    from_: FromOption = None,
    to: str | None = None,
    rates: Path | None = None,
    home_option: HomeOption | None = None,
) -> int:
    """Verify published hours: recompute them independently and check every file.

    Exit status 1 if anything differs; the first differences are listed.

    Example: hourtally verify --from 2026-11-01T00 --to 2026-12-01T00

    Parameters
    ----------
    from_
        First hour, such as 2026-11-22T13, or Unix seconds; default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    rates
        Rate card; default: rates.toml in the home folder.
    """
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    home = (home_option or HomeOption()).existing()
    return jobs.verify(home, rates or home.rates, first, end)


def list_totals(
    *,
    customer: CustomerId,
    from_: FromOption = None,
    to: str | None = None,
    granularity: Literal["hour", "day", "month", "total"] = "hour",
    home_option: HomeOption | None = None,
) -> int:
    """List a customer's totals by hour, day or month, newest first.

    Example: hourtally list --customer acme --from 2026-11-01T00 --granularity day

    Parameters
    ----------
    from_
        First hour, such as 2026-11-22T13, or Unix seconds; default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    granularity
        Period of each line. Days and months are UTC.
    """
    from hourtally.cli.output.tables import print_totals
    from hourtally.published import totals

    first, end = hour_range(from_, to)
    home = (home_option or HomeOption()).existing()
    print_totals(totals.list_totals(home, customer, granularity, first, end), customer)
    return 0
