"""Commands that look closely at published hours: explain, diff, verify."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hourtally.cli.options import (
    CustomerId,
    HomeOption,
    Id,
    NowOption,
    Place,
    hour_range,
    minutes_ms,
)
from hourtally.cli.output.json_text import print_json
from hourtally.errors import InvalidArgument
from hourtally.model.hours import Hour, HourRange

Flag = Annotated[bool, Parameter(negative="")]
FromOption = Annotated[str | None, Parameter(name="--from")]


def explain(
    hour: str,
    /,
    *,
    customer: CustomerId,
    resource: Id,
    void: str | None = None,
    json: Flag = False,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Explain a published charge, from events and rates to the rounded price.

    Slices that do not count are listed too, and the void that would cancel each event. Exit status
    1 if the stored slices do not add up to the published charge, or if the customer is held.

    Example: hourtally explain 2026-11-22T13 --customer acme --resource api

    Parameters
    ----------
    hour
        Hour: 2026-11-22T13, 2026-11-22 (its first hour), an RFC 3339 time or Unix seconds.
    resource
        Id of a resource or BYOC cluster.
    void
        Print only the void of the event with this id, one line to append to an event file.
    json
        Print one JSON document.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.cli.output.explanation import print_explanations, print_ready_voids
    from hourtally.cli.output.reading_data import explain_document
    from hourtally.published.explain import Explanation
    from hourtally.published.explain import explain as explain_charge
    from hourtally.published.held import held_error
    from hourtally.published.reader import published_manifest, read_current
    from hourtally.store.batches import event_file_names
    from hourtally.store.manifests import Manifest

    home, asked_hour = (home_option or HomeOption()).existing(), Hour.parse(hour)
    now_ms, settle_ms = (now_option or NowOption()).read_ms(), minutes_ms(settle)

    def read() -> tuple[Manifest, list[Explanation]]:
        manifest = published_manifest(home, asked_hour, now_ms=now_ms, settle_ms=settle_ms)
        return manifest, explain_charge(home, manifest, customer, resource)

    manifest, explanations = read_current(read)
    if void is not None:
        print_ready_voids(explanations, void)
        return 0
    files = event_file_names(home, manifest.inputs["batches"])
    if json:
        print_json(explain_document(explanations, manifest, customer, files))
    else:
        print_explanations(explanations, manifest, files)
    if any(one.is_held for one in explanations):
        raise held_error(manifest, customer)
    return 0


def diff(
    hour: str,
    first: int | None = None,
    second: int | None = None,
    /,
    *,
    json: Flag = False,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Compare two revisions of an hour: what changed at each level, and why.

    Example: hourtally diff 2026-11-22T13 1 2

    Parameters
    ----------
    hour
        Hour: 2026-11-22T13, 2026-11-22 (its first hour), an RFC 3339 time or Unix seconds.
    first
        Revision to compare with; default: the one before the newest.
    second
        Revision to compare; default: the newest.
    json
        Print one JSON document.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.cli.output.diff import print_changes, print_never_restated
    from hourtally.cli.output.reading_data import diff_document
    from hourtally.published.diff import Changes, changes_between
    from hourtally.published.reader import published_manifest, read_current
    from hourtally.store.batches import event_file_names
    from hourtally.store.manifests import Manifest, read_manifest

    if (first is None) != (second is None):
        message = "give two revisions, or none to compare the newest with the one before it"
        raise InvalidArgument(message)
    home, asked_hour = (home_option or HomeOption()).existing(), Hour.parse(hour)
    now_ms, settle_ms = (now_option or NowOption()).read_ms(), minutes_ms(settle)

    def read() -> tuple[Manifest, Manifest, Changes | None]:
        newest = published_manifest(home, asked_hour, now_ms=now_ms, settle_ms=settle_ms)
        numbers = (first or newest.record["parent"], second or newest.revision)
        if numbers[0] is None:
            return newest, newest, None
        before, after = (read_manifest(home, asked_hour, number) for number in numbers)
        return before, after, changes_between(home, before, after)

    before, after, changes = read() if first and second else read_current(read)
    files = event_file_names(home, {*before.inputs["batches"], *after.inputs["batches"]})
    if json:
        print_json(diff_document(changes, before, after, files))
    elif changes is None:
        print_never_restated(after)
    else:
        print_changes(changes, before, after, files)
    return 0


def verify(
    *,
    from_: FromOption = None,
    to: str | None = None,
    rates: Place | None = None,  # noqa: ARG001 - taken by earlier versions
    from_files: Flag = False,
    json: Flag = False,
    home_option: HomeOption | None = None,
) -> int:
    """Verify published hours: recompute them independently and check every file.

    Exit status 1 if anything differs; the first differences are listed. Event files that have moved
    or changed since they were ingested are listed too, but are not differences.

    Example: hourtally verify --from 2026-11-01T00 --to 2026-12-01T00

    Parameters
    ----------
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds;
        default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    rates
        Ignored: each hour is recomputed with the rates that it was built with.
    from_files
        Also read the event files again, line by line, and compare what was stored of them.
    json
        Print one JSON document.
    """
    from hourtally.cli import jobs

    hours = HourRange(*hour_range(from_, to))
    home = (home_option or HomeOption()).existing()
    return jobs.verify(home, hours, from_files=from_files, json=json)
