"""Cursors of lists: opaque, and good only for the granularity and the filters they came with."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Final, NamedTuple

from hourtally.model.hours import check_year
from hourtally.published.views import Filters
from hourtally.server.parameters import bad_parameter

_TEXT: Final = re.compile(r"(-?[0-9]{1,12})\.([A-Z]{3})\.([0-9a-f]{16})", re.ASCII)
_DIGEST_DIGITS: Final = 16


class Position(NamedTuple):
    """An entry of a list: the first second of its whole period, and its currency."""

    period: int
    currency: str


def write_cursor(position: Position, granularity: str, filters: Filters) -> str:
    """The cursor of the page after the one whose last entry has this position."""
    text = f"{position.period}.{position.currency}.{_digest(granularity, filters)}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, granularity: str, filters: Filters) -> Position:
    """The position in a cursor.

    Raises:
        HttpError: it is not a cursor, or one of another granularity or of other filters.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        match = _TEXT.fullmatch(text)
        if match is not None:
            check_year(int(match[1]) * 1_000)
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        message = f"Invalid cursor {cursor!r}: use the one of the previous page, unchanged."
        raise bad_parameter(message)
    position = Position(int(match[1]), match[2])
    # int() and b64decode() also accept what this server never issued, such as leading zeros.
    if cursor != write_cursor(position, granularity, filters):
        message = (
            f"The cursor {cursor!r} is of another granularity or of other filters: repeat the "
            "parameters of the request that it came from."
        )
        raise bad_parameter(message)
    return position


def _digest(granularity: str, filters: Filters) -> str:
    content = json.dumps([granularity, *filters]).encode()
    return hashlib.sha256(content).hexdigest()[:_DIGEST_DIGITS]
