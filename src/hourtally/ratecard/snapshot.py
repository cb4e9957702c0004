"""Snapshots of the rates in force in an hour, stored beside the revisions.

A revision's manifest has only a digest of its rates. The text behind the digest is stored once
for all hours that share it, so that a published charge can be explained after the card has
changed, and the rates of two revisions can be compared.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.ratecard.card import Rate, RateCard
from hourtally.store.addressed import read_addressed, write_addressed
from hourtally.store.layout import Home


def write_rates_snapshot(home: Home, card: RateCard, hour: Hour, staging: Path) -> None:
    """Store the rates in force in an hour, unless an intact snapshot of them is there.

    Args:
        home: the home folder.
        card: the rate card.
        hour: the hour.
        staging: a folder of the home for temporary files.
    """
    write_addressed(home.rates_snapshot(card.digest(hour)), card.snapshot(hour), staging)


def read_rates_snapshot(home: Home, digest: str, hour: Hour) -> tuple[Rate, ...]:
    """The rates with this digest, sorted by id, their windows clipped to the hour.

    Raises:
        Damaged: the file is missing or differs from what was written.
    """
    lines = _read(home, digest, hour)
    return tuple(_rate(line, hour) for line in lines[1:])


def read_snapshot_currency(home: Home, digest: str, hour: Hour) -> str:
    """The currency of the rates with this digest.

    Raises:
        Damaged: as `read_rates_snapshot`.
    """
    return str(json.loads(_read(home, digest, hour)[0]))


def _read(home: Home, digest: str, hour: Hour) -> list[bytes]:
    path = home.rates_snapshot(digest)
    content = read_addressed(path)
    if content is None:
        reason = (
            "it is missing, or its SHA-256 is not its name; restore it from a copy, or run "
            f"`hourtally backfill --force` over hour {hour} to publish it with today's rates"
        )
        raise Damaged(path, reason)
    return content.splitlines()


def _rate(line: bytes, hour: Hour) -> Rate:
    rate_id, meter, price, per, per_hours, selectors, from_ms, until_ms = json.loads(line)
    # Rates without a capacity, and all of the version before, have four.
    customer, gpu_model, resource_type, region, *capacity = selectors
    return Rate(
        id=rate_id,
        meter=meter,
        price_cents=Fraction(price),
        per=per,
        per_hours=per_hours,
        active_from_ms=hour.start_ms + from_ms,
        active_until_ms=hour.start_ms + until_ms,
        customer=customer,
        resource_type=resource_type,
        region=region,
        gpu_model=gpu_model,
        gpu_capacity=capacity[0] if capacity else None,
    )
