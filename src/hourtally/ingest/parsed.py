"""What a block of a file holds: accepted events and refused lines."""

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
class Refusal:
    """A line that is kept, not counted: its number, the rule, a sentence, the line as it came."""

    line: int
    rule: str
    message: str
    raw: bytes
    length: int | None = None
    sha256: str | None = None

    def to_json(self, file: str) -> bytes:
        """The line of the quarantine file."""
        record: dict[str, Any] = {
            "file": file,
            "line": self.line,
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
class Parsed:
    """What a block holds. events: `schemas.EVENTS`. lines: all that are not blank."""

    events: pl.DataFrame
    refusals: list[Refusal]
    lines: int
    read_bytes: int


def events_frame(events: Iterable[Event]) -> pl.DataFrame:
    """Events as a frame of `schemas.EVENTS`."""
    return pl.DataFrame(list(events), schema=EVENTS, orient="row")
