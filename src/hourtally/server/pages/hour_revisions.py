"""The revisions of an hour that somebody may know of.

The operator sees all of them. A customer sees those that changed what the hour says of it, numbered
from 1: a gap in the numbers would tell that others have usage in the hour too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from hourtally.build.staleness import WAS_HELD, describe_reasons
from hourtally.errors import HourtallyError
from hourtally.model.hours import Hour
from hourtally.published.restatements import says_otherwise
from hourtally.server.pages.sources import PageSources
from hourtally.server.parameters import HttpError
from hourtally.store.manifests import Manifest, read_manifest, revisions_of

_MOST: Final = 100


@dataclass(frozen=True)
class Viewer:
    """Whose hours are looked at, and by whom.

    Attributes:
        customer: None for all of them.
        is_operator: whether it is the operator who looks: then names of files, given reasons, and
            what concerns others are shown too.
    """

    customer: str | None
    is_operator: bool


class ListedRevision(NamedTuple):
    """A revision, and the number that it is shown under."""

    number: int
    manifest: Manifest

    @property
    def published_at(self) -> str:
        """When it was committed."""
        return str(self.manifest.record.get("published_at", ""))


def listed_revisions(sources: PageSources, hour: Hour, viewer: Viewer) -> list[ListedRevision]:
    """The revisions that the viewer may know of, oldest first; of very many the newest.

    Raises:
        HttpError: the hour is not published.
    """
    numbers = revisions_of(sources.home, hour)[-_MOST:]
    if not numbers:
        message = f"Hour {hour} is not published: it is not over yet, or was never built."
        raise HttpError(404, "hour_not_found", message)
    manifests = [read_manifest(sources.home, hour, number) for number in numbers]
    if viewer.is_operator or viewer.customer is None:
        return [ListedRevision(one.revision, one) for one in manifests]
    own = _changing(manifests, viewer.customer)
    return [ListedRevision(number, one) for number, one in enumerate(own, 1)]


def _changing(manifests: list[Manifest], customer: str) -> Iterator[Manifest]:
    before: Manifest | None = None
    for one in manifests:
        if before is None or _differ(before, one, customer):
            yield one
        before = one


def _differ(before: Manifest, after: Manifest, customer: str) -> bool:
    try:
        return says_otherwise(before, after, customer)
    except HourtallyError:
        # Pruned or damaged: then it is not known.
        return True


def chosen(listed: list[ListedRevision], number: int | None) -> ListedRevision:
    """The revision of a number; without one the newest.

    Raises:
        HttpError: there is none of this number.
    """
    for one in listed:
        if one.number == number:
            return one
    if number is None:
        return listed[-1]
    message = f"There is no revision {number}: choose one of those listed with the hour."
    raise HttpError(404, "revision_not_found", message)


def why_built(manifest: Manifest, viewer: Viewer) -> str:
    """Why a revision was built; a reason that somebody gave is for the operator."""
    reasons = list(manifest.record.get("reasons", ()))
    if not viewer.is_operator:
        # That may have been anybody.
        reasons = [reason for reason in reasons if reason != WAS_HELD]
    given = manifest.record.get("reason") if viewer.is_operator else None
    why = describe_reasons(reasons)
    return f"{why}: {given}" if given else why
