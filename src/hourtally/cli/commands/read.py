"""Commands that read what is published: show, list, explain, diff, status, verify, export."""

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
from hourtally.errors import WrongUse
from hourtally.model.components import ResourceType
from hourtally.model.hours import Hour

First = Annotated[str | None, Parameter(name="--from")]


def show(
    timestamp: str,
    /,
    *,
    customer: CustomerId,
    team: str | None = None,
    project: str | None = None,
    type: ResourceType | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    settle: float = 10,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
) -> int:
    """Show a customer's usage in an hour, under filters.

    Example: hourtally show 2026-11-22T13 --customer acme --team web

    Parameters
    ----------
    timestamp
        The hour, as 2026-11-22T13 or Unix seconds.
    team
        Only this team; its projects are then shown.
    project
        Only projects of this id; their resources are then shown.
    type
        Only resources of this type; they are then shown where projects are.
    json
        Print the view's canonical bytes and a newline.
    settle
        Minutes after an hour's end at which it closes.
    """
    from hourtally.published.reader import published, read_document
    from hourtally.published.views import view

    hour = Hour.parse(timestamp)
    manifest = published(
        (place or HomeOption()).existing(),
        hour,
        now_ms=(clock or NowOption()).read_ms(),
        settle_ms=minutes_ms(settle),
    )
    document = read_document(manifest, customer)
    shown = view(document, team=team, project=project, resource_type=type)
    if json:
        sys.stdout.buffer.write(shown + b"\n")
        return 0
    from hourtally.cli.output.tables import print_view

    filters = {"team": team, "project": project, "type": type}
    print_view(shown, hour, customer, manifest.record["currency"], filters)
    return 0


def export(
    directory: Path,
    /,
    *,
    from_: First = None,
    to: str | None = None,
    customer: str | None = None,
    place: HomeOption | None = None,
) -> int:
    """Write one JSON file a customer and hour: DIR/<customer id>/<timestamp>.json.

    Files there are replaced, or removed, where what is published has changed.

    Example: hourtally export /srv/usage --from 2026-11-01T00 --to 2026-12-01T00

    Parameters
    ----------
    directory
        Folder of the tree; made if it is not there.
    from_
        First hour, as 2026-11-22T13 or Unix seconds; default: the first published one.
    to
        End, exclusive; default: the end of the last published one.
    customer
        Only this customer's files; default: everybody's.
    """
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    return jobs.export((place or HomeOption()).existing(), directory, first, end, customer)


def explain(
    timestamp: str,
    /,
    *,
    customer: CustomerId,
    resource: str,
    settle: float = 10,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
) -> int:
    """Explain a published charge: slices, milliseconds, rates, exact value and rounding.

    Exit status 1 too if what is stored does not give the published charge.

    Example: hourtally explain 2026-11-22T13 --customer acme --resource api

    Parameters
    ----------
    timestamp
        The hour, as 2026-11-22T13 or Unix seconds.
    resource
        Id of a resource or of a BYOC cluster.
    settle
        Minutes after an hour's end at which it closes.
    """
    from hourtally.cli.output.explanation import print_explanations
    from hourtally.published.explain import explain as explain_charge
    from hourtally.published.reader import published
    from hourtally.store.batches import files_of

    home = (place or HomeOption()).existing()
    manifest = published(
        home,
        Hour.parse(timestamp),
        now_ms=(clock or NowOption()).read_ms(),
        settle_ms=minutes_ms(settle),
    )
    explanations = explain_charge(home, manifest, customer, resource)
    print_explanations(explanations, manifest, files_of(home, manifest.inputs["batches"]))
    return 0


