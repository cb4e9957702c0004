"""What a block of a file holds: accepted events and voids, and quarantined lines."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from hourtally.events.event_types import Event, Void
from hourtally.model.schemas import EVENTS, VOIDS


@dataclass(frozen=True)
class QuarantinedLine:
    """A line that is kept but does not count: its number, the rule it breaks, and its raw bytes.

    length, sha256: of the whole line, where `raw` is only its beginning.
    """

    number: int
    rule: str
    message: str
    raw: bytes
    length: int | None = None
    sha256: str | None = None

    def to_json(self, file: str) -> bytes:
        """This line's entry in the quarantine file."""
        record: dict[str, Any] = {
            "file": file,
            "line": self.number,
            "rule": self.rule,
            "message": self.message,
        }
        try:
            record["raw"] = self.raw.decode()
        except UnicodeDecodeError:
            record["raw_base64"] = base64.b64encode(self.raw).decode()
        if self.length is not None:
            record |= {"raw_length": self.length, "raw_sha256": self.sha256}
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def events_frame(events: Iterable[Event]) -> pl.DataFrame:
    """Events as a frame of `schemas.EVENTS`."""
    return pl.DataFrame(list(events), schema=EVENTS, orient="row")


def voids_frame(voids: Iterable[Void]) -> pl.DataFrame:
    """Voids as a frame of `schemas.VOIDS`."""
    rows = list(voids)
    return pl.DataFrame(rows, schema=VOIDS, orient="row") if rows else NO_VOIDS


# Made once: for each of 1,000 small files, making it took a twentieth of the time of an ingest.
NO_VOIDS: Final = pl.DataFrame(schema=VOIDS)


@dataclass(frozen=True)
class ParsedBlock:
    """The contents of a block.

    events: `schemas.EVENTS`, in any order. lines: how many are not blank: the number of events,
    voids and quarantined lines. bytes_read: of the file so far. voids: `schemas.VOIDS`, in the
    order of the file. unknown: how many of the events and voids have each ignored field of data.
    """

    events: pl.DataFrame
    lines: int
    bytes_read: int
    quarantined: list[QuarantinedLine] = field(default_factory=list)
    voids: pl.DataFrame = field(default_factory=lambda: NO_VOIDS)
    unknown: Counter[str] = field(default_factory=Counter)
