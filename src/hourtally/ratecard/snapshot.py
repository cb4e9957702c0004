"""The rates in force in an hour, as a home keeps them beside its revisions.

A revision's manifest names its rates by a digest alone. The text behind the digest is kept under
it, once for all hours that share it, so that a published charge can be explained after the card
has changed, and two revisions can be told apart by their rates.
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


def keep_statement(home: Home, card: RateCard, hour: Hour, staging: Path) -> None:
    """Write down the rates in force in an hour, unless a home has them as they were written.

    Args:
        home: where.
        card: the rates.
        hour: in which they are in force.
        staging: a folder of the home for what is not finished.
    """
    digest = card.digest(hour)
    path = home.statement(digest)
    if _read(path, digest) is None:
        durable.make_folder(path.parent)
        with durable.undone_if_it_fails(path.unlink):
            durable.replace_file(path, card.statement(hour), staging=staging)
    else:
        # Whoever wrote it may have been killed before its name was durable.
        durable.fsync_folder(path.parent)


def read_statement(home: Home, digest: str, hour: Hour) -> tuple[Rate, ...]:
    """The rates with this digest, sorted by id, their windows cut to the hour.

    Raises:
        Damaged: the file is missing, or not what was written.
    """
    path = home.statement(digest)
    content = _read(path, digest)
    if content is None:
        reason = (
            "it is missing, or its SHA-256 is not its name; restore it from a copy, or let "
            f"`hourtally backfill --force` over hour {hour} publish it with today's rates"
        )
        raise Damaged(path, reason)
    return tuple(_rate(line, hour) for line in content.splitlines()[1:])


def _read(path: Path, digest: str) -> bytes | None:
    """The text with this digest; None where it is missing or damaged."""
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
