"""Why a resource or cluster costs what it costs: what `explain` prints, as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hourtally.events.ready_void import ready_void
from hourtally.model.hours import Hour, format_instant
from hourtally.published.explain import Component, Explanation, explain
from hourtally.published.explained_slices import ConflictLoser, VoidedSlice
from hourtally.published.explained_text import (
    UNITS,
    counted_events,
    divisor_text,
    exact_text,
    is_rated,
    piece_exact_text,
    price_text,
)
from hourtally.published.reader import read_current
from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.hour_revisions import Viewer, listed_revisions
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources
from hourtally.store.batches import event_file_names

_MOST_VOIDS: Final = 10
# More would be a page of several megabytes.
MOST_SLICES: Final = 500


@dataclass(frozen=True)
class ShownComponent:
    """A price of a charge. rows: from, ms, quantity, rate, price, divisor, exact cents, slice."""

    name: str
    meter: str
    unit: str
    rows: list[tuple[Any, ...]]
    left_out: int
    exact: str | None
    charge: int


def explain_page(
    sources: PageSources, viewer: Viewer, hour: Hour, resource: str, addresses: Addresses
) -> Page:
    """The page that explains everything with one id in the newest revision of an hour.

    Raises:
        HttpError: the hour is not published.
        NotFound: it has no slice with this id.
        Damaged: a file differs from its record, or the slices do not give the published charge.
    """
    assert viewer.customer is not None
    customer = viewer.customer

    def read() -> Page:
        shown = listed_revisions(sources, hour, viewer)[-1]
        explained = explain(sources.home, shown.manifest, customer, resource)
        files = {}
        if viewer.is_operator:
            files = event_file_names(sources.home, shown.manifest.inputs["batches"])
        content = {
            "title": f"{resource} · {hour.name} · {customer}",
            "hour": hour,
            "resource": resource,
            "revision": shown,
            "currency": str(shown.manifest.record["currency"]),
            "explained": [_shown(one, viewer, files) for one in explained],
            "voids": _voids(explained) if viewer.is_operator else [],
            "addresses": addresses,
        }
        held = any(one.is_held for one in explained)
        return Page("explain", content, 409 if held else 200)

    return read_current(read)


def _shown(one: Explanation, viewer: Viewer, files: Mapping[str, str]) -> dict[str, Any]:
    charge, slices = one.charge, one.slices
    kind = "cluster" if one.is_cluster else "resource"
    return {
        "kind": "BYOC cluster" if one.is_cluster else charge["resource_type"],
        "id": charge[f"{kind}_id"],
        "name": charge.get(f"{kind}_name", charge[f"{kind}_id"]),
        "place": None if one.is_cluster else (charge["team_id"], charge["project_id"]),
        "slices": [_slice(found.number, found.row, found.batches) for found in slices.counted],
        "most": MOST_SLICES,
        "files": {
            batch: files.get(batch, "")
            for batch in sorted({batch for found in slices.counted for batch in found.batches})
        },
        "not_counted": [
            *(_lost(loser, viewer) for loser in slices.conflict_losers[:MOST_SLICES]),
            *(_voided(voided, viewer) for voided in slices.voided[:MOST_SLICES]),
        ],
        "components": [_component(part) for part in one.components if _is_used(part)],
        "parts": [(part.name, part.charge) for part in one.components],
        "total": one.total,
        "is_held": one.is_held,
        "is_charged": one.is_charged,
    }


def _slice(number: int, row: Mapping[str, Any], batches: Sequence[str]) -> dict[str, Any]:
    return {
        "number": number,
        "source": row["event_source"],
        "id": row["event_id"],
        "start": _clock(row["slice_start_ms"]),
        "end": _clock(row["slice_end_ms"]),
        "ms": row["slice_end_ms"] - row["slice_start_ms"],
        "selectors": ", ".join(
            str(row[name]) for name in ("region", "gpu_model", "gpu_capacity") if row[name]
        ),
        "batches": list(batches),
    }


def _clock(instant_ms: int) -> str:
    """The time of day; the heading has the date."""
    return format_instant(instant_ms)[11:].removesuffix("Z")


def _lost(one: ConflictLoser, viewer: Viewer) -> dict[str, Any]:
    """A slice that lost to another of its identity, which may be another customer's."""
    winner = one.winner
    of_whom = ""
    if viewer.is_operator or winner["customer_id"] == viewer.customer:
        of_whom = f" for {winner['resource_id']}"
    why = f"conflicts with the same event{of_whom}, which counts"
    return _slice(0, one.row, [one.batch]) | {"why": why}


def _voided(one: VoidedSlice, viewer: Viewer) -> dict[str, Any]:
    why = f"voided by {one.void['source']} {one.void['id']}"
    if viewer.is_operator:
        reason = f": {one.void['reason']}" if one.void["reason"] else ""
        why += f" in batch {one.void_batch}{reason}"
    return _slice(0, one.row, [one.batch]) | {"why": why}


def _is_used(component: Component) -> bool:
    return any(piece.quantity for piece in component.pieces)


def _component(component: Component) -> ShownComponent:
    pieces = [piece for piece in component.pieces if piece.quantity]
    rows = [
        (
            piece.slice_number,
            _clock(piece.start_ms),
            piece.end_ms - piece.start_ms,
            piece.quantity,
            piece.rate.id if piece.rate else "-",
            price_text(piece),
            divisor_text(piece, component.meter),
            piece_exact_text(piece),
        )
        for piece in pieces[:MOST_SLICES]
    ]
    return ShownComponent(
        component.name,
        component.meter,
        UNITS[component.quantity],
        rows,
        len(pieces) - len(rows),
        exact_text(component) if is_rated(component) else None,
        component.charge,
    )


def _voids(explained: Sequence[Explanation]) -> list[str]:
    """The voids that would cancel the events, ready to be ingested."""
    return [ready_void(*event) for event in counted_events(explained)[:_MOST_VOIDS]]
