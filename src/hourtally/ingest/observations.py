"""What is worth saying in a file whose lines are right: what counts nothing, or not yet.

Everything but `starts_ahead` depends on the file's bytes alone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hourtally.model.components import QUANTITIES
from hourtally.model.hours import HOUR_MS, format_instant

if TYPE_CHECKING:
    import polars as pl

    from hourtally.ingest.parsed import ParsedBlock

MOST_UNKNOWN_FIELDS: Final = 100
_MOST_NAMED: Final = 5
_MAX_NAME_CHARACTERS: Final = 128


@dataclass(frozen=True)
class Observations:
    """What an ingest record says beside the counts of its lines.

    Attributes:
        without_quantity: accepted events without any quantity above zero.
        unknown_fields: ignored fields of `data`, each with how many accepted lines have it
            (duplicates too); the first 100 names.
        latest_start: of the file's events, RFC 3339; None without events.
        starts_ahead: accepted events that start over an hour after they were ingested.
    """

    without_quantity: int = 0
    unknown_fields: Mapping[str, int] = field(default_factory=dict)
    latest_start: str | None = None
    starts_ahead: int = 0

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Observations:
        """Those of an ingest record; records of build version 1 have none."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__ if name in record})

    @classmethod
    def together(cls, files: Iterable[Observations]) -> Observations:
        """Those of several files."""
        several = list(files)
        unknown: Counter[str] = Counter()
        for one in several:
            unknown.update(one.unknown_fields)
        starts = [one.latest_start for one in several if one.latest_start is not None]
        return cls(
            sum(one.without_quantity for one in several),
            dict(sorted(unknown.items())),
            max(starts, default=None),
            sum(one.starts_ahead for one in several),
        )


class ObservationCounts:
    """Counts what is worth saying while a file is ingested."""

    def __init__(self, now_ms: int) -> None:
        self.ahead_ms = now_ms + HOUR_MS
        self._unknown: Counter[str] = Counter()
        self._latest_start_ms: int | None = None
        self._without_quantity = 0
        self._starts_ahead = 0
        self._lock = threading.Lock()

    def add_block(self, block: ParsedBlock) -> None:
        """Add what a block has, in the order of the file."""
        for name in sorted(block.unknown):
            shown = name
            if len(name) > _MAX_NAME_CHARACTERS:
                shown = name[:_MAX_NAME_CHARACTERS] + "…"
            if shown in self._unknown or len(self._unknown) < MOST_UNKNOWN_FIELDS:
                self._unknown[shown] += block.unknown[name]
        if len(block.events):
            latest = int(block.events["start_ms"].max())  # type: ignore[arg-type]
            self._latest_start_ms = max(latest, self._latest_start_ms or 0)

    def add_slices(self, counts: tuple[int, int]) -> None:
        """Add what `count_slices` found among slices; any thread may call this."""
        with self._lock:
            self._without_quantity += counts[0]
            self._starts_ahead += counts[1]

    def to_record(self) -> dict[str, Any]:
        """The entries of the ingest record."""
        latest = self._latest_start_ms
        return {
            "without_quantity": self._without_quantity,
            "unknown_fields": dict(sorted(self._unknown.items())),
            "latest_start": None if latest is None else format_instant(latest),
            "starts_ahead": self._starts_ahead,
        }


def count_slices(slices: pl.DataFrame, ahead_ms: int) -> tuple[int, int]:
    """Events without any quantity, and events that start after `ahead_ms`.

    Each event is counted at its first slice. `slices` are without duplicates.
    """
    found = slices.select(slice_counts(ahead_ms))
    return int(found["nothing"][0]), int(found["ahead"][0])


def slice_counts(ahead_ms: int) -> tuple[pl.Expr, pl.Expr]:
    """The sums of `count_slices` as expressions, `nothing` and `ahead`."""
    import polars as pl

    is_first = pl.col("slice_start_ms") == pl.col("start_ms")
    is_nothing = pl.all_horizontal(pl.col(QUANTITIES) == 0)
    return (
        (is_first & is_nothing).sum().alias("nothing"),
        (is_first & (pl.col("start_ms") > ahead_ms)).sum().alias("ahead"),
    )


def observed(files: Iterable[Observations]) -> Iterator[str]:
    """A sentence for each thing worth saying of these files."""
    found = Observations.together(files)
    if found.without_quantity:
        are = "has" if found.without_quantity == 1 else "have"
        yield f"{_counted(found.without_quantity)} {are} no quantity above zero."
    if found.unknown_fields:
        yield f"Unknown fields were ignored: {_named(found.unknown_fields)}."
    if found.starts_ahead:
        starts = "starts" if found.starts_ahead == 1 else "start"
        yield (
            f"{_counted(found.starts_ahead)} {starts} over an hour from now, the latest "
            f"at {found.latest_start}. Hours are built once they are closed."
        )


def _counted(events: int) -> str:
    return "1 event" if events == 1 else f"{events} events"


def _named(unknown: Mapping[str, int]) -> str:
    often = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name!r} ({count})" for name, count in often[:_MOST_NAMED])
    more = len(often) - _MOST_NAMED
    if more <= 0:
        return named
    at_least = "at least " if len(often) >= MOST_UNKNOWN_FIELDS else ""
    return f"{named} and {at_least}{more} more"
