"""Events by the strict validator alone."""

from __future__ import annotations

import json
from collections.abc import Iterable

import polars as pl

from hourtally.events.event_types import Event
from hourtally.events.validation import check_line
from hourtally.ingest.parsed import events_frame
from tests.support.events.event_files import as_cloud_event
from tests.support.events.random_events import Json


def validated_event(line: bytes) -> Event:
    """The event of a line that is neither a void nor to be quarantined."""
    event = check_line(line)
    assert isinstance(event, Event)
    return event


def validated_frame(events: Iterable[Json]) -> pl.DataFrame:
    """Events of `fresh_events` as `schemas.EVENTS`."""
    lines = (json.dumps(as_cloud_event(event)).encode() for event in events)
    return events_frame(map(validated_event, lines))
