"""What was made once and is kept, as long as there is room for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key, at most so much of them; the one not asked for longest goes first.

    Several threads may use one.
    """

    def __init__(self, room: int) -> None:
        self._all_room = room
        self._room = room
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value of a key, if it is still there."""
        with self._lock:
            entry = self._values.get(key)
            if entry is None:
                return None
            self._values.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: Value, size: int = 1) -> None:
        """Keep a value that takes so much room; one that takes more than all is not kept."""
        if size > self._all_room:
            return
        with self._lock:
            if key in self._values:
                self._room += self._values.pop(key)[1]
            self._values[key] = (value, size)
            self._room -= size
            while self._room < 0:
                self._room += self._values.popitem(last=False)[1][1]
