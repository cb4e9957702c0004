"""An explanation in words and exact numbers, for whoever shows one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from hourtally.model.hours import HOUR_MS
from hourtally.model.money import NANOCENTS_PER_CENT
from hourtally.published.explain import Component, Explanation, Piece
from hourtally.ratecard import METERS, format_price

UNITS: Final = {
    "cpu_millicores": "millicores",
    "memory_mib": "MiB",
    "storage_mib": "MiB",
    "gpu_milli": "gpuMilli",
    "vcpu_millicores": "millicores",
    "gpu_memory_mib": "MiB",
    "cluster_count": "clusters",
}
_DECIMALS: Final = 24


def is_rated(component: Component) -> bool:
    """Whether all that was used of it has a rate, so that there is a sum."""
    return all(piece.rate is not None for piece in component.pieces if piece.quantity)


def price_text(piece: Piece) -> str:
    """The price of a piece's rate."""
    if piece.rate is None:
        return "no rate"
    return f"{format_price(piece.rate.price_cents)} per {piece.rate.per}"


def piece_exact_text(piece: Piece) -> str:
    """The exact cents of a piece, as a fraction."""
    return "-" if piece.rate is None else str(piece.exact / NANOCENTS_PER_CENT)


def divisor_text(piece: Piece, meter: str) -> str:
    """What quantity, milliseconds and price are divided by."""
    if piece.rate is None:
        return "-"
    return f"{METERS[meter][1]} × {piece.rate.per_hours} × {HOUR_MS}"


def exact_text(component: Component) -> str:
    """The exact sum of a component in cents: as a fraction where it is one, and as a decimal."""
    exact = component.exact / NANOCENTS_PER_CENT
    fraction = f"{exact} = " if exact.denominator > 1 else ""
    return f"{fraction}{decimal_of(exact)}"


def counted_events(explanations: Sequence[Explanation]) -> list[tuple[str, str, int, int]]:
    """Source, id and interval of each event whose slices count, sorted."""
    rows = [one.row for explanation in explanations for one in explanation.slices.counted]
    return sorted(
        {(row["event_source"], row["event_id"], row["start_ms"], row["end_ms"]) for row in rows}
    )


def decimal_of(exact: Fraction) -> str:
    """A fraction of at least zero as a decimal: exact, or its first 24 decimals and `…`."""
    scaled, rest = divmod(exact.numerator * 10**_DECIMALS, exact.denominator)
    whole, digits = divmod(scaled, 10**_DECIMALS)
    shown = f"{digits:0{_DECIMALS}d}"
    if rest:
        return f"{whole}.{shown}…"
    shown = shown.rstrip("0")
    return f"{whole}.{shown}" if shown else str(whole)
