"""The command that shows a customer's hour."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hourtally.cli.options import CustomerId, HomeOption, Id, NowOption, Place, minutes_ms
from hourtally.errors import HourtallyError
from hourtally.model.components import ResourceType
from hourtally.model.hours import Hour
from hourtally.model.printable import printable_message

if TYPE_CHECKING:
    from hourtally.store.layout import Home
    from hourtally.store.manifests import Manifest


def show(
    hour: str,
    /,
    *,
    customer: CustomerId,
    team: Id | None = None,
    project: Id | None = None,
    type: ResourceType | None = None,
    usage: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    revision: int | None = None,
    rates: Place | None = None,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show what a customer used in an hour, in cents.

    Example: hourtally show 2026-11-22T13 --customer acme --team web --usage

    Parameters
    ----------
    hour
        Hour: 2026-11-22T13, 2026-11-22 (its first hour), an RFC 3339 time or Unix seconds.
    team
        Show this team only, with its projects.
    project
        Show projects with this id only, with their resources.
    type
        Show resources of this type only.
    usage
        Show quantities too, and each BYOC cluster; with --json the usage document.
    json
        Print the canonical JSON instead of a table.
    revision
        Show this revision of the hour; default: the newest.
    rates
        Rate card, to say whether the hour is stale; default: rates.toml in the home folder.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally.published.document_index import DOCUMENTS, USAGE_DOCUMENTS
    from hourtally.published.reader import published_manifest, read_current, read_document
    from hourtally.published.views import view
    from hourtally.store.durable import has_folders
    from hourtally.store.manifests import read_manifest

    asked_hour = Hour.parse(hour)
    home = (home_option or HomeOption()).existing()
    now_ms, settle_ms = (now_option or NowOption()).read_ms(), minutes_ms(settle)
    kind = USAGE_DOCUMENTS if usage else DOCUMENTS

    def read() -> tuple[Manifest, bytes]:
        manifest = published_manifest(home, asked_hour, now_ms=now_ms, settle_ms=settle_ms)
        if revision is not None:
            manifest = read_manifest(home, asked_hour, revision)
        return manifest, read_document(manifest, customer, kind)

    manifest, document = read_current(read)
    if revision is None and (has_folders(home.root) or not json):  # Of a bucket: three requests.
        _say_if_stale(home, rates, manifest)
    shown = view(document, team=team, project=project, resource_type=type)
    if json:
        sys.stdout.buffer.write(shown + b"\n")
        return 0
    from hourtally.cli.output.view_tables import print_view

    filters = {"team": team, "project": project, "type": type}
    print_view(shown, asked_hour, customer, manifest.record["currency"], filters)
    return 0


def _say_if_stale(home: Home, rates: Path | None, manifest: Manifest) -> None:
    """Say on standard error that the newest revision is stale, if there is a card to tell by."""
    from hourtally.build.staleness import reasons_of
    from hourtally.ratecard import load_rate_card

    card = None if rates is None else load_rate_card(rates)
    reasons: tuple[str, ...] = ()
    # What is published can be read without a card; an unreadable one is `run`'s to tell.
    with contextlib.suppress(HourtallyError):
        reasons = reasons_of(home, card or load_rate_card(home.rates), manifest)
    if reasons:
        message = (
            f"hourtally: hour {manifest.hour} is stale ({', '.join(reasons)}): the next "
            "`hourtally run` builds it again"
        )
        print(printable_message(message), file=sys.stderr)