def diff(
    hour: str,
    first: int | None = None,
    second: int | None = None,
    /,
    *,
    settle: float = 10,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
) -> int:
    """Show what a restatement changed at each level, and why; largest changes first.

    Example: hourtally diff 2026-11-22T13 1 2

    Parameters
    ----------
    hour
        The hour, as 2026-11-22T13 or Unix seconds.
    first
        The revision to compare with; default: the one before the newest.
    second
        The revision to compare; default: the newest.
    settle
        Minutes after an hour's end at which it closes.
    """
    from hourtally.cli.output.diff import print_changes, print_never_restated
    from hourtally.published.diff import changes_between
    from hourtally.published.reader import published
    from hourtally.store.batches import files_of
    from hourtally.store.manifests import read_manifest

    if (first is None) != (second is None):
        message = "name two revisions, or none for the newest and the one before it"
        raise WrongUse(message)
    home = (place or HomeOption()).existing()
    newest = published(
        home,
        Hour.parse(hour),
        now_ms=(clock or NowOption()).read_ms(),
        settle_ms=minutes_ms(settle),
    )
    if first is None or second is None:
        first, second = newest.record["parent"], newest.revision
        if first is None:
            print_never_restated(newest)
            return 0
    before, after = (read_manifest(home, newest.hour, number) for number in (first, second))
    files = files_of(home, {*before.inputs["batches"], *after.inputs["batches"]})
    print_changes(changes_between(home, before, after), before, after, files)
    return 0


def status(
    *,
    from_: First = None,
    to: str | None = None,
    rates: Path | None = None,
    settle: float = 10,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
) -> int:
    """Show each hour's state: open, missing, current or stale, and why.

    Example: hourtally status --from 2026-11-22T00 --to 2026-11-23T00

    Parameters
    ----------
    from_
        First hour, as 2026-11-22T13 or Unix seconds; default: the first with events.
    to
        End, exclusive; default: the end of the last hour with events.
    rates
        Rate card; default: rates.toml in the home folder.
    settle
        Minutes after an hour's end at which it closes.
    """
    from hourtally.build.status import batches_of, hour_statuses, silent_hours
    from hourtally.cli.output.status import print_status
    from hourtally.ratecard import load_rate_card

    first, end = hour_range(from_, to)
    home = (place or HomeOption()).existing()
    card = load_rate_card(rates or home.rates)
    now_ms = (clock or NowOption()).read_ms()
    settle_ms = minutes_ms(settle)
    hours = hour_statuses(home, card, now_ms, settle_ms, first, end)
    silent = 0 if end else silent_hours(hours, now_ms, settle_ms)
    print_status(hours, silent, batches_of(home))
    return 0


def verify(
    *,
    from_: First = None,
    to: str | None = None,
    rates: Path | None = None,
    place: HomeOption | None = None,
) -> int:
    """Re-derive published hours by an independent path, and check every digest and sum.

    Exit status 1: something differs; the first differences are named.

    Example: hourtally verify --from 2026-11-01T00 --to 2026-12-01T00

    Parameters
    ----------
    from_
        First hour, as 2026-11-22T13 or Unix seconds; default: the first published one.
    to
        End, exclusive; default: the end of the last published one.
    rates
        Rate card; default: rates.toml in the home folder.
    """
    from hourtally.cli import jobs

    first, end = hour_range(from_, to)
    home = (place or HomeOption()).existing()
    return jobs.verify(home, rates or home.rates, first, end)


def list_totals(
    *,
    customer: CustomerId,
    from_: First = None,
    to: str | None = None,
    granularity: Literal["hour", "day", "month", "total"] = "hour",
    place: HomeOption | None = None,
) -> int:
    """List a customer's totals by hour, day, month (UTC) or all together, newest first.

    Example: hourtally list --customer acme --from 2026-11-01T00 --granularity day

    Parameters
    ----------
    from_
        First hour, as 2026-11-22T13 or Unix seconds; default: the first published one.
    to
        End, exclusive; default: the end of the last published one.
    granularity
        What a line is of.
    """
    from hourtally.cli.output.tables import print_totals
    from hourtally.published import totals

    first, end = hour_range(from_, to)
    home = (place or HomeOption()).existing()
    print_totals(totals.list_totals(home, customer, granularity, first, end), customer)
    return 0
