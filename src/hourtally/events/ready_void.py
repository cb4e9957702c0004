"""A ready void: the line that cancels an event."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from hourtally.model.hours import format_instant

_MAX_ID_BYTES: Final = 512


def ready_void(source: str, event_id: str, start_ms: int, end_ms: int) -> str:
    """The NDJSON line, without its line break, of a void of an event with this interval.

    It is ASCII, so a terminal shows it as it is. Its id follows from the event, so the same void
    made twice is one void; a reason may be added under `data`.
    """
    own_id = f"void-{event_id}"
    if len(own_id.encode()) > _MAX_ID_BYTES:
        own_id = f"void-{hashlib.sha256(event_id.encode()).hexdigest()}"
    void = {
        "specversion": "1.0",
        "type": "metering.void.v1",
        "source": source,
        "id": own_id,
        "data": {
            "voidedSource": source,
            "voidedId": event_id,
            "start": format_instant(start_ms),
            "end": format_instant(end_ms),
        },
    }
    return json.dumps(void, separators=(",", ":"))
