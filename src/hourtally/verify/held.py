"""Who is held, derived anew: the usage of a customer that has no rate, slice by slice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from hourtally.model.components import RESOURCE_EVENT
from hourtally.verify.pricing import Pricing
from hourtally.verify.slices import Usage

_GPU_METER: Final = "paas.gpu"


class _Piece(NamedTuple):
    """A part of a slice that has no rate. resource: all ids; example: the ids that are shown."""

    from_ms: int
    until_ms: int
    resource: tuple[Any, ...]
    example: tuple[Any, ...]


def held_rows(
    slices: Iterable[dict[str, Any]], periods: Sequence[tuple[int, int]], pricing: Pricing
) -> Iterator[tuple[Any, ...]]:
    """The rows of `held.parquet` of one customer, without the batch, in order.

    Args:
        slices: the counted slices of the customer, by column.
        periods: the hour in parts in which no rate changes.
        pricing: the rates of the hour.
    """
    pieces: defaultdict[tuple[Any, ...], list[_Piece]] = defaultdict(list)
    for row in slices:
        for start_ms, end_ms in periods:
            from_ms = max(row["slice_start_ms"], start_ms)
            until_ms = min(row["slice_end_ms"], end_ms)
            if from_ms < until_ms:
                for key, piece in _unrated(row, (from_ms, until_ms), start_ms, pricing):
                    pieces[key].append(piece)
    for key in sorted(pieces, key=_nulls_first):
        for span in _spans(sorted(pieces[key], key=lambda piece: piece[:2])):
            resources = {piece.resource for piece in span}
            example = min((piece.example for piece in span), key=_nulls_first)
            until_ms = max(piece.until_ms for piece in span)
            yield (*key, span[0].from_ms, until_ms, len(resources), *example)


def _unrated(
    row: dict[str, Any], span: tuple[int, int], period_start_ms: int, pricing: Pricing
) -> Iterator[tuple[tuple[Any, ...], _Piece]]:
    """The parts of a slice in a rate period that have no rate, one for each meter."""
    of_period = {**row, "period_start_ms": period_start_ms}
    usage = Usage._make(of_period.get(name) for name in Usage._fields)
    ids = tuple(row[name] for name in ("team_id", "project_id", "resource_type", "resource_id"))
    example = (row["team_id"], row["project_id"], row["resource_id"])
    for meter, quantity in pricing.unrated_meters(usage):
        if row[quantity] > 0:
            is_gpu = meter == _GPU_METER and row["event_type"] == RESOURCE_EVENT
            capacity = (row["gpu_capacity"] or "on-demand") if is_gpu else None
            key = (
                *(row["customer_id"], meter, row["resource_type"], row["region"]),
                *(row["gpu_model"], capacity),
            )
            yield key, _Piece(*span, ids, example)


def _spans(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces in order, those that overlap or touch together."""
    span: list[_Piece] = []
    reached = 0
    for piece in pieces:
        if span and piece.from_ms > reached:
            yield span
            span = []
        reached = max(reached, piece.until_ms) if span else piece.until_ms
        span.append(piece)
    if span:
        yield span


def _nulls_first(values: tuple[Any, ...]) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in values]
