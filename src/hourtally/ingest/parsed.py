"""What a block of a file holds: accepted events and quarantined lines."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from hourtally.events.event_types import Event
from hourtally.model.schemas import EVENTS


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


@dataclass(frozen=True)
class ParsedBlock:
    """The contents of a block. events: `schemas.EVENTS`. lines: how many are not blank.

    `lines` is the number of events and quarantined lines. bytes_read: of the file so far.
    """

    events: pl.DataFrame
    quarantined: list[QuarantinedLine]
    lines: int
    bytes_read: int


def events_frame(events: Iterable[Event]) -> pl.DataFrame:
    """Events as a frame of `schemas.EVENTS`."""
    return pl.DataFrame(list(events), schema=EVENTS, orient="row")
