"""Which hours hold somebody: asked for every hour of a list's range, so it must cost little.

A new revision adds an entry to its hour's folder, which changes the folder's time of change. So one
`stat` tells whether what is known still holds: 2 us an hour, where listing the folder takes 8 us.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from cachetools import LRUCache

from hourtally.store.durable import has_folders

# Eleven years.
_KNOWN_HOURS: Final = 100_000
# Changes closer together than the ticks of a file system's clock have one time. What was read so
# soon after a change may lack the next one, so it is not remembered.
_RACY_NS: Final = 2_000_000_000


class _Known(NamedTuple):
    changed_ns: int
    holds: bool


class HeldIndex:
    """Remembers of each hour whether its current revision holds somebody."""

    def __init__(self) -> None:
        self._known: LRUCache[str, _Known] = LRUCache(_KNOWN_HOURS)
        # cachetools leaves locking to its users.
        self._lock = Lock()

    def holds_anybody(self, folder: str, read: Callable[[], bool]) -> bool:
        """Whether the revision in an hour's folder holds somebody; `read` looks it up."""
        if not has_folders(folder):
            return read()
        try:
            changed_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116 - making a path takes longer
        except (FileNotFoundError, NotADirectoryError):
            return False
        with self._lock:
            known = self._known.get(folder)
        if known is not None and known.changed_ns == changed_ns:
            return known.holds
        # The clock, as the folder's time is one.
        is_settled = time.time_ns() - changed_ns > _RACY_NS  # noqa: TID251
        holds = read()
        if is_settled:
            with self._lock:
                self._known[folder] = _Known(changed_ns, holds)
        return holds
