"""Parts of objects that never change, kept in memory: a server reads the same documents again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from hourtally.store.objects.client import Client

_MOST_BYTES: Final = 64 << 20


class PartCache:
    """The parts that were read last; safe to share between threads."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, client: Client, key: str, offset: int, length: int) -> bytes:
        """The bytes of an object that never changes."""
        if not length:
            return b""
        part = (key, offset, length)
        with self._lock:
            if part in self._parts:
                self._parts.move_to_end(part)
                return self._parts[part]
        content = client.get_range(key, offset, length)
        with self._lock:
            if part not in self._parts:
                self._parts[part] = content
                self._bytes += len(content)
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._parts.popitem(last=False)[1])
        return content
