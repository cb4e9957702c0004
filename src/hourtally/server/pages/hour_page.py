"""An hour of a customer: teams, their projects, their types, their resources; clusters; revisions.

Each level is a page of its own, under the filters that the API has for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from hourtally.errors import HourHeld, NoQuantities
from hourtally.model.hours import Hour
from hourtally.model.money import CENTS_DIGITS, CURRENCY_DIGITS, HOURS_DIGITS, parse_decimal
from hourtally.published.document_index import DOCUMENTS, USAGE_DOCUMENTS
from hourtally.published.held import read_gaps
from hourtally.published.reader import read_current, read_document
from hourtally.published.views import PROJECTS, RESOURCES, Filters, paged_view
from hourtally.published.views import Page as LevelPage
from hourtally.server.pages.addresses import DOCUMENT, USAGE, Addresses
from hourtally.server.pages.hour_revisions import (
    ListedRevision,
    Viewer,
    chosen,
    listed_revisions,
    why_built,
)
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources
from hourtally.store.manifests import Manifest

PER_PAGE: Final = 50
_HEADINGS: Final = {
    "vcpuHours": "vCPU-h",
    "memoryGiBHours": "memory GiB-h",
    "storageGiBHours": "storage GiB-h",
    "gpuOnDemandHours": "GPU-h",
    "gpuSpotHours": "spot GPU-h",
    "gpuMemoryGiBHours": "GPU memory GiB-h",
    "clusterHours": "cluster-h",
}
TEAM, PROJECT, TYPE, RESOURCE = "team", "project", "type", "resource"
# A level's name, and the arrays that lead to it.
_ARRAYS: Final = {
    TEAM: ("teams",),
    PROJECT: ("teams", "projects"),
    TYPE: ("teams", "projects", "resourceTypes"),
    RESOURCE: ("teams", "projects", "resourceTypes", "resources"),
}
_NOTHING: Final = LevelPage(1, 1)
_Item = TypeVar("_Item")


class LevelRow(NamedTuple):
    """An item of a level. total: nanocents. usage: nano-hours by key; empty if not known.

    address: of what there is to see of it; None if that is all.
    """

    id: str
    name: str
    total: int
    usage: Mapping[str, int]
    address: str | None


@dataclass(frozen=True)
class Level:
    """A page of the items of a level, the dearest first.

    Attributes:
        name: such as `team`.
        rows: those on the page. count: of all. columns: heading by key of the usage.
        whole: what shares are of.
    """

    name: str
    rows: list[LevelRow]
    count: int
    columns: Mapping[str, str]
    whole: int


class RevisionRow(NamedTuple):
    """A revision of the hour. changes: the address of its difference from the one before."""

    number: int
    published_at: str
    why: str
    is_shown: bool
    address: str
    changes: str | None


class Asked(NamedTuple):
    """Which hour of whom, and what of it."""

    viewer: Viewer
    hour: Hour
    filters: Filters
    page: int
    revision: int | None

    @property
    def customer(self) -> str:
        """Whose hour it is."""
        assert self.viewer.customer is not None
        return self.viewer.customer


def hour_page(sources: PageSources, asked: Asked, addresses: Addresses) -> Page:
    """The page of a customer's hour; of an unpublished one, why there is nothing.

    Raises:
        HttpError: it has no such revision.
        HourtallyError: a file is damaged.
    """
    return read_current(lambda: _hour_page(sources, asked, addresses))


def _hour_page(sources: PageSources, asked: Asked, addresses: Addresses) -> Page:
    around = {
        "title": f"{asked.hour.name} · {asked.customer}",
        "hour": asked.hour,
        **addresses.hours_beside(asked.hour),
    }
    if sources.usage.revisions.read(sources.home, asked.hour) is None:
        return Page("hour_absent", around | {"status": sources.status(asked.hour)}, 404)
    listed = listed_revisions(sources, asked.hour, asked.viewer)
    shown = chosen(listed, asked.revision)
    manifest, is_newest = shown.manifest, shown is listed[-1]
    common = around | {
        "revision": shown,
        "is_newest": is_newest,
        "currency": str(manifest.record["currency"]),
        "crumbs": list(_crumbs(asked, addresses)),
        "revisions": _revisions(listed, shown.number, asked, addresses),
    }
    try:
        document = _document(manifest, asked.customer)
    except HourHeld:
        gaps = [gap for gap in read_gaps(manifest) if gap.customer_id == asked.customer]
        return Page("hour_held", common | {"gaps": gaps}, 409)
    return Page("hour", common | _content(document, asked, addresses, explains=is_newest))


def _document(manifest: Manifest, customer: str) -> bytes:
    """The usage document; of an earlier build, which kept no quantities, the other one."""
    try:
        return read_document(manifest, customer, USAGE_DOCUMENTS)
    except NoQuantities:
        return read_document(manifest, customer, DOCUMENTS)


def _content(
    document: bytes, asked: Asked, addresses: Addresses, *, explains: bool
) -> dict[str, Any]:
    filters = asked.filters
    shown = paged_view(document, filters, _fewest(filters)).body
    data = json.loads(shown, parse_float=str, parse_int=str)["data"]
    digits = CURRENCY_DIGITS if "paas" in data else CENTS_DIGITS
    paas, byoc = (data.get("paas") or data["paasUsage"]), (data.get("byoc") or data["byocUsage"])
    name = _level_of(filters)
    read = _Reader(digits, asked, addresses, explains=explains)
    level = read.level(name, paas)
    clusters = [read.cluster(one) for one in byoc.get("clusters", ())]
    clusters.sort(key=lambda one: (-one.total, one.id))
    # Both tables turn their pages together: a page has one number in its address.
    pages = -(-max(level.count, len(clusters), 1) // PER_PAGE)
    return {
        "level": level,
        "filters": filters,
        "paas": read.prices(paas),
        "paas_usage": read.usage(paas),
        "byoc": read.prices(byoc),
        "byoc_usage": read.usage(byoc),
        "headings": _HEADINGS,
        "clusters": _on_page(clusters, asked.page),
        "cluster_count": len(clusters),
        "document_address": addresses.json(asked.hour, DOCUMENT, filters),
        "usage_address": addresses.json(asked.hour, USAGE, filters) if "paas" in data else None,
        "clusters_have_pages": len(clusters) > PER_PAGE,
        "page": asked.page,
        "per_page": PER_PAGE,
        "pages": pages,
        "earlier_page": _page_address(asked, addresses, -1) if asked.page > 1 else None,
        "later_page": _page_address(asked, addresses, 1) if asked.page < pages else None,
    }


def _on_page(items: Sequence[_Item], page: int) -> Sequence[_Item]:
    return items[(page - 1) * PER_PAGE : page * PER_PAGE]


def _page_address(asked: Asked, addresses: Addresses, step: int) -> str:
    return addresses.hour(asked.hour, asked.filters, asked.revision, asked.page + step)


def _level_of(filters: Filters) -> str:
    """The level that is listed under filters."""
    if filters.team is None:
        return TEAM
    if filters.project is None:
        return PROJECT
    return TYPE if filters.resource_type is None else RESOURCE


def _fewest(filters: Filters) -> dict[str, LevelPage]:
    """Pages of the levels below the one that is listed, so that little of them is written."""
    below = {TEAM: (PROJECTS, RESOURCES), PROJECT: (RESOURCES,), TYPE: (RESOURCES,), RESOURCE: ()}
    return dict.fromkeys(below[_level_of(filters)], _NOTHING)


class _Reader:
    """Reads the numbers of a view as whole ones.

    digits: behind the point of its prices. explains: whether the charges are those that `explain`
    tells of, of the newest revision.
    """

    def __init__(self, digits: int, asked: Asked, addresses: Addresses, *, explains: bool) -> None:
        self._digits = digits
        self._explains = explains
        self._asked = asked
        self._addresses = addresses

    def prices(self, item: Mapping[str, Any]) -> dict[str, int]:
        return {
            name: parse_decimal(text.encode(), self._digits) for name, text in item["price"].items()
        }

    def usage(self, item: Mapping[str, Any]) -> dict[str, int]:
        usage = item.get("usage", {})
        return {name: parse_decimal(text.encode(), HOURS_DIGITS) for name, text in usage.items()}

    def level(self, name: str, paas: Mapping[str, Any]) -> Level:
        items: list[Mapping[str, Any]] = [paas]
        for array in _ARRAYS[name]:
            items = [inner for one in items for inner in one.get(array, ())]
        items.sort(key=lambda one: (-self.prices(one)["total"], one.get("id", "")))
        rows = [self.row(name, one) for one in _on_page(items, self._asked.page)]
        usage = self.usage(paas)
        columns = {key: _HEADINGS[key] for key in usage if usage[key]}
        return Level(name, rows, len(items), columns, self.prices(paas)["total"])

    def row(self, level: str, item: Mapping[str, Any]) -> LevelRow:
        filters, hour = self._asked.filters, self._asked.hour
        id_ = item.get("id", item.get("resourceType", ""))
        address: str | None
        if level == RESOURCE:
            address = self._explanation(id_)
        else:
            field = {TEAM: "team", PROJECT: "project", TYPE: "resource_type"}[level]
            narrower = filters._replace(**{field: id_})
            address = self._addresses.hour(hour, narrower, self._asked.revision)
        return LevelRow(
            id_, item.get("name", id_), self.prices(item)["total"], self.usage(item), address
        )

    def cluster(self, item: Mapping[str, Any]) -> LevelRow:
        total, address = self.prices(item)["total"], self._explanation(item["id"])
        return LevelRow(item["id"], item["name"], total, self.usage(item), address)

    def _explanation(self, id_: str) -> str | None:
        return self._addresses.explain(self._asked.hour, id_) if self._explains else None


def _crumbs(asked: Asked, addresses: Addresses) -> Iterator[tuple[str, str]]:
    """What leads to the level that is shown: a text and an address each."""
    filters, shown = asked.filters, Filters()
    yield asked.hour.name, addresses.hour(asked.hour, revision=asked.revision)
    for field, value in filters._asdict().items():
        if value is not None:
            shown = shown._replace(**{field: value})
            yield value, addresses.hour(asked.hour, shown, asked.revision)


def _revisions(
    listed: Sequence[ListedRevision], shown: int, asked: Asked, addresses: Addresses
) -> list[RevisionRow]:
    """The revisions that the viewer may know of, newest first."""
    rows = []
    for place, one in enumerate(listed):
        changes = None
        if place:
            changes = addresses.changes(asked.hour, listed[place - 1].number, one.number)
        rows.append(
            RevisionRow(
                one.number,
                one.published_at,
                why_built(one.manifest, asked.viewer),
                one.number == shown,
                addresses.hour(asked.hour, asked.filters, one.number),
                changes,
            )
        )
    return rows[::-1]
