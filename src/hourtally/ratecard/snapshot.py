"""Snapshots of the rates in force in an hour, stored beside the revisions.

A revision's manifest has only a digest of its rates. The text behind the digest is stored once
for all hours that share it, so that a published charge can be explained after the card has
changed, and the rates of two revisions can be compared.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.ratecard.card import Rate, RateCard
from hourtally.store import durable
from hourtally.store.layout import Home


def write_rates_snapshot(home: Home, card: RateCard, hour: Hour, staging: Path) -> None:
    """Store the rates in force in an hour, unless an intact snapshot of them is there.

    Args:
        home: the home folder.
        card: the rate card.
        hour: the hour.
        staging: a folder of the home for temporary files.
    """
    digest = card.digest(hour)
    path = home.rates_snapshot(digest)
    if _read(path, digest) is None:
        durable.make_folder(path.parent)
        with durable.undo_on_failure(path.unlink):
            durable.replace_file(path, card.snapshot(hour), staging=staging)
    else:
        # Its writer may have been killed before the name was durable.
        durable.fsync_folder(path.parent)


def read_rates_snapshot(home: Home, digest: str, hour: Hour) -> tuple[Rate, ...]:
    """The rates with this digest, sorted by id, their windows clipped to the hour.

    Raises:
        Damaged: the file is missing or differs from what was written.
    """
    path = home.rates_snapshot(digest)
    content = _read(path, digest)
    if content is None:
        reason = (
            "it is missing, or its SHA-256 is not its name; restore it from a copy, or run "
            f"`hourtally backfill --force` over hour {hour} to publish it with today's rates"
        )
        raise Damaged(path, reason)
    return tuple(_rate(line, hour) for line in content.splitlines()[1:])


def _read(path: Path, digest: str) -> bytes | None:
    """The text with this digest; None if it is missing or damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _rate(line: bytes, hour: Hour) -> Rate:
    rate_id, meter, price, per, per_hours, selectors, from_ms, until_ms = json.loads(line)
    customer, gpu_model, resource_type, region = selectors
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
    )
