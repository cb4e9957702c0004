"""Events about one resource or cluster that differ only in what a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.events.event_files import Arrangement
from tests.support.events.random_events import HOUR_START_MS, Json
from tests.support.homes.small_home import Built, build, built, fresh_home, ingest
from tests.support.oracle.events import RESOURCE
from tests.support.ratecard.random_cards import METERS

MINUTE_MS = 60_000
RATES = 'currency = "USD"\nmonth_hours = 720\n' + "".join(
    f'[[rate]]\nid = "{meter}"\nmeter = "{meter}"\nprice_cents = "0.001"\nper = "{unit}-hour"\n'
    "active_from = 2026-01-01T00:00:00Z\n"
    # So that every field affects a charge.
    f'[[rate]]\nid = "{meter}-us"\nmeter = "{meter}"\nprice_cents = "0.003"\nper = "{unit}-hour"\n'
    'region = "us"\nactive_from = 2026-01-01T00:00:00Z\n'
    + (
        f'[[rate]]\nid = "{meter}-h100"\nmeter = "{meter}"\nprice_cents = "0.007"\n'
        f'per = "{unit}-hour"\ngpu_model = "h100"\nactive_from = 2026-01-01T00:00:00Z\n'
        if meter == "paas.gpu"
        else ""
    )
    for meter, unit in METERS.items()
)


def make_event(number: int, /, type_: str = RESOURCE, time: int | None = None, **data: Any) -> Json:
    """An event with the identity and customer of a case; `start` and `end` are minutes."""
    base = {"customerId": f"customer {number:02d}", "start": 0, "end": 30, "memoryMiB": 10}
    own: Json = {"clusterId": "k1"}
    if type_ == RESOURCE:
        own = {"teamId": "t1", "projectId": "p1", "resourceId": "r1", "resourceType": "job"}
    given = {**base, **own, **data}
    for name in ("start", "end"):
        given[name] = HOUR_START_MS + given[name] * MINUTE_MS
    attributes = {"specversion": "1.0", "source": "meter", "id": f"identity {number}"}
    return {**attributes, "type": type_, "time": time, "data": given}


def built_of(folder: Path, *files: Sequence[Json]) -> Built:
    """Ingest the files one by one in this order, then build the middle hour."""
    home = fresh_home(folder)
    for events in files:
        everything = tuple(range(len(events)))
        ingest(home, events, Arrangement(files=(everything,), formats=("ndjson",), seed=0))
    build(home, RATES)
    return built(home)
