"""Things that are dear to make and that one thread uses at a time, kept for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class IdlePool(Generic[Kept]):
    """As many as are used at a time, made when none is idle."""

    def __init__(self, make: Callable[[], Kept]) -> None:
        self._make = make
        self._idle: SimpleQueue[Kept] = SimpleQueue()

    @contextmanager
    def one(self) -> Iterator[Kept]:
        """One that no other thread uses meanwhile."""
        try:
            kept = self._idle.get_nowait()
        except Empty:
            kept = self._make()
        try:
            yield kept
        finally:
            self._idle.put(kept)
