"""Human-readable explanation of a charge: slices, then each component's sum and rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from hourtally.cli.output.text_table import (
    Pipe,
    console,
    counts,
    lines_of,
    print_lines,
    print_text,
    texts,
)
from hourtally.errors import NotFound
from hourtally.events.ready_void import ready_void
from hourtally.model.hours import format_instant
from hourtally.model.money import format_cents
from hourtally.published.explain import Component, Explanation
from hourtally.published.explained_slices import Slice
from hourtally.published.explained_text import (
    UNITS,
    counted_events,
    divisor_text,
    exact_text,
    is_rated,
    piece_exact_text,
    price_text,
)
from hourtally.store.manifests import Manifest

if TYPE_CHECKING:
    from rich.console import Console

MOST_READY_VOIDS: Final = 10


def print_explanations(
    explanations: Sequence[Explanation], manifest: Manifest, files: Mapping[str, str]
) -> None:
    """Everything with one id in an hour; each explanation ends with the published charge.

    Args:
        explanations: at least one, all of the same customer.
        manifest: of the revision that is explained.
        files: the event file of each batch.
    """
    out = console()
    currency = manifest.record["currency"]
    customer = explanations[0].charge["customer_id"]
    heading = (
        f"{customer}, hour {manifest.hour} (UTC), revision {manifest.revision}; cents, {currency}"
    )
    print_text(out, heading, style="bold")
    for explanation in explanations:
        out.print()
        print_text(out, _title(explanation), style="bold")
        out.print()
        counted = explanation.slices.counted
        if counted:
            print_lines(out, _slices(counted))
        for batch in sorted({batch for one in counted for batch in one.batches}):
            print_text(out, f"batch {batch}: {files.get(batch, '(batch record missing)')}")
        for line in (*_conflicts(explanation, files), *_voided(explanation, files)):
            print_text(out, line)
        if not explanation.components:
            out.print("no charge: none of its slices counts")
            continue
        for component in explanation.components:
            if any(piece.quantity for piece in component.pieces):
                out.print()
                _print_component(component)
        out.print()
        if explanation.is_held:
            print_text(out, f"no charge: {customer} is held in this hour")
            continue
        parts = " + ".join(
            f"{component.name} {format_cents(component.charge)}"
            for component in explanation.components
        )
        print_text(out, f"total {format_cents(explanation.total)} = {parts}")
        out.print("= the published charge")
    _print_ready_voids(out, explanations)


def _title(explanation: Explanation) -> str:
    charge = explanation.charge
    if explanation.is_cluster:
        return f"BYOC cluster {_named(charge, 'cluster')}"
    return (
        f"{charge['resource_type']} {_named(charge, 'resource')}, "
        f"project {charge['project_id']}, team {charge['team_id']}"
    )


def _named(charge: Mapping[str, Any], kind: str) -> str:
    """The name and id; only the id where nothing is charged, so that there is no name."""
    own_id = charge[f"{kind}_id"]
    name = charge.get(f"{kind}_name", own_id)
    return str(own_id) if name == own_id else f"{name} ({own_id})"


def _slices(slices: Sequence[Slice]) -> list[str]:
    """The table of the counted slices."""
    rows = [one.row for one in slices]
    columns = [
        texts("source", [row["event_source"] for row in rows]),
        texts("id", [row["event_id"] for row in rows]),
        texts("from", [_clock(row["slice_start_ms"]) for row in rows]),
        texts("until", [_clock(row["slice_end_ms"]) for row in rows]),
        counts("ms", [row["slice_end_ms"] - row["slice_start_ms"] for row in rows]),
    ]
    columns += [
        texts(heading, [row[name] or "" for row in rows])
        for name, heading in (
            ("region", "region"),
            ("gpu_model", "gpu model"),
            ("gpu_capacity", "gpu capacity"),
        )
        if any(row[name] for row in rows)
    ]
    columns.append(texts("batch", [", ".join(one.batches) for one in slices]))
    return lines_of(["slice", *(str(one.number) for one in slices)], columns, None)


def _clock(instant_ms: int) -> str:
    """The time of day; the heading has the date."""
    return format_instant(instant_ms)[11:].removesuffix("Z")


def _conflicts(explanation: Explanation, files: Mapping[str, str]) -> Iterator[str]:
    """A line for each slice that lost to a conflicting one with the same identity."""
    for one in explanation.slices.conflict_losers:
        row, winner = one.row, one.winner
        yield (
            f"not counted: {row['event_source']} {row['event_id']} from "
            f"{format_instant(row['slice_start_ms'])} until {format_instant(row['slice_end_ms'])} "
            f"in batch {one.batch} ({files.get(one.batch, '')}): it conflicts with the same event "
            f"{_time(winner)} for {winner['resource_id']}, which counts"
        )


def _voided(explanation: Explanation, files: Mapping[str, str]) -> Iterator[str]:
    """A line for each slice that a void cancels."""
    for one in explanation.slices.voided:
        row, void = one.row, one.void
        reason = f": {void['reason']}" if void["reason"] else ""
        yield (
            f"not counted: {row['event_source']} {row['event_id']} from "
            f"{format_instant(row['slice_start_ms'])} until {format_instant(row['slice_end_ms'])} "
            f"in batch {one.batch} ({files.get(one.batch, '')}): voided by {void['source']} "
            f"{void['id']} in batch {one.void_batch} ({files.get(one.void_batch, '')}){reason}"
        )


def _print_ready_voids(out: Console | Pipe, explanations: Sequence[Explanation]) -> None:
    """Print the voids that would cancel the events of the counted slices."""
    events = counted_events(explanations)
    if not events:
        return
    out.print()
    print_text(out, "To void an event, append its line to an event file and ingest it:")
    for event in events[:MOST_READY_VOIDS]:
        out.print(ready_void(*event), soft_wrap=True)
    if len(events) > MOST_READY_VOIDS:
        print_text(out, f"… and {len(events) - MOST_READY_VOIDS} more: --void ID prints another's")


def print_ready_voids(explanations: Sequence[Explanation], event_id: str) -> None:
    """Print the voids of the events with this id, a line each, and nothing else.

    Raises:
        NotFound: none of the counted slices has this id.
    """
    events = counted_events(explanations)
    wanted = [event for event in events if event[1] == event_id]
    if not wanted:
        message = f"no slice that counts here is of an event with the id {event_id!r}"
        raise NotFound(message)
    for event in wanted:
        console().print(ready_void(*event), soft_wrap=True)


def _time(row: Mapping[str, Any]) -> str:
    time_us = row["event_time_us"]
    return "without a time" if time_us is None else f"of {format_instant(time_us // 1_000)}"


def _print_component(component: Component) -> None:
    out = console()
    unit = UNITS[component.quantity]
    print_text(out, f"{component.name}: {component.meter}, {unit} × ms × price / divisor")
    pieces = [piece for piece in component.pieces if piece.quantity]
    columns = [
        texts("from", [_clock(piece.start_ms) for piece in pieces]),
        counts("ms", [piece.end_ms - piece.start_ms for piece in pieces]),
        counts(unit, [piece.quantity for piece in pieces]),
        texts("rate", [piece.rate.id if piece.rate else "-" for piece in pieces]),
        texts("price", [price_text(piece) for piece in pieces]),
        texts("divisor", [divisor_text(piece, component.meter) for piece in pieces]),
        texts("exact cents", [piece_exact_text(piece) for piece in pieces]),
    ]
    print_lines(out, lines_of(["slice", *(str(p.slice_number) for p in pieces)], columns, None))
    if not is_rated(component):
        print_text(out, "no sum: some of it has no rate")
        return
    print_text(out, f"exact    {exact_text(component)} cents")
    print_text(
        out,
        f"rounded  {format_cents(component.charge)} cents, to whole nanocents, half to even",
    )
