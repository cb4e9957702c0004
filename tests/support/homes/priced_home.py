"""Homes with an hour or two of usage whose cents are worked out by hand.

A job of one vCPU in hour 13 for 30 minutes: at 120 cents a vCPU-hour that is 60 cents.
"""

from __future__ import annotations

from pathlib import Path

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.model.hours import Hour
from hourtally.ratecard import parse_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.events.event_files import Arrangement
from tests.support.events.one_resource import make_event
from tests.support.events.random_events import HOUR, NOW_MS, Json
from tests.support.homes.small_home import fresh_home, ingest
from tests.support.oracle.events import CLUSTER
from tests.support.ratecard.card_texts import card_text, rate_text

FIRST, SECOND = Hour(HOUR), Hour(HOUR + 3_600)
CENT = 1_000_000_000


def hourly_rate(name: str, cents: str, meter: str = "paas.cpu", **more: str) -> str:
    per = {"paas.cpu": "vcpu-hour", "paas.gpu": "gpu-hour", "byoc.cluster": "cluster-hour"}
    texts = {key: f'"{value}"' for key, value in more.items() if not key.startswith("active_")}
    instants = {key: value for key, value in more.items() if key.startswith("active_")}
    return rate_text(
        id=f'"{name}"',
        meter=f'"{meter}"',
        price_cents=f'"{cents}"',
        per=f'"{per[meter]}"',
        **{"active_from": "2026-01-01T00:00:00Z", **instants, **texts},
    )


CARD = card_text(hourly_rate("cpu", "120"))


def job(number: int, customer: str, start: int = 0, end: int = 30, **data: object) -> Json:
    """A job of one vCPU; minutes of hour 13."""
    quantities = {"memoryMiB": None, "cpuMillicores": 1_000}
    return make_event(
        number,
        customerId=customer,
        start=start,
        end=end,
        **{**quantities, **data},  # type: ignore[arg-type]
    )


def cluster(number: int, customer: str, start: int = 0, end: int = 30) -> Json:
    """A cluster without vCPUs; minutes of hour 13."""
    return make_event(
        number, CLUSTER, customerId=customer, start=start, end=end, memoryMiB=None, clusterCount=1
    )


def add(home: Home, *events: Json) -> None:
    """Ingest events as one file."""
    ingest(home, events, Arrangement((tuple(range(len(events))),), ("ndjson",), seed=0))


def publish(home: Home, card: str) -> list[str]:
    """Build every stale hour; their names."""
    rates = parse_rate_card(card, "card")
    stale = stale_hours(home, rates, NOW_MS, DEFAULT_SETTLE_MS)
    report = Builder(home, rates, NOW_MS, Settings(threads=1)).build(stale)
    assert report.failed == []
    return [receipt.hour for receipt in report.built]


def priced_home(folder: Path, *events: Json, card: str | None = CARD) -> Home:
    """A home with these events, published under a card, unless it is None."""
    home = fresh_home(folder)
    add(home, *events)
    if card is not None:
        publish(home, card)
    return home
