"""The customers of a range by total, with search; and those of one hour."""

from __future__ import annotations

from typing import Any, Final

from hourtally.errors import Damaged
from hourtally.model.hours import Hour, HourRange
from hourtally.published.held import read_gaps
from hourtally.published.listing import Listing, Question, list_range
from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.hour_revisions import Viewer, listed_revisions, why_built
from hourtally.server.pages.page_requests import PageRequest
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources
from hourtally.server.parameters import bad_parameter
from hourtally.store.batches import event_file_names
from hourtally.store.manifests import current_manifest

PER_PAGE: Final = 50
_MOST_CONFLICTS: Final = 20


def customers(sources: PageSources, request: PageRequest) -> Page:
    """The customers of a range; by default of the month to date.

    Raises:
        HttpError: a bound is not an hour, or the range is empty.
    """
    request.allow("from", "to", "search", "page")
    now = Hour.containing(sources.now_ms())
    first = request.hour("from") or Hour.parse(f"{now.name[:7]}-01")
    end = request.hour("to") or max(now, first).following
    if end <= first:
        message = f"{end} is not after {first}."
        raise bad_parameter(message)
    search = request.query.get("search", "").strip()
    page = request.number("page") or 1
    listing = _list(sources, HourRange(first, end))
    rows = [row for row in listing.rows.iter_rows(named=True) if _matches(row, search)]
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["currency"]] = totals.get(row["currency"], 0) + row["total_nanocents"]
    query = {"from": first.name, "to": end.name, "search": search}
    content: dict[str, Any] = {
        "title": "Customers",
        "section": "Customers",
        "first": first,
        "end": end,
        "search": search,
        "rows": [(row, _address(row)) for row in rows[(page - 1) * PER_PAGE : page * PER_PAGE]],
        "count": len(rows),
        "totals": totals,
        "page": page,
        "pages": max(1, -(-len(rows) // PER_PAGE)),
        "query": query,
        "held": {
            one: len(hours)
            for one, hours in listing.held.items()
            if search.casefold() in one.casefold()
        },
        "most": PER_PAGE,
        "missing": listing.missing,
    }
    return Page("customers", content)


def _list(sources: PageSources, within: HourRange) -> Listing:
    question = Question(by="customer", hours=within, components=False, quantities=False)
    return list_range(sources.home, question, sources.usage.revisions.read)


def _matches(row: dict[str, Any], search: str) -> bool:
    return search.casefold() in row["customer_id"].casefold()


def _address(row: dict[str, Any]) -> str:
    return Addresses(row["customer_id"]).top


def hour(sources: PageSources, asked: Hour) -> Page:
    """An hour of the home: its state, customers, revisions, inputs, and what did not count.

    Raises:
        Damaged: a file of the hour differs from its record.
    """
    status = sources.status(asked)
    addresses, viewer = Addresses(), Viewer(None, is_operator=True)
    content: dict[str, Any] = {
        "title": asked.name,
        "section": "Hours",
        "hour": asked,
        "status": status,
        "revisions": [],
        **addresses.hours_beside(asked),
    }
    try:
        manifest = current_manifest(sources.home, asked)
    except Damaged as damage:
        return Page("operator_hour", content | {"manifest": None, "damage": str(damage)})
    if manifest is None:
        return Page("operator_hour", content | {"manifest": None, "damage": None})
    listed, gaps = listed_revisions(sources, asked, viewer), read_gaps(manifest)
    rows = _list(sources, HourRange(asked, asked.following)).rows
    content |= {
        "damage": None,
        "manifest": manifest,
        "revisions": [
            {
                "number": one.number,
                "published_at": one.published_at,
                "why": why_built(one.manifest, viewer),
                "is_shown": one is listed[-1],
                "address": None,
                "changes": addresses.changes(asked, listed[place - 1].number, one.number)
                if place
                else None,
            }
            for place, one in reversed(list(enumerate(listed)))
        ],
        "rows": [
            (row, Addresses(row["customer_id"]).hour(asked))
            for row in rows.head(PER_PAGE).iter_rows(named=True)
        ],
        "count": len(rows),
        "gaps": [(gap, Addresses(gap.customer_id).hour(asked)) for gap in gaps[:PER_PAGE]],
        "gap_count": len(gaps),
        "voids": manifest.record.get("voids") or {},
        "conflicts": [
            (one, Addresses(one["customer_id"]).explain(asked, one["resource_id"]))
            for one in manifest.record["conflicts"]["listed"][:_MOST_CONFLICTS]
        ],
        "files": event_file_names(sources.home, manifest.inputs["batches"]),
    }
    return Page("operator_hour", content)
