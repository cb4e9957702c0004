"""Threads that work ahead a little, with results in the order of the work."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import TypeVar

Result = TypeVar("Result")


def ordered_map(
    threads: int,
    call: Callable[..., Result],
    work: Iterable[tuple[object, ...]],
    ahead: int = 1,
) -> Iterator[Result]:
    """`call(*item)` for each item, `threads` at a time, in the order of the items.

    `ahead` more items than there are threads are under way, so memory is bounded by that many.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in work:
                waiting.append(pool.submit(call, *item))
                if len(waiting) >= threads + ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def import_in_background(module: str) -> Iterator[None]:
    """Around work that leaves a core free: the module, a slow one to load, is loaded at its end."""
    if module in sys.modules:
        yield
        return
    with run_in_background(import_module, module) as loading:
        yield
    loading.result()


@contextmanager
def run_in_background(call: Callable[..., Result], *arguments: object) -> Iterator[Future[Result]]:
    """Around work that leaves a core free: a call, done at its end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *arguments)
