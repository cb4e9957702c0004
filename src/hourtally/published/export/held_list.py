"""`@held.ndjson` of an export: the customers and hours of which there is no file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from hourtally.model.hours import Hour

HELD_FILE: Final = "@held.ndjson"


class HeldList:
    """The lines of the file: `{"customerId","timestamp"}` each, sorted by both."""

    def __init__(self, content: bytes | None) -> None:
        """From the file as it is, None if there is none; what is not such a line is dropped."""
        self._written = content
        self._held: defaultdict[int, set[str]] = defaultdict(set)
        for line in (content or b"").splitlines():
            try:
                record = json.loads(line)
                self._held[int(record["timestamp"])].add(str(record["customerId"]))
            except (ValueError, KeyError, TypeError):
                continue

    def replace(self, hour: Hour, held: Iterable[str], customer: str | None = None) -> None:
        """Take over who is held in an hour; with `customer`, only whether it is."""
        others = set() if customer is None else self._held[hour.timestamp] - {customer}
        self._held[hour.timestamp] = others | {one for one in held if customer in {None, one}}

    @property
    def content(self) -> bytes:
        """The whole file."""
        every = sorted((one, timestamp) for timestamp, of in self._held.items() for one in of)
        lines = (
            json.dumps(
                {"customerId": customer, "timestamp": timestamp},
                ensure_ascii=False,
                separators=(",", ":"),
            )
            for customer, timestamp in every
        )
        return "".join(f"{line}\n" for line in lines).encode()

    @property
    def is_changed(self) -> bool:
        """Whether the file has to be written."""
        return self.content != self._written
